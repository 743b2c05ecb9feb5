// Repeats a form that is sent before the scripts of the page have run, until one of them takes it: the browser
// would send it by itself, with passwords in the address. No module: runs at once.

(() => {
  const AGAIN_MS = 100;
  const waiting = new WeakSet();
  addEventListener("submit", (event) => {
    const { target: form, submitter } = event;
    if (event.defaultPrevented || form.method === "dialog") return;
    event.preventDefault();
    if (waiting.has(form)) return;
    waiting.add(form);
    setTimeout(() => {
      waiting.delete(form);
      form.requestSubmit(submitter);
    }, AGAIN_MS);
  });
})();
