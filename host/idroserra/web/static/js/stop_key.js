// One key stops dosing. A function key types nothing, and screen readers pass it on. Its rule is in early_stop.js.

/** Press `button` on the key of Stop, also while a dialog is open; and now, if it was pressed while the page loaded. */
export function wireStopKey(button) {
  button.setAttribute("aria-keyshortcuts", "F8");
  document.addEventListener("keydown", (event) => {
    if (!window.isStopKey(event)) return;
    event.preventDefault();
    button.click();
  });
  if (window.wasStopPressed) button.click();
}
