// The page of one node.

import { byId } from "./dom.js";
import { BalancePanel } from "./balance.js";
import { renderAlarmBadge } from "./alarm_badge.js";
import { BottlesPanel } from "./bottles.js";
import { renderDue } from "./calibrate_due.js";
import { Stack, spanText } from "./chart.js";
import { DoseForm, StopControl } from "./commands.js";
import { CorrectionPanel, renderAdvice } from "./correction.js";
import { setSpan } from "./exports.js";
import { SummaryPanel } from "./summary.js";
import { t } from "./i18n.js";
import { RecentNotes } from "./recent_notes.js";
import { start } from "./connection.js";
import { RunForm } from "./manual_run.js";
import { PreviewPanel } from "./preview.js";
import { Range, RANGES } from "./time_range.js";
import { RecipePanel } from "./recipe.js";
import { RestoredPanel } from "./restored.js";
import { SettingForm } from "./setting_forms.js";
import { SetpointForm } from "./setpoints.js";
import { wireMove } from "./site_form.js";
import { listen, nowUnixMs, oncePerFrame, state } from "./state.js";
import { newestOf, renderConnection, renderStrip, healthOf } from "./strip.js";
import { endedKeys, renderSmall, seedSparks, syncTiles, tileKeys } from "./tiles.js";
import { EventList } from "./event_list.js";
import { number } from "./format.js";

const name = document.querySelector("main").dataset.node;
const tiles = new Map();
const seeded = new Set();
// A longer range while history is being loaded.
const range = new Range(nowUnixMs, state.nodes.get(name).history_progress ? "14d" : "24h");
const stop = new StopControl(byId("control"), name);
const dose = new DoseForm(byId("dose"), byId("dose-sure"), name);
const run = new RunForm(byId("run"), byId("run-sure"), name);
const correction = new CorrectionPanel(byId("correct"), byId("correct-sure"), name);
const setpoints = new SetpointForm(byId("setpoints"), name);
const settings = new SettingForm(byId("settings"), name);
const restored = new RestoredPanel(byId("restored"), name);
const bottles = new BottlesPanel(byId("bottles"), byId("bottle"), name);
const balance = new BalancePanel(byId("balance"), name);
const preview = new PreviewPanel(byId("preview"), name, setpoints);
const recipe = new RecipePanel(byId("recipe"), byId("recipe-sure"), name, preview);
const why = new EventList(byId("why"), name);
new RecentNotes(byId("recent-notes"), name);
const stack = new Stack(byId("stack"), state.nodes.get(name), range);
const happened = new SummaryPanel(byId("happened"), name, (from, to) => {
  stack.move(() => range.fix(from, to));
  byId("history").scrollIntoView({ block: "start" });
});
let cursorUnixMs = null;

function renderTiles(node) {
  const keys = tileKeys(node);
  syncTiles(byId("tiles"), tiles, keys, node);
  byId("tiles").append(byId("small-tile"));
  for (const tile of tiles.values()) tile.render(node);
  renderSmall(byId("small"), node);
  const fresh = keys.filter((key) => !seeded.has(key));
  if (!fresh.length) return;
  for (const key of fresh) seeded.add(key);
  seedSparks(node, fresh, tiles).then(renderSoon);
}

function renderImport(progress) {
  const root = byId("import");
  if (!progress && !root.hidden) happened.load();
  root.hidden = !progress;
  if (!progress) return;
  const share = progress.total_ms ? progress.done_ms / progress.total_ms : 0;
  const days = (ms) => number(ms / 86400e3, 1);
  root.querySelector("progress").value = share;
  root.querySelector("span").textContent =
    t("Loading history: {done} of {total} days. Live readings are not affected.", { done: days(progress.done_ms), total: days(progress.total_ms) });
  root.querySelector("b").textContent = `${Math.floor(share * 100)} %`;
}

function render() {
  const node = state.nodes.get(name);
  if (!node) return;
  renderStrip(byId("strip"), healthOf(node), newestOf([node]));
  renderConnection(byId("link"));
  renderAlarmBadge();
  renderTiles(node);
  renderImport(node.history_progress);
  stop.render(node.dosing, node.decisions);
  renderAdvice(byId("advice"), node.advice);
  correction.render(node);
  recipe.render(node);
  renderDue(byId("probes").querySelector(".due"), node.calibration_due_days);
}

function renderRange() {
  for (const button of byId("ranges").children) {
    button.setAttribute("aria-pressed", String(range.follows && button.dataset.range === range.name));
  }
  setSpan(byId("export-history"), ...(stack.shownBounds || range.bounds));
  byId("now").hidden = range.follows;
  byId("span").textContent = spanText(stack.shownBounds || range.bounds, cursorUnixMs);
}

function wireRange() {
  byId("ranges").addEventListener("click", (event) => {
    const { range: wanted } = event.target.dataset;
    if (wanted in RANGES) stack.move(() => range.follow(wanted));
  });
  byId("earlier").addEventListener("click", () => stack.move(() => range.pan(-0.5)));
  byId("later").addEventListener("click", () => stack.move(() => range.pan(0.5)));
  byId("now").addEventListener("click", () => stack.move(() => range.follow(range.name)));
  stack.root.addEventListener("shown", renderRange);
  stack.root.addEventListener("cursor", (event) => {
    cursorUnixMs = event.detail;
    renderRange();
  });
  stack.root.addEventListener("trouble", (event) => {
    byId("trouble").textContent = event.detail;
    byId("trouble").hidden = !event.detail;
  });
}

function renderSlow() {
  const node = state.nodes.get(name);
  stack.setNode(node);
  dose.render(node);
  run.render(node);
  setpoints.render(node);
  restored.render(node);
  preview.render();
  settings.render(node);
}

const renderSoon = oncePerFrame(render);

listen((message) => {
  if (!state.nodes.has(name)) { // forgotten: the host shows a page
    if (["gone", "nodes"].includes(message.type)) location.reload();
    return;
  }
  if (message.type === "record" && message.node === name) for (const tile of tiles.values()) tile.record(message);
  if (message.type === "outdated") byId("outdated").hidden = false;
  if (message.type === "nodes" || (message.type === "node" && message.node === name)) renderSlow();
  if (message.type === "nodes") {
    for (const key of endedKeys(tiles)) seeded.delete(key);
    happened.load();
  }
  if (message.type === "tick") bottles.tick();
  renderSoon();
});

wireRange();
wireMove(byId("move"), name);
renderSlow();
renderRange();
render();
why.load();
happened.load();
bottles.load();
balance.load();
start();
