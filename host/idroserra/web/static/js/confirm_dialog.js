// Prevents double requests, and answers before a question was read.

const READ_MS = 400;

/** Do `work` with these controls disabled, so that a second tap does nothing. */
export async function withDisabled(controls, work) {
  const on = [...controls].filter((one) => !one.disabled);
  for (const one of on) one.disabled = true;
  try {
    return await work();
  } finally {
    for (const one of on) one.disabled = false;
  }
}

const openings = new WeakMap(); // dialog: an object of its last opening

/** Return a function that tells whether the dialog is still in the opening that it is in now. */
export function whileOpen(dialog) {
  const opening = openings.get(dialog);
  return () => dialog.open && openings.get(dialog) === opening;
}

/** Open a confirmation dialog. Its yes button is enabled after READ_MS if `isReady()`, so that a
 * double tap or a held key does not confirm. */
export function openConfirm(dialog, isReady = () => true) {
  const yes = dialog.querySelector("[value=yes]");
  dialog.returnValue = "";
  yes.disabled = true;
  openings.set(dialog, {});
  dialog.showModal();
  enableSoon(dialog, isReady);
}

/** Enable the yes button of this opening of a dialog after READ_MS if `isReady()`. */
export function enableSoon(dialog, isReady = () => true) {
  const isOpen = whileOpen(dialog);
  setTimeout(() => {
    if (isOpen()) dialog.querySelector("[value=yes]").disabled = !isReady();
  }, READ_MS);
}
