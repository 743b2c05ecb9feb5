// One tap asks once: what asks is off while it waits, and a question is read before it is answered.

const READ_MS = 400;

/** Do `work` with these buttons and fields off, so that a second tap does nothing. */
export async function alone(controls, work) {
  const on = [...controls].filter((one) => !one.disabled);
  for (const one of on) one.disabled = true;
  try {
    return await work();
  } finally {
    for (const one of on) one.disabled = false;
  }
}

/** Open a dialog that asks before something is done. Its yes comes a moment later: the second half
 * of a double tap, or a key that is held, was meant for what opened it. */
export function openSure(dialog) {
  const yes = dialog.querySelector("[value=yes]");
  dialog.returnValue = "";
  yes.disabled = true;
  dialog.showModal();
  setTimeout(() => {
    yes.disabled = false;
  }, READ_MS);
}
