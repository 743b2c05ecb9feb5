// Alarm rules in the settings: limits, delays and priorities, for all nodes or for one.

import { byId, make, showOutcome } from "./dom.js";
import { mark, t } from "./i18n.js";
import { request, start } from "./connection.js";
import { number, scaled } from "./format.js";
import { whileOpen, withDisabled } from "./confirm_dialog.js";
import { LatestResponse } from "./latest_response.js";
import { put, valueOf, watchNumbers } from "./number_fields.js";
import { startFrame } from "./page_frame.js";
import { openDialog, wireDialog } from "./settings_form.js";

const PRIORITIES = [mark("low"), mark("medium"), mark("high"), mark("urgent")];
const answers = new LatestResponse();
const dialog = byId("rule");
let rules = [];
let chosen = null; // the rule of the dialog

const node = () => byId("of-node").value;
const fieldOf = (rule, key) => rule.fields.find((one) => one.key === key);

function words(field, value) {
  if (field.key === "enabled") return value ? t("on") : t("off");
  if (field.key === "priority") return t(value);
  const text = scaled(field, value).toFixed(field.decimals);
  return `${number(Number(text), (String(Number(text)).split(".")[1] || "").length)} ${field.unit}`.trim();
}

/** A cell; a changed value is marked, with its default. */
function cell(label, field, isOff) {
  const made = make("td", {});
  if (label) made.dataset.label = label;
  if (!field) return made;
  made.append(isOff ? t("off") : words(field, field.value));
  if (field.is_changed) made.append(make("small", { className: "changed", textContent: t("changed, default {value}", { value: words(field, field.default) }) }));
  if (field.source) made.append(make("small", { textContent: t("set in the host's configuration") }));
  return made;
}

function row(rule) {
  const enabled = fieldOf(rule, "enabled");
  const limit = fieldOf(rule, "limit");
  const title = make("td", {}, make("b", { textContent: rule.title }), make("small", { textContent: rule.consequence }));
  for (const [isOff, text] of [[true, mark("Off for {nodes}")], [false, mark("Changed for {nodes}")]]) {
    const nodes = rule.nodes.filter((one) => one.is_off === isOff).map((one) => one.node);
    if (nodes.length) title.append(make("small", { className: "changed", textContent: t(text, { nodes: nodes.join(", ") }) }));
  }
  const limited = cell(limit ? limit.label : "", limit);
  if (limit) limited.prepend(make("small", { textContent: limit.label }));
  const cells = [title, limited, cell(t("Raised after"), fieldOf(rule, "on_delay_s")), enabled.value ? cell(t("Priority"), fieldOf(rule, "priority")) : cell("", enabled)];
  const last = make("td", {});
  if (dialog) {
    const button = make("button", { type: "button", textContent: t("Change\u2026"), ariaLabel: t("Change {name}", { name: rule.title }) });
    button.addEventListener("click", () => ask(rule));
    last.append(make("div", { className: "row" }, button));
  }
  const made = make("tr", {}, ...cells, last);
  made.dataset.rule = rule.rule;
  made.dataset.changed = String(rule.is_changed);
  return made;
}

function render() {
  const wanted = byId("find").value.trim().toLowerCase();
  const shown = rules.filter((rule) => (!byId("only-changed").checked || rule.is_changed || rule.nodes.length) && rule.title.toLowerCase().includes(wanted));
  for (const section of document.querySelectorAll("[data-about]")) {
    const own = shown.filter((rule) => rule.about === section.dataset.about);
    section.hidden = own.length === 0;
    section.querySelector("tbody").replaceChildren(...own.map(row));
  }
  byId("no-rules").hidden = shown.length > 0 || rules.length === 0;
}

