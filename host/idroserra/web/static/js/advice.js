// The advice of a node that does not dose by itself.

import { make } from "./dom.js";

/** Show the advice of a node in advice mode; hidden without advice. */
export function renderAdvice(root, advice) {
  root.hidden = advice.length === 0;
  const list = root.querySelector("ul");
  if (list.dataset.text === advice.join("\n")) return;
  list.dataset.text = advice.join("\n");
  list.replaceChildren(...advice.map((text) => make("li", { textContent: text })));
}
