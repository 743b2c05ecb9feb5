// The status strip and the state of the connection.

import { make } from "./dom.js";
import { t } from "./i18n.js";
import { nowUnixMs, state } from "./state.js";
import { ageText, timeText } from "./format.js";

export const LEVELS = ["ok", "note", "warn", "bad"];
export const ICONS = { ok: "#i-ok", note: "#i-note", warn: "#i-warn", bad: "#i-bad" };

/** The health of a node to show, or the lost connection. */
export function healthOf(node) {
  if (state.connection === "lost") {
    const since = timeText(state.lostUnixMs, nowUnixMs());
    return {
      level: "bad",
      summary: t("Connection to the host lost."),
      reasons: [{ level: "bad", text: t("No contact since {time}; the displayed values are old. Retrying.", { time: since }) }],
    };
  }
  return withHost(node.verdict);
}

/** Put problems of the host first: they make the rest unreliable. */
export function withHost(verdict) {
  if (!state.hostReasons.length) return verdict;
  const [first, ...others] = state.hostReasons;
  const calm = verdict.level === "ok" || verdict.level === "note";
  const own = calm ? [] : [{ level: verdict.level, text: verdict.summary }];
  return { level: "bad", summary: first.text, reasons: [...others, ...own, ...verdict.reasons] };
}

export function worstFirst(nodes) {
  const rank = (node) => LEVELS.indexOf(node.verdict.level);
  return [...nodes].sort((a, b) => rank(b) - rank(a) || a.node.localeCompare(b.node));
}

export function renderStrip(root, verdict, newestUnixMs) {
  root.dataset.level = verdict.level;
  root.querySelector("use").setAttribute("href", ICONS[verdict.level]);
  const strong = root.querySelector("strong");
  if (strong.textContent !== verdict.summary) strong.textContent = verdict.summary;
  const list = root.querySelector("ul");
  const texts = verdict.reasons.map((reason) => reason.text);
  const joined = texts.join("\n");
  if (list.dataset.text !== joined) {
    list.dataset.text = joined;
    list.replaceChildren(...texts.map((text) => make("li", { textContent: text })));
  }
  list.hidden = texts.length === 0;
  root.querySelector(".age").textContent =
    newestUnixMs === null ? t("no reading yet") : t("newest reading {ago}", { ago: ageText(nowUnixMs() - newestUnixMs) });
}

export function newestOf(nodes) {
  let newest = null;
  for (const node of nodes) {
    for (const channel of Object.values(node.channels)) {
      if (channel.unix_ms !== null && (newest === null || channel.unix_ms > newest)) newest = channel.unix_ms;
    }
  }
  return newest;
}

export function renderConnection(root) {
  root.dataset.state = state.connection;
  const words = { live: t("live"), lost: t("no contact with the host"), connecting: t("connecting") };
  root.querySelector("span").textContent = words[state.connection];
}
