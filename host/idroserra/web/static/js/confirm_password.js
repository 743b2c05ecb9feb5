// Asks for the password, for requests that need a recent one.

import { t } from "./i18n.js";
import { withDisabled } from "./confirm_dialog.js";

let open = null;

/** Ask for the password. Resolves when the host accepts it, rejects on cancel. A user of a provider confirms there with
 * `leave`, which opens the provider's page instead. */
export function confirmPassword(send, leave) {
  open = open || ask(send, leave).finally(() => {
    open = null;
  });
  return open;
}

function ask(send, leave) {
  const dialog = document.getElementById("again");
  const isOfProvider = "provider" in dialog.dataset;
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
        await withDisabled([form.querySelector("[type=submit]")], () => (isOfProvider ? leave() : send(form.elements.password.value)));
        if (isOfProvider) return;
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
      reject(new Error(isOfProvider ? t("Not confirmed: nothing was sent.") : t("No password entered: nothing was sent.")));
    };
  });
}
