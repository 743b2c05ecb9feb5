// The settings of foreign readings: adopt what was seen, change limits, forget.

import { byId, make, showOutcome } from "./dom.js";
import { nowUnixMs } from "./state.js";
import { t } from "./i18n.js";
import { request, start } from "./connection.js";
import { ageText } from "./format.js";
import { levelOf, textsOf } from "./foreign_tiles.js";
import { LatestResponse } from "./latest_response.js";
import { startFrame } from "./page_frame.js";
import { openDialog, wireDialog } from "./settings_form.js";

const AGAIN_MS = 4_000;
const answers = new LatestResponse();
const [adopt, forget] = ["adopt", "forget"].map(byId);
const mayChange = adopt !== null;
let quantities = [];
let chosen = null; // the value or reading of the open dialog

const path = (name) => `/api/foreign/${encodeURIComponent(name)}`;

function button(text, act, what) {
  const made = make("button", { type: "button", textContent: text, ariaLabel: `${text} ${what}` });
  made.addEventListener("click", act);
  return made;
}

function row(title, about, [value, detail], level, buttons) {
  const shown = make("p", {}, make("b", { textContent: value }), " ", make("small", { textContent: detail }));
  const made = make("li", {}, make("b", { textContent: title }, make("small", { textContent: about })), shown, ...(mayChange ? buttons : []));
  made.dataset.level = level;
  shown.lastChild.dataset.level = level;
  return made;
}

function readingRow(one, heardMs) {
  const about = [one.place, one.label, one.device].filter(Boolean).join(" \u00b7 ");
  return row(one.name, about, textsOf(one, heardMs), levelOf(one, heardMs), [
    button(t("Change\u2026"), () => askToAdopt(one, one), one.name),
    button(t("Forget\u2026"), () => askToForget(one), one.name),
  ]);
}

function seenRow(one) {
  const ago = ageText(nowUnixMs() - one.heard_unix_ms);
  const value = one.text ? [one.text, ago] : ["\u2014", t("kept by the broker, age unknown")];
  return row(one.field, `${one.source} \u00b7 ${one.device}`, value, "note", [
    button(t("Adopt\u2026"), () => askToAdopt(one, {}), one.field),
  ]);
}

function askToAdopt(one, known) {
  chosen = { ...one, isKnown: Boolean(known.name) };
  const offered = quantities.find(({ quantity }) => quantity === one.quantity);
  openDialog(adopt, known.name ? t("Change {name}", { name: known.name }) : t("Adopt {field}", { field: one.field }), {
    name: known.name || "", place: known.place || "", quantity: one.quantity || "",
  });
  const { name, quantity } = adopt.querySelector("form").elements;
  name.readOnly = chosen.isKnown;
  quantity.disabled = Boolean(one.quantity);
  showLimits(known.name ? known : offered);
}

/** Fill in the limits of a reading, or those that are offered for its quantity. */
function showLimits(limits) {
  const { low, high, minutes } = adopt.querySelector("form").elements;
  byId("plausible").hidden = !limits || limits.quantity === "leak";
  const unit = quantities.find(({ quantity }) => quantity === limits?.quantity)?.unit || "";
  for (const place of adopt.querySelectorAll("[data-unit]")) place.textContent = unit;
  [low.value, high.value] = [limits?.low ?? "", limits?.high ?? ""];
  minutes.value = limits ? limits.too_old_s / 60 : "";
}

function askToForget(one) {
  chosen = one;
  openDialog(forget, t("Forget {node}?", { node: one.name }));
}

function stateText({ topics, state }) {
  if (state === "off") return t("Off: no topics are set in the configuration of the host.");
  if (state === "connected") return t("Receiving {topics}", { topics: topics.join(", ") });
  if (state === "paused") return t("Too many messages: nothing is received for a minute.");
  return t("Nothing is received: {reason}", { reason: state });
}

/** Replace the rows whose text changed; the focus stays where it is. */
function replaceChanged(parent, rows) {
  rows.forEach((made, index) => {
    const old = parent.children[index];
    if (!old) parent.append(made);
    else if (old.textContent !== made.textContent || old.dataset.level !== made.dataset.level) old.replaceWith(made);
  });
  while (parent.children.length > rows.length) parent.lastElementChild.remove();
}

function render([known, found]) {
  quantities = found.quantities;
  const heardMs = performance.now();
  byId("subscription").textContent = stateText(known);
  byId("subscription").dataset.level = ["off", "connected"].includes(known.state) ? "note" : "warn";
  replaceChanged(byId("readings"), known.readings.map((one) => readingRow(one, heardMs)));
  replaceChanged(byId("seen"), found.seen.map(seenRow));
  byId("no-readings").hidden = known.readings.length > 0;
  byId("no-seen").hidden = found.seen.length > 0 || known.state === "off";
  byId("omitted").hidden = found.omitted === 0;
}

async function load() {
  const answer = await answers.of(Promise.all([request("/api/foreign"), request("/api/foreign/seen")]));
  if (answer) render(answer);
}

async function send(done, ...sent) {
  await answers.change(request(...sent));
  showOutcome(byId("foreign-outcome"), "done", done);
  await load();
}

wireDialog(adopt, ({ elements: { name, place, quantity, low, high, minutes } }) => send(t("{name} saved.", { name: name.value }), path(name.value), { method: "PUT", body: {
  device: chosen.device, field: chosen.field, place: place.value.trim(), quantity: quantity.value,
  too_old_s: Math.round(Number(minutes.value) * 60),
  ...(quantity.value === "leak" ? {} : { low: Number(low.value), high: Number(high.value) }),
} }));
wireDialog(forget, () => send(t("{node} is forgotten.", { node: chosen.name }), path(chosen.name), { method: "DELETE", body: {} }));
adopt?.querySelector("[name=quantity]").addEventListener("change", ({ target }) => showLimits(quantities.find(({ quantity }) => quantity === target.value)));

const loadOrSay = () => load().catch((error) => showOutcome(byId("foreign-outcome"), "failed", error.message));
setInterval(() => document.visibilityState === "visible" && loadOrSay(), AGAIN_MS);
startFrame();
start();
loadOrSay();
