// The status strip and the state of the connection.

import { make } from "./dom.js";
import { helpAddress } from "./help_link.js";
import { t } from "./i18n.js";
import { naturally } from "./natural.js";
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
      text: t("Connection to the host lost."),
      others: [{ level: "bad", text: t("No contact since {time}; the displayed values are old. Retrying.", { time: since }) }],
    };
  }
  return withHost(node.state);
}

/** Put problems of the host first: they make the rest unreliable. */
export function withHost(health) {
  if (!state.hostReasons.length) return health;
  const [first, ...others] = state.hostReasons;
  const own = health.level === "ok" ? [] : [health];
  return { level: "bad", text: first.text, others: [...others, ...own, ...health.others] };
}

export function worstFirst(nodes) {
  const rank = (node) => LEVELS.indexOf(node.state.level);
  return [...nodes].sort((a, b) => rank(b) - rank(a) || naturally(a.title, b.title));
}

/** A cause in words, with the time since when it exists; links to where it is mended and to its help. */
function causeParts({ text, level, help, href, since_unix_ms: since }) {
  if (level === "ok") return [text];
  const words = since ? t("{what} (since {time})", { what: text, time: timeText(since, nowUnixMs()) }) : text;
  const shown = href ? make("a", { textContent: words, href }) : words;
  return help ? [shown, ...helpAddress(help)] : [shown];
}

export function renderStrip(root, health, newestUnixMs) {
  root.dataset.level = health.level;
  root.dataset.code = health.code || "";
  root.querySelector("use").setAttribute("href", ICONS[health.level]);
  replaceCauses(root.querySelector("strong"), [health], (cause) => causeParts(cause));
  const list = root.querySelector("ul");
  replaceCauses(list, health.others, (cause) => {
    const item = make("li");
    item.append(...causeParts(cause));
    return [item];
  });
  list.hidden = health.others.length === 0;
  root.querySelector(".age").textContent =
    newestUnixMs === null ? t("no reading yet") : t("newest reading {ago}", { ago: ageText(nowUnixMs() - newestUnixMs) });
}

/** Replace the children by those of each cause, if the causes have changed. */
function replaceCauses(root, causes, partsOf) {
  const shown = JSON.stringify(causes.map(({ text, since_unix_ms: since }) => [text, since]));
  if (root.dataset.shown === shown) return;
  root.dataset.shown = shown;
  root.replaceChildren(...causes.flatMap(partsOf));
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
