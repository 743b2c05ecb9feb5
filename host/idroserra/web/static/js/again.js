// The password once more, for what needs one given in the last minutes.

import { t } from "./i18n.js";
import { alone } from "./sure.js";

let open = null;

/** Ask for the password; resolves once the host took it, rejects where somebody cancels. */
export function confirmPassword(send) {
  open = open || ask(send).finally(() => {
    open = null;
  });
  return open;
}

function ask(send) {
  const dialog = document.getElementById("again");
  const form = dialog.querySelector("form");
  const outcome = form.querySelector(".outcome");
  form.reset();
  outcome.textContent = "";
  dialog.showModal();
  return new Promise((resolve, reject) => {
    form.onsubmit = async (event) => {
      event.preventDefault();
      try {
        await alone([form.querySelector("[type=submit]")], () => send(form.elements.password.value));
        resolve();
        dialog.close();
      } catch (error) {
        outcome.dataset.state = "failed";
        outcome.textContent = error.message;
      }
    };
    form.querySelector("button[type=button]").onclick = () => dialog.close();
    dialog.onclose = () => reject(new Error(t("The password was not given: nothing was sent.")));
  });
}
