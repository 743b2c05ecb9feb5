// Dialogs of the settings: they stay open with the reason when the host refuses.

import { t } from "./i18n.js";
import { openConfirm, whileOpen, withDisabled } from "./confirm_dialog.js";

/** Wire a dialog: `act(form)` sends; the dialog closes when it resolves, unless it was closed meanwhile. */
export function wireDialog(dialog, act) {
  if (!dialog) return;
  const outcome = dialog.querySelector(".outcome");
  const yes = dialog.querySelector("[value=yes]");
  dialog.querySelector("form").addEventListener("submit", async (event) => {
    if (event.submitter !== yes) return;
    event.preventDefault();
    const isOpen = whileOpen(dialog);
    outcome.dataset.state = "pending";
    outcome.textContent = t("Waiting for the host\u2026");
    try {
      await withDisabled([yes], () => act(event.target));
      if (isOpen()) dialog.close("yes");
    } catch (error) {
      if (!isOpen()) return;
      outcome.dataset.state = "failed";
      outcome.textContent = error.message;
    }
  });
}

/** Open a dialog with a title and values for its fields. */
export function openDialog(dialog, title, values = {}) {
  dialog.querySelector("h2").textContent = title;
  dialog.querySelector(".outcome").textContent = "";
  const form = dialog.querySelector("form");
  form.reset();
  for (const [name, value] of Object.entries(values)) form.elements[name].value = value;
  openConfirm(dialog);
}
