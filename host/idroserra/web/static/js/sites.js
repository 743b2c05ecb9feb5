// The sites on the overview, worst first, each with a Stop of its own.

import { t } from "./i18n.js";
import { nowUnixMs, state } from "./state.js";
import { ICONS } from "./strip.js";
import { placed, setText } from "./dom.js";
import { timeText } from "./format.js";

export const siteLink = (site) => `/sites/${encodeURIComponent(site)}`;

/** Set level, icon and text; without contact to the host the state is unknown. */
export function showHealth(root, level, text) {
  const isLost = state.connection === "lost";
  const words = isLost ? t("Unknown: no contact with the host since {time}.", { time: timeText(state.lostUnixMs, nowUnixMs()) }) : text;
  root.dataset.level = isLost ? "bad" : level;
  setText(root.querySelector(".sentence span"), words);
  root.querySelector(".sentence use").setAttribute("href", ICONS[root.dataset.level]);
}

function cardOf({ site }) {
  const root = document.getElementById("site").content.firstElementChild.cloneNode(true);
  root.dataset.site = site;
  const link = root.querySelector("h2 a");
  [link.textContent, link.href] = [site, siteLink(site)];
  const stop = root.querySelector("[data-stop-site]");
  if (stop) {
    stop.dataset.stopSite = site;
    stop.textContent = t("Stop dosing at {site}\u2026", { site });
  }
  return root;
}

const elements = new Map();

/** Render every site into `root`. */
export function renderSites(root, sites) {
  placed(root, elements, sites, (site) => site.site, cardOf, (card, { level, text }) => showHealth(card, level, text));
}

/** The health if no node needs attention: a note while dosing is paused, for example by a calibration. */
export function calmHealth(nodes, fineText, others) {
  const paused = nodes.filter(({ dosing }) => dosing.state === "held");
  if (!paused.length) return { level: "ok", text: fineText, others };
  const text = paused.length === 1 ? t("Dosing is paused at {node}.", { node: paused[0].title }) : t("Dosing is paused at {count} nodes.", { count: paused.length });
  return { level: "note", text, others };
}

/** The status over all sites: the worst level, and the number of sites that need attention. */
export function overallSites(sites) {
  const troubled = sites.filter((site) => site.troubled);
  const others = troubled.map((site) => ({ level: site.level, text: t("{site}: {how}", { site: site.site, how: site.text }) }));
  if (!troubled.length) return calmHealth([...state.nodes.values()], t("All {count} sites are fine.", { count: sites.length }), others);
  const text = troubled.length === 1 ? t("{site} needs attention.", { site: troubled[0].site }) : t("{count} of {all} sites need attention.", { count: troubled.length, all: sites.length });
  return { level: troubled[0].level, text, others };
}
