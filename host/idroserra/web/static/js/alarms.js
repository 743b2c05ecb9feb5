// The alarm page: causes, worst first, with their grouped alarms; acknowledge and shelve.

import { byId, make, showOutcome } from "./dom.js";
import { mark, t, tn } from "./i18n.js";
import { countText, levelOf, renderAlarmBadge } from "./alarm_badge.js";
import { listen, nowUnixMs, oncePerFrame, state } from "./state.js";
import { request, start } from "./connection.js";
import { LEVELS, healthOf, renderConnection, renderStrip, worstFirst } from "./strip.js";
import { AlarmCard, isShelved, withReason } from "./alarm_card.js";
import { renderDelivery, wireTest } from "./alarm_delivery.js";
import { renderKpis } from "./alarm_kpis.js";
import { LatestResponse, coalesced } from "./latest_response.js";
import { withDisabled } from "./confirm_dialog.js";
import { fullTime } from "./format.js";

const POLL_MS = 15_000;
const SHOWN_STATES = 4;
const HISTORY_LEVEL = { unacknowledged: "bad", returned: "note", normal: "ok", suppressed: "note" };
const STATES = {
  unacknowledged: mark("unacknowledged"), acknowledged: mark("acknowledged"), returned: mark("returned"),
  normal: mark("normal"), suppressed: mark("suppressed"), shelved: mark("shelved"), out_of_service: mark("out of service"),
};
const cards = new Map();
const ofSite = byId("of-site");
let shown = { alarms: [], health: { text: "" } };
let askedMs = 0;
const lists = new LatestResponse();
const summaries = new LatestResponse(); // the stream sends them, too
const kpis = new LatestResponse();
const histories = new LatestResponse();

/** Change the state of an alarm; pending until the host has stored it. */
async function act(card, verb, body) {
  card.showOutcome("pending", t("Waiting for the host\u2026"));
  try {
    await lists.change(request(`/api/alarms/${verb}`, { method: "POST", body }));
    await load();
    card.showOutcome("done", card.doneText(verb));
    loadHistory();
  } catch (error) {
    card.showOutcome("failed", t("Failed: {reason}", { reason: error.message }));
  }
}

/** The site filter, such as "site=Nord", or "". */
const filter = () => (ofSite && ofSite.value ? `site=${encodeURIComponent(ofSite.value)}` : "");

/** Request the alarms; on an error the shown ones stay, and the panel says that they are not current. */
async function load() {
  askedMs = Date.now();
  const asking = request(`/api/alarms?${filter()}`);
  const [list, summary] = await Promise.all([orNotCurrent(lists.of(asking), "list"), summaries.of(asking).catch(() => undefined)]);
  if (summary) state.alarms = summary.summary;
  if (list) shown = list;
  if (list || summary) render();
  return shown;
}

/** The answer, or undefined; an error is shown in the panel `name`. */
async function orNotCurrent(asking, name) {
  const outcome = byId(`${name}-outcome`);
  try {
    const answer = await asking;
    if (answer) outcome.hidden = true;
    return answer;
  } catch (error) {
    showOutcome(outcome, "failed", t("Not current: {reason}", { reason: error.message }));
    if (name === "list") byId("calm").hidden = true;
    return undefined;
  }
}

async function loadKpis() {
  const answer = await orNotCurrent(kpis.of(request("/api/alarms/kpis")), "kpis");
  if (answer) renderKpis(answer.sites.filter((one) => !filter() || one.site === ofSite.value));
}

async function loadHistory() {
  const answer = await orNotCurrent(histories.of(request(`/api/alarms/history?limit=100&${filter()}`)), "history");
  if (answer) renderHistory(answer.changes);
}

function renderList(root, alarms) {
  const keys = new Set(alarms.map((alarm) => alarm.key));
  for (const element of [...root.children]) if (!keys.has(element.dataset.key)) element.remove(); // first: a moved card loses the focus
  alarms.forEach((alarm, index) => {
    if (!cards.has(alarm.key)) cards.set(alarm.key, new AlarmCard(alarm.key, act));
    const card = cards.get(alarm.key);
    if (root.children[index] !== card.root) root.insertBefore(card.root, root.children[index] || null);
    card.render(alarm);
  });
}

function forget(alarms) {
  const known = new Set(alarms.map((alarm) => alarm.key));
  for (const key of cards.keys()) if (!known.has(key)) cards.delete(key);
}

function stateText(state, who) {
  const words = t(STATES[state] || state);
  return who ? t("{state}, by {who}", { state: words, who }) : words;
}

