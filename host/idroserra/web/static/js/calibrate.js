// The page that calibrates a probe or a pump, step by step. The session is on the host: after a
// reload, or on another device of the same user, it continues at the same step.

import { byId, make } from "./dom.js";
import { renderAlarmBadge } from "./alarm_badge.js";
import { CalibrationHistory } from "./calibrate_history.js";
import { Wizard } from "./calibrate_wizard.js";
import { ENDED, KINDS, titleOf } from "./calibrate_steps.js";
import { t } from "./i18n.js";
import { request, start } from "./connection.js";
import { listen, nowUnixMs, oncePerFrame, state } from "./state.js";
import { withDisabled, openConfirm } from "./confirm_dialog.js";
import { newestOf, renderConnection, renderStrip, healthOf } from "./strip.js";
import { fullTime, plainName } from "./format.js";

const name = document.querySelector("main").dataset.calibrate;
const path = `/api/nodes/${encodeURIComponent(name)}/calibrations`;
const who = document.querySelector(".who b").textContent;
const POLL_MS = 1_000;
const dialog = byId("sure");
const past = new CalibrationHistory(byId("past"), path, confirm, load);
const walk = new Wizard(byId("walk"), path, confirm, load);
let polledMs = 0;
let isAsking = false;

/** Ask for confirmation; resolves with true or false. */
function confirm(title, text, yes) {
  dialog.querySelector("h2").textContent = title;
  dialog.querySelector("p").textContent = text;
  dialog.querySelector("button").textContent = yes;
  openConfirm(dialog);
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
  });
}

let isOfLoad = false; // the trouble shown: what a person did wrong stays until the next act

function trouble(text, ofLoad = false) {
  byId("trouble").hidden = !text;
  byId("trouble").textContent = text;
  isOfLoad = ofLoad;
}

/** Load the history and the open calibration. */
async function load() {
  polledMs = Date.now();
  try {
    const found = await walk.newest.of(request(path));
    if (!found) return;
    if (isOfLoad) trouble("");
    past.render(found);
    show(found.open);
  } catch (error) {
    trouble(error.message, true);
  }
}

function show(open) {
  const isMine = open !== null && open.by === who;
  if (isMine) walk.take(open);
  else if (walk.state && !ENDED.includes(walk.state.state)) walk.refresh();
  byId("busy").hidden = open === null || isMine;
  byId("walk").hidden = !walk.state || !byId("busy").hidden;
  byId("choose").hidden = !byId("walk").hidden || !byId("busy").hidden;
  if (!byId("busy").hidden) showBusy(open);
}

function showBusy(open) {
  const [what, more] = byId("busy").querySelectorAll("p");
  what.textContent = t("{who} is calibrating {what} of {node}.", { who: open.by, what: titleOf(open), node: name });
  more.textContent = open.hold.until_unix_ms
    ? t("Dosing is held until {when}. Only one calibration at a time.", { when: fullTime(open.hold.until_unix_ms) })
    : t("Only one calibration at a time.");
  byId("busy").querySelector("button").onclick = async () => {
    const isConfirmed = await confirm(t("Cancel the calibration of {who}?", { who: open.by }), t("Nothing is changed. Is the probe back in the tank? Dosing resumes in four minutes."), t("Cancel calibration"));
    if (!isConfirmed) return;
    const asking = () => walk.newest.change(request(`${path}/${open.id}/cancel`, { method: "POST", body: {} }));
    await withDisabled(byId("busy").querySelectorAll("button"), asking).catch((error) => trouble(error.message));
    load();
  };
}

function choices(node) {
  const kinds = Object.entries(KINDS).filter(([, { channel }]) => channel && channel in node.channels).map(([kind, { title }]) => [title, { kind }]);
  const dosers = Object.keys(node.outputs).filter((key) => node.outputs[key] === "doser");
  return [...kinds, ...dosers.map((actuator) => [t("Pump {name}", { name: plainName(actuator) }), { kind: "pump", actuator }])];
}

function renderChoices(node) {
  const root = byId("choose").querySelector(".choices");
  const found = choices(node);
  const text = JSON.stringify(found);
  if (root.dataset.text === text) return;
  root.dataset.text = text;
  root.replaceChildren(...found.map(([title, body]) => {
    const button = make("button", { type: "button", className: "big", textContent: title });
    button.dataset.what = body.actuator || body.kind;
    button.addEventListener("click", () => begin(body));
    const choice = make("div", { className: "soft" });
    choice.append(button, make("small", { textContent: KINDS[body.kind].youNeed }));
    return choice;
  }));
}

async function begin(body) {
  trouble("");
  try {
    const asking = () => walk.newest.change(request(path, { method: "POST", body }));
    walk.begin(await withDisabled(byId("choose").querySelectorAll("button"), asking));
  } catch (error) {
    trouble(error.message);
  }
  load();
}

/** Poll an open calibration once a second, which also prevents its expiry. */
async function poll() {
  if (document.hidden || isAsking || Date.now() - polledMs < (walk.isOpen ? POLL_MS : 5 * POLL_MS)) return;
  isAsking = true;
  polledMs = Date.now();
  if (walk.isOpen) await walk.refresh().then(() => trouble(""), (error) => trouble(error.message));
  else await load();
  isAsking = false;
}

function render() {
  const node = state.nodes.get(name);
  if (!node) return;
  renderStrip(byId("strip"), healthOf(node), newestOf([node]));
  renderConnection(byId("link"));
  renderAlarmBadge();
  renderChoices(node);
  past.confirm(node);
  walk.tick(nowUnixMs());
}

const renderSoon = oncePerFrame(render);

listen((message) => {
  if (!state.nodes.has(name)) { // forgotten: the host shows a page
    if (["gone", "nodes"].includes(message.type)) location.reload();
    return;
  }
  if (message.type === "outdated") byId("outdated").hidden = false;
  renderSoon();
});
setInterval(poll, POLL_MS / 4);
render();
load();
start();
