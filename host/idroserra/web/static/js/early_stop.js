// The key of Stop, and a press of Stop from before the scripts of the page have run: stop_key.js repeats it. No module:
// runs at once.

/** Whether a key press is the one of Stop: not while a person types, and not with another key. */
window.isStopKey = ({ key, repeat, ctrlKey, altKey, metaKey, shiftKey, target }) =>
  key === "F8" && !(repeat || ctrlKey || altKey || metaKey || shiftKey)
  && !target.closest?.("input:not([type=checkbox], [type=radio]), textarea, [contenteditable=true]");
window.wasStopPressed = false;
addEventListener("click", ({ target }) => {
  if (target.closest("#control .stop, #stop-bar > .stop")) window.wasStopPressed = true;
}, true);
addEventListener("keydown", (event) => {
  if (window.isStopKey(event)) window.wasStopPressed = true;
}, true);
