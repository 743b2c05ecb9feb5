// The last decisions of the dosing control.

import { make } from "./dom.js";
import { timeText } from "./format.js";
import { helpLink } from "./help_link.js";
import { t } from "./i18n.js";
import { nowUnixMs, state } from "./state.js";

/** Show the decisions in a card; hidden without one, and without contact. */
export function renderDecisions(root, decisions) {
  const known = state.connection === "lost" ? [] : decisions;
  root.hidden = known.length === 0;
  const items = known.map(({ text, unix_ms: at }) => t("{what} (since {time})", { what: text, time: timeText(at, nowUnixMs()) }));
  const list = root.querySelector("ul");
  if (list.dataset.text === items.join("\n")) return;
  list.dataset.text = items.join("\n");
  list.replaceChildren(...items.map((item, index) => make("li", {}, item, ...helpLink(known[index].reason?.code ?? known[index].code))));
}
