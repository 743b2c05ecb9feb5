// Repeats a form that is sent before the scripts of the page have run, until a script handles it: the browser would
// send it by itself, with passwords in the address. No module: runs at once.

(() => {
  const [AGAIN_MS, MOST_TRIES] = [100, 300];
  const tries = new WeakMap(); // form: how often it was repeated
  const waiting = new WeakSet();
  addEventListener("submit", (event) => {
    const { target: form, submitter } = event;
    if (form.method === "dialog") return;
    if (event.defaultPrevented) {
      waiting.delete(form); // a script has it
      return;
    }
    event.preventDefault();
    const count = (tries.get(form) || 0) + 1;
    if (waiting.has(form) || count > MOST_TRIES) return;
    tries.set(form, count);
    waiting.add(form);
    setTimeout(() => {
      if (waiting.delete(form)) form.requestSubmit(submitter?.form === form ? submitter : undefined);
    }, AGAIN_MS);
  });
})();
