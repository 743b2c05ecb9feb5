// The page that calibrates a probe or a pump: one thing a step. The session lives on the host, so
// a reload, or another phone of the same person, goes on where it stands.

import { renderBell } from "./bell.js";
import { Past } from "./calibrate_past.js";
import { Walk } from "./calibrate_walk.js";
import { ENDED, KINDS, titleOf } from "./calibrate_steps.js";
import { t } from "./i18n.js";
import { request, start } from "./link.js";
import { listen, nowUnixMs, once, state } from "./state.js";
import { alone, openSure } from "./sure.js";
import { newestOf, renderLink, renderStrip, verdictOf } from "./strip.js";
import { fullTime, plainName } from "./words.js";

const byId = (id) => document.getElementById(id);
const name = document.querySelector("main").dataset.calibrate;
const path = `/api/nodes/${encodeURIComponent(name)}/calibrations`;
const who = document.querySelector(".who b").textContent;
const POLL_MS = 1_000;
const dialog = byId("sure");
const past = new Past(byId("past"), path, sure, load);
const walk = new Walk(byId("walk"), path, sure, load);
let polledMs = 0;
let isAsking = false;

/** Ask first; resolves with whether a person says yes. */
function sure(title, text, yes) {
  dialog.querySelector("h2").textContent = title;
  dialog.querySelector("p").textContent = text;
  dialog.querySelector("button").textContent = yes;
  openSure(dialog);
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
  });
}

function trouble(text) {
  byId("trouble").hidden = !text;
  byId("trouble").textContent = text;
}

/** Ask where everything stands: the history, and the calibration that is open. */
async function load() {
  polledMs = Date.now();
  try {
    const found = await walk.newest.of(request(path));
    if (!found) return;
    trouble("");
    past.render(found);
    show(found.open);
  } catch (error) {
    trouble(error.message);
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
    const isSure = await sure(t("End the calibration of {who}?", { who: open.by }), t("Nothing is changed. Is the probe back in the tank? Dosing goes on in two minutes."), t("End it"));
    if (!isSure) return;
    const asking = () => walk.newest.change(request(`${path}/${open.id}/cancel`, { method: "POST", body: {} }));
    await alone(byId("busy").querySelectorAll("button"), asking).catch((error) => trouble(error.message));
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
    const button = Object.assign(document.createElement("button"), { type: "button", className: "big", textContent: title });
    button.dataset.what = body.actuator || body.kind;
    button.addEventListener("click", () => begin(body));
    const choice = Object.assign(document.createElement("div"), { className: "choice" });
    choice.append(button, Object.assign(document.createElement("small"), { textContent: KINDS[body.kind].atHand }));
    return choice;
  }));
}

async function begin(body) {
  trouble("");
  try {
    const asking = () => walk.newest.change(request(path, { method: "POST", body }));
    walk.begin(await alone(byId("choose").querySelectorAll("button"), asking));
  } catch (error) {
    trouble(error.message);
  }
  load();
}

/** While one is open here it is asked once a second: that also keeps it open. */
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
  renderStrip(byId("strip"), verdictOf(node), newestOf([node]));
  renderLink(byId("link"));
  renderBell();
  renderChoices(node);
  past.confirm(node);
  walk.tick(nowUnixMs());
}

const renderSoon = once(render);

listen((message) => {
  if (!state.nodes.has(name)) { // somebody forgot it: the host says so
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
