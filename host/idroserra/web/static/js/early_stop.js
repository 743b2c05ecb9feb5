// Remembers a press of Stop from before the scripts of the page have run; stop_key.js repeats it. No module: runs at once.

window.wasStopPressed = false;
addEventListener("click", ({ target }) => {
  if (target.closest("#control .stop, #stop-bar > .stop")) window.wasStopPressed = true;
}, true);
addEventListener("keydown", ({ key }) => {
  if (key === "F8") window.wasStopPressed = true;
}, true);
