// The alarm page: causes, worst first, with what they explain folded; acknowledge and shelve.

import { mark, t } from "./i18n.js";
import { countText, levelOf, renderBell } from "./bell.js";
import { listen, nowUnixMs, once, state } from "./state.js";
import { request, start } from "./link.js";
import { renderLink, renderStrip, verdictOf } from "./strip.js";
import { AlarmCard, isAside } from "./alarm_card.js";
import { renderDelivery, wireTest } from "./alarm_delivery.js";
import { renderKpis } from "./alarm_kpis.js";
import { Newest, oneAtATime } from "./newest.js";
import { alone } from "./sure.js";
import { fullTime } from "./words.js";

const byId = (id) => document.getElementById(id);
const POLL_MS = 15_000;
const HISTORY_LEVEL = { unacknowledged: "bad", returned: "note", normal: "ok", suppressed: "note" };
const STATES = {
  unacknowledged: mark("unacknowledged"), acknowledged: mark("acknowledged"), returned: mark("returned"),
  normal: mark("normal"), suppressed: mark("suppressed"), shelved: mark("shelved"), out_of_service: mark("out of service"),
};
const cards = new Map();
const ofSite = byId("of-site");
let shown = { alarms: [], health: { text: "" } };
let askedMs = 0;
const lists = new Newest();
const summaries = new Newest(); // the stream tells them, too
const figures = new Newest();
const histories = new Newest();

/** Do something to an alarm: pending until the host has written it down. */
async function act(card, verb, body) {
  card.say("pending", t("Asking the host\u2026"));
  try {
    await lists.change(request(`/api/alarms/${verb}`, { method: "POST", body }));
    await load();
    card.say("done", card.doneWords(verb));
    loadHistory();
  } catch (error) {
    card.say("failed", t("Not done: {reason}", { reason: error.message }));
  }
}

/** "site=Nord", or nothing: what of the alarms is asked for. */
const filter = () => (ofSite && ofSite.value ? `site=${encodeURIComponent(ofSite.value)}` : "");

/** Ask again; what does not come leaves what is there, and the strip says that the host is away. */
async function load() {
  askedMs = Date.now();
  const asking = request(`/api/alarms?${filter()}`);
  const [list, told] = await Promise.all([lists.of(asking), summaries.of(asking)].map(orNothing));
  if (told) state.alarms = told.summary;
  if (list) shown = list;
  if (list || told) render();
  return shown;
}

const orNothing = (asking) => asking.catch(() => undefined);

async function loadKpis() {
  const answer = await orNothing(figures.of(request("/api/alarms/kpis")));
  if (answer) renderKpis(answer.sites.filter((one) => !filter() || one.site === ofSite.value));
}

async function loadHistory() {
  const answer = await orNothing(histories.of(request(`/api/alarms/history?limit=100&${filter()}`)));
  if (answer) renderHistory(answer.changes);
}

function renderList(root, alarms) {
  alarms.forEach((alarm, index) => {
    if (!cards.has(alarm.key)) cards.set(alarm.key, new AlarmCard(alarm.key, act));
    const card = cards.get(alarm.key);
    if (root.children[index] !== card.root) root.insertBefore(card.root, root.children[index] || null);
    card.render(alarm);
  });
  while (root.children.length > alarms.length) root.lastElementChild.remove();
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
  const told = changes.filter((change) => change.state !== "suppressed" && change.was !== "suppressed");
  const items = told.reverse().map((change) => {
    const item = document.createElement("li");
    item.dataset.level = HISTORY_LEVEL[change.state] || "note";
    const who = [change.by, change.comment].filter(Boolean).join(": ");
    const what = `${change.node ? `${change.node}: ` : ""}${change.title}. ${change.text}`;
    const words = `${what} \u2192 ${stateText(change.state, who)}`;
    item.append(
      document.createElement("i"),
      Object.assign(document.createElement("p"), { textContent: words }),
      Object.assign(document.createElement("time"), { textContent: fullTime(change.unix_ms) }),
    );
    return item;
  });
  byId("history").replaceChildren(...items);
  byId("no-history").hidden = items.length > 0;
}

function strip() {
  if (state.link === "lost") return verdictOf({});
  const { health, worst } = state.alarms;
  const summary = health || countText(state.alarms);
  return { level: levelOf(state.alarms), summary, reasons: worst ? [{ text: t("Worst: {alarm}", { alarm: worst }) }] : [] };
}

function render() {
  const aside = shown.alarms.filter(isAside);
  const standing = shown.alarms.filter((alarm) => !isAside(alarm));
  forget(shown.alarms);
  renderList(byId("standing"), standing);
  renderList(byId("aside").querySelector("ol"), aside);
  byId("calm").hidden = standing.length > 0 || Boolean(shown.health.text);
  byId("aside").hidden = aside.length === 0;
  byId("aside").querySelector("summary").textContent = t("Put aside: {count}", { count: aside.length });
  byId("ack-all").hidden = waiting().length < 2;
  if (shown.delivery) renderDelivery(shown.delivery);
  renderFrame();
}

function renderFrame() {
  renderStrip(byId("strip"), strip(), shown.health.evaluated_unix_ms || null);
  byId("strip").querySelector(".age").hidden = true;
  renderLink(byId("link"));
  renderBell();
}

const waiting = () => shown.alarms.filter((alarm) => ["unacknowledged", "returned"].includes(alarm.state)).map((alarm) => alarm.key);

async function acknowledgeAll({ currentTarget: button }) {
  const outcome = byId("all-outcome");
  const say = (how, text) => {
    outcome.hidden = false;
    outcome.dataset.state = how;
    outcome.textContent = text;
  };
  const keys = waiting();
  say("pending", t("Asking the host\u2026"));
  try {
    await alone([button], () => lists.change(request("/api/alarms/acknowledge", { method: "POST", body: { keys } })));
    await load();
    say("done", t("Confirmed: {count} acknowledged.", { count: keys.length }));
    loadHistory();
  } catch (error) {
    say("failed", t("Not done: {reason}", { reason: error.message }));
  }
}

const renderSoon = once(renderFrame);
const loadSoon = oneAtATime(load);
const lookBackSoon = oneAtATime(lookBack);

listen((message) => {
  if (message.type === "outdated") byId("outdated").hidden = false;
  if (message.type === "alarms" || message.type === "nodes") {
    if (message.type === "alarms") summaries.restart();
    loadSoon();
    lookBackSoon();
  } else if (message.type === "tick") {
    if (Date.now() - askedMs > POLL_MS) loadSoon();
    for (const card of cards.values()) card.tick(nowUnixMs());
  }
  renderSoon();
});
function lookBack() {
  return Promise.all([loadHistory(), loadKpis()]);
}

function loadAll() {
  load();
  lookBack();
}

byId("ack-all").addEventListener("click", acknowledgeAll);
if (ofSite) {
  ofSite.value = new URLSearchParams(location.search).get("site") || "";
  if (ofSite.selectedIndex < 0) ofSite.value = "";
  ofSite.addEventListener("change", () => {
    history.replaceState(null, "", `?${filter()}`);
    for (const one of [lists, figures, histories]) one.restart();
    loadAll();
  });
}
renderFrame();
wireTest(load);
loadAll();
start();
