// The sites on the overview, worst first, with their nodes as rows.

import { t } from "./i18n.js";
import { nowUnixMs, state } from "./state.js";
import { ICONS, newestOf } from "./strip.js";
import { tileKeys, tileState } from "./tiles.js";
import { ageText, shown, timeText } from "./format.js";

const FIGURES = 3;

export const siteLink = (site) => `/sites/${encodeURIComponent(site)}`;

const cloned = (id) => document.getElementById(id).content.firstElementChild.cloneNode(true);

/** Set level, icon and text; without contact to the host the state is unknown. */
export function showHealth(root, level, text) {
  const isLost = state.connection === "lost";
  const words = isLost ? t("Unknown: no contact with the host since {time}.", { time: timeText(state.lostUnixMs, nowUnixMs()) }) : text;
  root.dataset.level = isLost ? "bad" : level;
  const sentence = root.querySelector(".sentence span");
  if (sentence.textContent !== words) sentence.textContent = words;
  root.querySelector(".sentence use").setAttribute("href", ICONS[root.dataset.level]);
}

function figure(node, key, now) {
  const channel = node.channels[key];
  const look = tileState(node, channel, now);
  const item = document.createElement("span");
  item.dataset.state = look;
  const isOld = state.connection === "lost" || look === "stale" || channel.value === null;
  const { label, unit } = channel.display;
  const value = isOld ? "\u2014" : `${shown(channel, channel.value)} ${unit}`;
  item.textContent = unit.startsWith("\u00b0") && !isOld ? value : `${label} ${value}`.trim();
  if (look === "fault") item.title = channel.fault_text;
  return item;
}

function renderRow(root, node) {
  const now = nowUnixMs();
  root.dataset.node = node.node;
  const link = root.querySelector("a");
  link.href = `/nodes/${encodeURIComponent(node.node)}`;
  link.textContent = node.node;
  showHealth(root, node.state.level, node.state.text);
  const keys = tileKeys(node).slice(0, FIGURES);
  root.querySelector(".figures").replaceChildren(...keys.map((key) => figure(node, key, now)));
  const newest = newestOf([node]);
  const age = root.querySelector(".age");
  const isOld = newest === null || now - newest > node.stale_after_ms;
  age.dataset.old = String(isOld);
  if (newest === null) age.textContent = t("no reading yet");
  else age.textContent = isOld ? t("no reading since {time}", { time: timeText(newest, now) }) : ageText(now - newest);
}

class SiteBlock {
  constructor(site) {
    this.root = cloned("site");
    this.rows = new Map();
    const link = this.root.querySelector("h2 a");
    link.textContent = site;
    link.href = siteLink(site);
  }

  render(site) {
    this.root.dataset.site = site.site;
    showHealth(this.root, site.level, site.text);
    const list = this.root.querySelector(".rows");
    const nodes = site.nodes.map((name) => state.nodes.get(name)).filter(Boolean);
    placed(list, this.rows, nodes, (node) => node.node, () => cloned("row"), renderRow);
  }
}

/** Keep one element for each item inside `parent`, in order; other elements are removed. */
function placed(parent, known, things, keyOf, make, render) {
  const keys = new Set(things.map(keyOf));
  for (const [key, element] of known) {
    if (keys.has(key)) continue;
    element.remove();
    known.delete(key);
  }
  things.forEach((thing, index) => {
    const key = keyOf(thing);
    if (!known.has(key)) known.set(key, make(thing));
    const element = known.get(key);
    if (parent.children[index] !== element) parent.insertBefore(element, parent.children[index] || null);
    render(element, thing);
  });
}

const blocks = new Map();
const elements = new Map();

/** Render every site into `root`. */
export function renderSites(root) {
  const make = (site) => {
    const block = new SiteBlock(site.site);
    blocks.set(block.root, block);
    return block.root;
  };
  placed(root, elements, state.sites, (site) => site.site, make, (element, site) => blocks.get(element).render(site));
}

/** The status over all sites: the worst level, and the number of sites that need attention. */
export function overallSites(sites) {
  const troubled = sites.filter((site) => site.troubled);
  const others = troubled.map((site) => ({ level: site.level, text: t("{site}: {how}", { site: site.site, how: site.text }) }));
  if (!troubled.length) return { level: "ok", text: t("All {count} sites are fine.", { count: sites.length }), others };
  const text = troubled.length === 1 ? t("{site} needs attention.", { site: troubled[0].site }) : t("{count} of {all} sites need attention.", { count: troubled.length, all: sites.length });
  return { level: troubled[0].level, text, others };
}
