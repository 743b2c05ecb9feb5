// The overview of all hosts: a tile for each, the most urgent first.

import { request, start } from "./connection.js";
import { byId, make, placed, setText, showOutcome } from "./dom.js";
import { ageText, timeText } from "./format.js";
import { t, tn } from "./i18n.js";
import { LatestResponse } from "./latest_response.js";
import { startFrame } from "./page_frame.js";
import { showHealth } from "./sites.js";
import { nowUnixMs, state } from "./state.js";
import { LEVELS } from "./strip.js";

const EVERY_MS = 5_000;
const OLD_MS = 120_000; // as in other_hosts/service.py
const MOST_UNSEARCHED = 6;
const newest = new LatestResponse();
const tiles = new Map();
const root = byId("hosts");
const finder = byId("find-hosts");
let hosts = [];
let askedMs = 0;
let order = [];

/** A host whose answer is too old, because this page got no newer one, has no known state. */
function asOf(host, now) {
  if (host.failed_unix_ms !== null || host.answered_unix_ms === null) return host;
  if (now - host.answered_unix_ms <= OLD_MS) return host;
  return { ...host, level: "bad", text: t("State unknown."), failed_unix_ms: host.answered_unix_ms, nodes: null, sites: [], alarms: [], notes: [] };
}

/** The counts of nodes as [level, words], without those that are zero. */
function countsOf(nodes) {
  if (!nodes) return [];
  return [
    ["bad", nodes.no_contact, tn("{count} without contact", "{count} without contact", nodes.no_contact)],
    ["warn", nodes.stopped, tn("{count} stopped", "{count} stopped", nodes.stopped)],
    ["warn", nodes.attention, tn("{count} needs attention", "{count} need attention", nodes.attention)],
    ["ok", nodes.fine, tn("{count} fine", "{count} fine", nodes.fine)],
  ].filter(([, count]) => count);
}

/** How old the state is, or since when there is none. */
function ageOf(host, now) {
  if (host.is_own) return t("this host");
  const last = host.answered_unix_ms === null ? t("no answer since this host started") : t("answered {ago}", { ago: ageText(now - host.answered_unix_ms) });
  return host.failed_unix_ms === null ? last : t("unknown since {time}, {last}", { time: timeText(host.failed_unix_ms, now), last });
}

function alarmItem(alarm, now) {
  const where = [alarm.site, alarm.node].filter(Boolean).join(" \u00b7 ");
  const ago = alarm.raised_unix_ms === null ? "" : ageText(now - alarm.raised_unix_ms);
  const item = make("li", {}, make("a", { href: alarm.href, textContent: alarm.text }), make("small", { textContent: [where, ago].filter(Boolean).join(" \u00b7 ") }));
  item.dataset.level = alarm.level;
  return item;
}

function levelled(tag, level, properties, ...children) {
  const element = make(tag, properties, ...children);
  element.dataset.level = level;
  return element;
}

function siteItem(site) {
  const text = t("{site}: {count} of {all} need attention", { site: site.site, count: site.troubled, all: site.nodes });
  return levelled("li", site.level, {}, make("a", { href: site.href, textContent: text }));
}

/** Replace the children if what they show has changed: focus and selection stay. */
function shown(element, key, children) {
  element.hidden = !children.length;
  const text = JSON.stringify(key);
  if (element.shown === text) return;
  element.shown = text;
  element.replaceChildren(...children);
}

function makeTile(host) {
  const tile = byId("host").content.firstElementChild.cloneNode(true);
  tile.dataset.host = host.name;
  const link = tile.querySelector("h2 a");
  [link.textContent, link.href] = [host.name, host.url || "/"];
  return tile;
}

