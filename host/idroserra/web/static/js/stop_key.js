// One key stops dosing. A function key types nothing, and screen readers pass it on.

export const STOP_KEY = "F8";

const TYPED_IN = "input:not([type=checkbox], [type=radio]), textarea, [contenteditable=true]";

/** Press `button` on STOP_KEY, also while a dialog is open, but not while a person types; and now, if it
 * was pressed while the page loaded. */
export function wireStopKey(button) {
  button.setAttribute("aria-keyshortcuts", STOP_KEY);
  document.addEventListener("keydown", (event) => {
    if (event.key !== STOP_KEY || event.repeat || event.ctrlKey || event.altKey || event.metaKey || event.shiftKey) return;
    if (event.target.closest?.(TYPED_IN)) return;
    event.preventDefault();
    button.click();
  });
  if (window.wasStopPressed) button.click();
}
