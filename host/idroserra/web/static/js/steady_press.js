// A press counts for the button that was under the finger when it began: the page may move or render again meanwhile.
// No module: runs at once.

(() => {
  const PRESSED = "button, a[href], summary";
  const SAME_PLACE_PX = 10;
  let began = null; // {button, x, y} of the press in progress
  addEventListener("pointerdown", ({ isPrimary, target, clientX: x, clientY: y }) => {
    began = isPrimary ? { button: target.closest?.(PRESSED), x, y } : null;
  }, true);
  addEventListener("pointercancel", () => { began = null; }, true);
  addEventListener("click", (event) => {
    const press = began;
    if (!press || !event.isTrusted || event.detail === 0) return; // detail 0: the keyboard
    began = null;
    if (event.target.closest?.(PRESSED) === press.button) return;
    if (Math.hypot(event.clientX - press.x, event.clientY - press.y) > SAME_PLACE_PX) return; // dragged away
    event.preventDefault();
    event.stopImmediatePropagation();
    const isPlain = !(event.ctrlKey || event.metaKey || event.shiftKey || event.altKey);
    if (isPlain && press.button?.isConnected) press.button.click();
  }, true);
})();