/** The control of one key, with its bounds and default. */
function control(field) {
  const about = [field.source ? t("set in the host's configuration") : t("default {value}", { value: words(field, field.default) })];
  let input;
  if (field.key === "enabled") {
    input = make("select", {}, new Option(t("on"), "true"), new Option(t("off"), "false"));
    input.value = String(field.value);
  } else if (field.key === "priority") {
    input = make("select", {}, ...PRIORITIES.map((name) => new Option(t(name), name)));
    input.value = field.value;
  } else {
    const [low, high] = [field.low, field.high].map((value) => scaled(field, value));
    input = make("input", { inputMode: "decimal", required: true });
    Object.assign(input.dataset, { low, high, decimals: Math.max(field.decimals, 1) });
    put(input, scaled(field, field.value));
    about.unshift(t("{low} to {high}", { low: words(field, field.low), high: words(field, field.high) }));
  }
  input.name = field.key;
  input.disabled = field.source !== null;
  const label = field.unit && field.low !== field.high ? `${field.label} (${field.unit})` : field.label;
  return make("label", {}, make("span", { textContent: label }), input, make("small", { textContent: about.join(" · ") }));
}

function ask(rule) {
  chosen = rule;
  dialog.querySelector(".values").replaceChildren(...rule.fields.map(control));
  watchNumbers(dialog);
  dialog.querySelector("p.soft").textContent = node() ? t("Of {node} only. Other nodes keep their values.", { node: node() }) : rule.consequence;
  byId("reset-rule").hidden = !rule.is_changed;
  openDialogKeeping(rule.title);
}

/** Open without form.reset(), which would empty the fields that were just filled. */
function openDialogKeeping(title) {
  const filled = [...dialog.querySelectorAll(".values input, .values select")].map((input) => [input, input.value]);
  openDialog(dialog, title);
  for (const [input, value] of filled) input.value = value;
}

/** The value of a control in the stored unit. */
function storedValue(field, input) {
  if (field.key === "enabled") return input.value === "true";
  if (field.key === "priority") return input.value;
  return Number(((valueOf(input) - field.offset) / field.factor).toFixed(6));
}

const isSame = (field, value) => (typeof value === "number" ? words(field, value) === words(field, field.value) : value === field.value);

async function send(values) {
  const [rule, of] = [chosen, node()];
  const answer = await answers.change(request(`/api/settings/alarms/${rule.rule}`, { method: "PUT", body: { node: of, values } }));
  if (node() === of) show(answer);
  else load(); // another node was chosen meanwhile
  const after = answer.rules.find((one) => one.rule === rule.rule);
  const changes = after.fields.filter((field) => !isSame(field, fieldOf(rule, field.key).value)).map((field) => `${field.label}: ${words(field, fieldOf(rule, field.key).value)} \u2192 ${words(field, field.value)}`);
  showOutcome(byId("rules-outcome"), "done", t("{name} changed, applies now. {changes}", { name: rule.title, changes: changes.join("; ") }));
}

function show(answer) {
  rules = answer.rules;
  if (answer.trouble) showOutcome(byId("rules-outcome"), "failed", answer.trouble);
  render();
}

async function load() {
  try {
    const answer = await answers.of(request(`/api/settings/alarms?node=${encodeURIComponent(node())}`));
    if (answer) show(answer);
  } catch (error) {
    showOutcome(byId("rules-outcome"), "failed", error.message);
  }
}

wireDialog(dialog, async (form) => {
  const values = {};
  for (const field of chosen.fields) {
    const input = form.elements[field.key];
    if (!input.disabled && !isSame(field, storedValue(field, input))) values[field.key] = storedValue(field, input);
  }
  if (Object.keys(values).length) await send(values);
});
if (dialog) {
  byId("reset-rule").addEventListener("click", async ({ currentTarget }) => {
    const values = Object.fromEntries(chosen.fields.filter((field) => field.is_changed).map((field) => [field.key, null]));
    const isOpen = whileOpen(dialog);
    try {
      await withDisabled([currentTarget], () => send(values));
      if (isOpen()) dialog.close();
    } catch (error) {
      if (isOpen()) showOutcome(dialog.querySelector(".outcome"), "failed", error.message);
    }
  });
}
const ofNode = byId("of-node");
ofNode.value = new URLSearchParams(location.search).get("node") || "";
if (ofNode.selectedIndex < 0) ofNode.value = "";
ofNode.addEventListener("change", () => {
  answers.restart();
  rules = []; // of the node before: a change of one would be saved for this node
  render();
  load();
});
for (const id of ["find", "only-changed"]) byId(id).addEventListener("input", render);
startFrame();
start();
load();
