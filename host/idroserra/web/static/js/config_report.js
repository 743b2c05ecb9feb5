// Waits until a node reports changed settings as active.

import { t } from "./i18n.js";
import { listen, state } from "./state.js";

const WAIT_MS = 15_000;

/** Resolves with null once the node reports `rev`, else with the error. */
export function whenReported(node, rev) {
  return new Promise((resolve) => {
    const end = (error) => {
      clearTimeout(timer);
      unlisten();
      resolve(error);
    };
    const check = () => {
      const { reported_rev: reported = null, error } = state.nodes.get(node)?.config || {};
      if (reported < rev || reported === null) return;
      end(error ? t("Refused by the node: {reason}", { reason: error.text }) : null);
    };
    const timer = setTimeout(() => end(t("Not confirmed yet: the node receives it when it is back online.")), WAIT_MS);
    const unlisten = listen(check);
    check();
  });
}
