// Waits until a node reports changed settings as active.

import { t } from "./i18n.js";
import { listen, state } from "./state.js";

const WAIT_MS = 15_000;

/** Resolves with null once `rev` is active at the node, else with the error. */
export function whenReported(node, rev) {
  return new Promise((resolve) => {
    const end = (error) => {
      clearTimeout(timer);
      unlisten();
      resolve(error);
    };
    const check = () => {
      const { reported_rev: reported = null, refused_rev: refused = 0, error } = state.nodes.get(node)?.config || {};
      if (refused >= rev && error) end(t("Refused by the node: {reason}", { reason: error.text }));
      else if (reported !== null && reported >= rev) end(null);
    };
    const timer = setTimeout(() => end(t("Not confirmed yet: the node receives it when it is back online.")), WAIT_MS);
    const unlisten = listen(check);
    check();
  });
}
