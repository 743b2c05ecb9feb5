// Foreign readings: values of sensors that are not nodes, with their age. An old value is not shown.

import { make, placed } from "./dom.js";
import { t } from "./i18n.js";
import { request } from "./connection.js";
import { ageText } from "./format.js";

const AGAIN_MS = 5_000;

/** The age of a reading now, of an answer that came at `heardMs` of performance.now(). */
const ageOf = (one, heardMs) => one.age_ms + performance.now() - heardMs;

/** The state of a reading now: it gets old also while the host does not answer. */
export function stateOf(one, heardMs) {
  return one.state === "ok" && ageOf(one, heardMs) > one.too_old_s * 1000 ? "old" : one.state;
}

/** The value of a reading, or why there is none, and its age: [text, detail]. A leak is shown in any state. */
export function textsOf(one, heardMs) {
  const ago = ageText(ageOf(one, heardMs));
  const last = one.has_value ? t("last value {ago}", { ago }) : t("no value yet");
  const state = stateOf(one, heardMs);
  const [text, detail] = {
    ok: [one.text, ago],
    waiting: ["\u2014", t("no value yet")],
    old: [t("stale"), last],
    offline: [t("offline"), last],
    implausible: [t("implausible"), `${one.refused_text}, ${ago}`],
  }[state];
  if (!one.is_leak || state === "ok") return [text, detail];
  return [one.text, state === "waiting" ? t("kept by the broker, age unknown") : `${text}, ${detail}`];
}

/** "bad" for a leak, "warn" for a missing or implausible value. */
export function levelOf(one, heardMs) {
  if (one.is_leak) return "bad";
  const state = stateOf(one, heardMs);
  if (state === "ok") return one.isCut ? "warn" : "ok";
  return state === "waiting" ? "note" : "warn";
}

function tile() {
  const parts = { name: make("b"), mark: make("span", { className: "mark" }), value: make("div", { className: "value" }), place: make("span"), age: make("span", { className: "age" }) };
  const root = make("article", { className: "tile" }, make("h3", {}, parts.name, parts.mark), make("div", { className: "body" }, parts.value), make("footer", {}, parts.place, parts.age));
  return Object.assign(root, { parts });
}

const ORDER = ["bad", "warn", "note", "ok"];

/** Write a value with its unit in small, or what stands for it. */
function showValue(element, one, state) {
  const [figure, unit = ""] = one.quantity === "leak" ? [one.text] : one.text.split(" ");
  element.replaceChildren(...{ ok: [figure, make("small", { textContent: unit })], implausible: [t("No reading")] }[one.is_leak ? "ok" : state] || ["\u2014"]);
}

function render(root, one, heardMs) {
  const { name, mark, value, place, age } = root.parts;
  const state = stateOf(one, heardMs);
  root.dataset.state = one.is_leak || state === "implausible" ? "fault" : { ok: one.isCut ? "stale" : "ok", waiting: "none" }[state] || "stale";
  name.textContent = one.place ? `${one.label}, ${one.place}` : one.label;
  const [text, detail] = textsOf(one, heardMs);
  const cut = one.isCut && state === "ok" ? t("not received") : "";
  mark.textContent = ["old", "offline", "implausible"].includes(state) ? text : cut;
  mark.hidden = !mark.textContent;
  showValue(value, one, state);
  place.textContent = one.name;
  age.textContent = detail;
}

/** Show the adopted readings in `parent`, and keep them up to date. */
export function showForeign(parent) {
  const known = new Map();
  let readings = [];
  let heardMs = 0;
  const rank = (one) => ORDER.indexOf(levelOf(one, heardMs));
  const draw = () => placed(parent, known, [...readings].sort((a, b) => rank(a) - rank(b)), (one) => one.name, tile, (root, one) => render(root, one, heardMs));
  const load = async () => {
    const answer = await request("/api/foreign");
    readings = answer.readings.map((one) => ({ ...one, isCut: answer.state !== "connected" }));
    heardMs = performance.now();
    draw();
  };
  const again = () => document.visibilityState === "visible" && load().catch(() => {}); // the strip says it
  setInterval(again, AGAIN_MS);
  setInterval(draw, 1_000);
  again();
}
