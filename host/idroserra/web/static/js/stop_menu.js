// The stop on every page: a button for each node, without a question.

import { byId } from "./dom.js";
import { stopNode } from "./commands.js";

byId("stops").addEventListener("click", ({ target }) => {
  const button = target.closest("[data-node]");
  if (button) stopNode(button.dataset.node, button.nextElementSibling);
});
