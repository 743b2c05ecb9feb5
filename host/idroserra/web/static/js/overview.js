// The overview of all nodes: cards, or above MOST_CARDS a table; with several sites also a card for
// each site. The page of a site is the overview of its nodes.

import { setText } from "./dom.js";
import { t, tn } from "./i18n.js";
import { listen, oncePerFrame, state } from "./state.js";
import { renderAlarmBadge, withAlarms } from "./alarm_badge.js";
import { FleetTable } from "./fleet_table.js";
import { start } from "./connection.js";
import { wireRename } from "./site_form.js";
import { calmHealth, overallSites, renderSites, showHealth } from "./sites.js";
import { newestOf, renderConnection, renderStrip, healthOf, withHost, worstFirst } from "./strip.js";
import { endedKeys, seedSparks, syncTiles, tileKeys } from "./tiles.js";

const root = document.getElementById("nodes");
const { site: shownSite } = document.getElementById("main").dataset;
const strip = document.getElementById("strip");
const cards = new Map();
const MOST_CARDS = 6;
const TILES = 6;
const SHOWN_CAUSES = 4;

class Card {
  constructor(node) {
    this.root = document.getElementById("card").content.firstElementChild.cloneNode(true);
    this.tiles = new Map();
    this.seeded = new Set();
    const link = this.root.querySelector("h2 a");
    link.href = `/nodes/${encodeURIComponent(node.node)}`;
  }

  render(node) {
    this.root.dataset.node = node.node;
    setText(this.root.querySelector("h2 a"), node.title);
    this.root.querySelector("header small").textContent = !shownSite && state.sites.length > 1 ? node.site : "";
    showHealth(this.root, node.state.level, node.state.text);
    const chip = this.root.querySelector(".chip");
    chip.textContent = node.dosing.label;
    chip.dataset.level = node.dosing.level;
    const keys = tileKeys(node).slice(0, TILES);
    syncTiles(this.root.querySelector(".tiles"), this.tiles, keys, node);
    for (const tile of this.tiles.values()) tile.render(node);
    this.seed(node, keys.filter((key) => !this.seeded.has(key)));
  }

  /** Load ended sparklines again, after a hidden tab. */
  wake() {
    for (const key of endedKeys(this.tiles)) this.seeded.delete(key);
  }

  async seed(node, keys) {
    if (!keys.length) return;
    for (const key of keys) this.seeded.add(key);
    await seedSparks(node, keys, this.tiles);
    const known = state.nodes.get(node.node);
    if (known) this.render(known);
  }
}

function forget(nodes) {
  const there = new Set(nodes.map((node) => node.node));
  for (const [name, card] of cards) {
    if (there.has(name)) continue;
    card.root.remove();
    cards.delete(name);
  }
}

function renderCards(shown) {
  const nodes = worstFirst(shown);
  forget(nodes);
  nodes.forEach((node, index) => {
    if (!cards.has(node.node)) cards.set(node.node, new Card(node));
    const card = cards.get(node.node);
    if (root.children[index] !== card.root) root.insertBefore(card.root, root.children[index] || null);
    card.render(node);
  });
}

/** The health over all nodes: the worst level, and the nodes concerned. */
export function overall(nodes) {
  const sites = new Set(nodes.map((node) => node.site));
  if (sites.size > 1) return overallSites(state.sites);
  if (!nodes.length && !state.hostReasons.length) return { level: "note", text: t("No greenhouse has reported yet."), others: [] };
  const troubled = worstFirst(nodes).filter((node) => node.state.level !== "ok");
  const grave = troubled.filter((node) => node.state.level !== "note");
  const causes = troubled.flatMap((node) =>
    [node.state, ...node.state.others].map((cause) => ({ ...cause, text: `${node.title}: ${cause.text}` })));
  if (!grave.length) {
    const all = nodes.length === 2 ? t("Both greenhouses are fine.") : tn("The greenhouse is fine.", "All {count} greenhouses are fine.", nodes.length);
    return calmHealth(nodes, all, causes);
  }
  const text = grave.length === 1 ? t("{node} needs attention.", { node: grave[0].title }) : t("{count} of {all} greenhouses need attention.", { count: grave.length, all: nodes.length });
  const left = causes.length - SHOWN_CAUSES;
  const shown = left > 1 ? [...causes.slice(0, SHOWN_CAUSES), { level: "note", text: t("and {count} more, listed below", { count: left }) }] : causes;
  return { level: grave[0].state.level, text, others: shown };
}

function render() {
  const nodes = [...state.nodes.values()].filter((node) => !shownSite || node.site === shownSite);
  const sites = !shownSite && state.sites.length > 1 ? state.sites : [];
  const isTable = nodes.length > MOST_CARDS;
  const own = shownSite ? overall(nodes) : withAlarms(overall(nodes)); // the counts are of all sites
  // Sites and the table show the causes themselves.
  const health = state.connection === "lost" ? healthOf({}) : withHost(sites.length || isTable ? { ...own, others: [] } : own);
  renderStrip(strip, health, newestOf(nodes));
  renderConnection(document.getElementById("link"));
  renderAlarmBadge();
  document.getElementById("empty").hidden = nodes.length > 0;
  renderSites(document.getElementById("sites"), sites);
  table.root.hidden = !isTable;
  if (isTable) table.render(nodes, sites.length > 0);
  renderCards(isTable ? [] : nodes);
}

const renderSoon = oncePerFrame(render);
const foreign = document.getElementById("foreign");
if (foreign) import("./foreign_tiles.js").then(({ showForeign }) => showForeign(foreign.querySelector(".tiles")));

const table = root && new FleetTable(document.getElementById("fleet"));

if (root) {
  listen((message) => {
    const card = cards.get(message.node);
    if (message.type === "record" && card) for (const tile of card.tiles.values()) tile.record(message);
    if (message.type === "outdated") document.getElementById("outdated").hidden = false;
    if (message.type === "nodes") for (const one of cards.values()) one.wake();
    renderSoon();
  });
  wireRename(document.getElementById("rename-site"), shownSite);
  render();
  start();
}
