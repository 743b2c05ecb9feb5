// Asks for the password, for requests that need a recent one.

import { t } from "./i18n.js";
import { withDisabled } from "./confirm_dialog.js";

let open = null;

/** Ask for the password. Resolves when the host accepts it, rejects on cancel. */
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
  let isClosed = false; // and perhaps open again for another request
  return new Promise((resolve, reject) => {
    form.onsubmit = async (event) => {
      event.preventDefault();
      try {
        await withDisabled([form.querySelector("[type=submit]")], () => send(form.elements.password.value));
        resolve();
        if (!isClosed) dialog.close();
      } catch (error) {
        if (isClosed) return;
        outcome.dataset.state = "failed";
        outcome.textContent = error.message;
      }
    };
    form.querySelector("button[type=button]").onclick = () => dialog.close();
    dialog.onclose = () => {
      isClosed = true;
      reject(new Error(t("No password entered: nothing was sent.")));
    };
  });
}
