// Remembers a press of Stop from before the scripts of the page have run; stop_key.js repeats it, and has the rules of
// the key. No module: runs at once.

window.wasStopPressed = false;
addEventListener("click", ({ target }) => {
  if (target.closest("#control .stop, #stop-bar > .stop")) window.wasStopPressed = true;
}, true);
addEventListener("keydown", (event) => {
  if (event.key !== "F8" || event.repeat || event.ctrlKey || event.altKey || event.metaKey || event.shiftKey) return;
  if (event.target.closest?.("input:not([type=checkbox], [type=radio]), textarea, [contenteditable=true]")) return;
  window.wasStopPressed = true;
}, true);