function renderTile(tile, host) {
  const now = nowUnixMs();
  showHealth(tile, host.level, host.text);
  const help = tile.querySelector(".sentence .why");
  [help.href, help.hidden] = [host.help, !host.help];
  setText(tile.querySelector("header small"), ageOf(host, now));
  const counts = state.connection === "lost" ? [] : countsOf(host.nodes);
  shown(tile.querySelector(".counts"), counts, counts.map(([level, , words]) => levelled("li", level, { className: "chip", textContent: words })));
  const sites = host.sites.length > 1 ? host.sites.filter((site) => site.troubled) : [];
  const notes = host.notes.map(({ level, text }) => levelled("li", level, { textContent: text }));
  shown(tile.querySelector(".notes"), [host.notes, sites], [...notes, ...sites.map(siteItem)]);
  const items = host.alarms.map((alarm) => alarmItem(alarm, now));
  const left = host.alarm_count - host.alarms.length;
  if (items.length && left > 0) items.push(make("li", {}, make("a", { href: `${host.url}/alarms`, textContent: tn("{count} more alarm", "{count} more alarms", left) })));
  shown(tile.querySelector(".raised"), items.map((item) => item.textContent), items);
}

function matches(host) {
  const { find, level } = finder.querySelector("form").elements;
  if (level.value && LEVELS.indexOf(host.level) < LEVELS.indexOf(level.value)) return false;
  const words = [host.name, host.text, ...host.sites.map(({ site }) => site), ...host.alarms.flatMap(({ site, node }) => [site, node])].join(" ").toLowerCase();
  return find.value.toLowerCase().split(/\s+/).every((word) => words.includes(word));
}

/** The hosts in the order of now while a tile is in use, so that none moves away under a tap. */
function inPlace(found) {
  const isInUse = root.matches(":hover") || root.contains(document.activeElement);
  const place = ({ name }) => (order.includes(name) ? order.indexOf(name) : Infinity);
  const sorted = isInUse ? [...found].sort((a, b) => place(a) - place(b) || 0) : found;
  order = sorted.map(({ name }) => name);
  return sorted;
}

function render() {
  const now = nowUnixMs();
  const found = inPlace(hosts.map((host) => asOf(host, now)).filter(matches));
  placed(root, tiles, found, ({ name, url }) => `${url} ${name}`, makeTile, renderTile);
  finder.hidden = hosts.length <= MOST_UNSEARCHED;
  const all = tn("{count} host in all", "{count} hosts in all", hosts.length);
  setText(finder.querySelector("[role=status]"), found.length === hosts.length ? all : t("{count} of {all}", { count: found.length, all }));
}

/** The health over all hosts, for the strip. */
function overallHosts() {
  if (!hosts.length) return { level: "note", text: t("Loading\u2026"), others: [] };
  const now = nowUnixMs();
  const troubled = hosts.map((host) => asOf(host, now)).filter(({ level }) => level === "warn" || level === "bad");
  const level = troubled.some((host) => host.level === "bad") ? "bad" : "warn";
  if (!troubled.length) return { level: "ok", text: tn("{count} host is fine.", "All {count} hosts are fine.", hosts.length), others: [] };
  const text = troubled.length === 1 ? t("{host} needs attention.", { host: troubled[0].name }) : t("{count} of {all} hosts need attention.", { count: troubled.length, all: hosts.length });
  return { level, text, others: [] };
}

async function load() {
  askedMs = Date.now();
  const outcome = byId("hosts-outcome");
  try {
    const found = await newest.of(request("/api/hosts"));
    if (!found) return;
    hosts = found.hosts;
    byId("no-hosts").hidden = hosts.length > 1;
    outcome.hidden = true;
  } catch (error) {
    showOutcome(outcome, "failed", error.message);
  }
  render();
}

finder.querySelector("form").addEventListener("submit", (event) => event.preventDefault());
finder.addEventListener("input", render);
startFrame(({ type }) => {
  if (type === "tick" && !document.hidden && Date.now() - askedMs > EVERY_MS) load();
  if (type === "nodes") load();
  render();
}, overallHosts);
load();
start();