function renderHistory(changes) {
  const shownChanges = changes.filter((change) => change.state !== "suppressed" && change.was !== "suppressed");
  const items = shownChanges.reverse().map((change) => {
    const item = document.createElement("li");
    item.dataset.level = HISTORY_LEVEL[change.state] || "note";
    const who = [change.by, change.comment].filter(Boolean).join(": ");
    const what = `${change.node ? `${change.node}: ` : ""}${withReason(change)}`;
    const words = `${what} \u2192 ${stateText(change.state, who)}`;
    item.append(
      make("p", { textContent: words }),
      make("time", { textContent: fullTime(change.unix_ms) }),
    );
    return item;
  });
  byId("history").replaceChildren(...items);
  byId("no-history").hidden = items.length > 0;
}

/** What the state of a node reports without an alarm, such as dosing that a person stopped. */
function statesWithoutAlarm() {
  const alarmed = new Set(shown.alarms.flatMap(({ node, consequences }) => [node, ...consequences.map((one) => one.node)]));
  return worstFirst([...state.nodes.values()].filter(({ node }) => !alarmed.has(node)))
    .flatMap(({ node, state: { others, ...cause } }) => [cause, ...others].map((one) => ({ ...one, text: `${node}: ${one.text}` })))
    .filter(({ level }) => level === "warn" || level === "bad");
}

function strip() {
  if (state.connection === "lost") return healthOf({});
  const { health, worst } = state.alarms;
  const states = statesWithoutAlarm();
  const level = LEVELS[Math.max(...[levelOf(state.alarms), ...states.map((one) => one.level)].map((one) => LEVELS.indexOf(one)))];
  const others = worst ? [{ text: t("Worst: {alarm}", { alarm: worst }) }] : [];
  const isCalm = !health && !state.alarms.count && states.length > 0;
  const text = isCalm ? tn("No active alarms, but 1 state to attend to.", "No active alarms, but {count} states to attend to.", states.length) : health || countText(state.alarms);
  return { level, text, others: [...others, ...states.slice(0, SHOWN_STATES)] };
}

function render() {
  const shelved = shown.alarms.filter(isShelved);
  const active = shown.alarms.filter((alarm) => !isShelved(alarm));
  forget(shown.alarms);
  renderList(byId("standing"), active);
  renderList(byId("aside").querySelector("ol"), shelved);
  byId("calm").hidden = active.length > 0 || Boolean(shown.health.text);
  byId("aside").hidden = shelved.length === 0;
  byId("aside").querySelector("summary").textContent = t("Shelved: {count}", { count: shelved.length });
  byId("ack-all").hidden = waiting().length < 2;
  if (shown.delivery) renderDelivery(shown.delivery);
  renderFrame();
}

function renderFrame() {
  renderStrip(byId("strip"), strip(), shown.health.evaluated_unix_ms || null);
  byId("strip").querySelector(".age").hidden = true;
  renderConnection(byId("link"));
  renderAlarmBadge();
}

const waiting = () => shown.alarms.filter((alarm) => ["unacknowledged", "returned"].includes(alarm.state)).map((alarm) => alarm.key);

async function acknowledgeAll({ currentTarget: button }) {
  const outcome = byId("all-outcome");
  const keys = waiting();
  showOutcome(outcome, "pending", t("Waiting for the host\u2026"));
  try {
    await withDisabled([button], () => lists.change(request("/api/alarms/acknowledge", { method: "POST", body: { keys } })));
    await load();
    showOutcome(outcome, "done", t("{count} acknowledged.", { count: keys.length }));
    loadHistory();
  } catch (error) {
    showOutcome(outcome, "failed", t("Failed: {reason}", { reason: error.message }));
  }
}

const renderSoon = oncePerFrame(renderFrame);
const loadSoon = coalesced(load);
const loadPastSoon = coalesced(loadPast);

listen((message) => {
  if (message.type === "outdated") byId("outdated").hidden = false;
  if (message.type === "alarms" || message.type === "nodes") {
    if (message.type === "alarms") summaries.restart();
    loadSoon();
    loadPastSoon();
  } else if (message.type === "tick") {
    if (Date.now() - askedMs > POLL_MS) loadSoon();
    for (const card of cards.values()) card.tick(nowUnixMs());
  }
  renderSoon();
});
function loadPast() {
  return Promise.all([loadHistory(), loadKpis()]);
}

function loadAll() {
  load();
  loadPast();
}

byId("ack-all").addEventListener("click", acknowledgeAll);
if (ofSite) {
  ofSite.value = new URLSearchParams(location.search).get("site") || "";
  if (ofSite.selectedIndex < 0) ofSite.value = "";
  ofSite.addEventListener("change", () => {
    history.replaceState(null, "", `?${filter()}`);
    for (const one of [lists, kpis, histories]) one.restart();
    loadAll();
  });
}
renderFrame();
wireTest(load);
loadAll();
start();
