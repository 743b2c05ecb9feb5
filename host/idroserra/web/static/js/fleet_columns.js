// The columns of the table of nodes: what each shows of a node, and how it sorts.

import { shown } from "./format.js";
import { mark, t } from "./i18n.js";
import { naturally } from "./natural.js";
import { state } from "./state.js";
import { ICONS, LEVELS } from "./strip.js";
import { tileState } from "./tiles.js";

const rank = (level) => LEVELS.indexOf(level);
// The states of dosing in one word, worst first.
const DOSING = { latched: mark("locked"), stopped: mark("Dosing stopped"), unknown: mark("unknown"), held: mark("paused"), advise: mark("advice only"), off: mark("monitoring only"), on: mark("automatic") };

/** What a cell shows: {text, level, look, title}; `sort` is a number, or null to be last. */
function reading(node, key, now) {
  const channel = node.channels[key];
  if (!channel) return { text: "", sort: null };
  const look = tileState(node, channel, now);
  if (look === "fault") return { text: t("fault"), look, title: channel.fault_text, sort: null };
  if (look === "stale" || look === "none" || state.connection === "lost") return { text: "\u2014", look: "stale", sort: null };
  return { text: shown(channel, channel.value), look, sort: channel.value };
}

const channel = (name, key, heading, isOptional = false) => ({
  name, key, heading, isOptional, of: (node, now) => reading(node, key, now),
});

function stateOf({ state: { level, text } }) {
  if (state.connection === "lost") return { text: t("no contact with the host"), level: "bad", icon: ICONS.bad, sort: 0 };
  return { text, level, icon: ICONS[level], title: text, sort: -rank(level) };
}

function cropOf({ recipe }) {
  if (!recipe || !recipe.at) return { text: "", sort: null };
  const { day, days } = recipe.at;
  return { text: t("{crop}, day {day} of {days}", { crop: recipe.recipe, day, days }), sort: day };
}

function dosingOf({ dosing: { state: how, level, text } }) {
  return { text: how in DOSING ? t(DOSING[how]) : text, level, title: text, sort: Object.keys(DOSING).indexOf(how) };
}

function nightOf(node, _now, night) {
  if (!night) return { text: "", sort: null };
  return { text: night.summary, level: night.level, icon: ICONS[night.level], sort: -rank(night.level) };
}

// In the order of the table. `heading` is English; that of a channel may be its own label.
export const COLUMNS = [
  { name: "node", heading: mark("Node"), of: ({ node, title }) => ({ text: title, href: `/nodes/${encodeURIComponent(node)}`, title: node, sort: title }) },
  { name: "site", heading: mark("Site"), isOfSites: true, of: ({ site }) => ({ text: site, sort: site }) },
  { name: "state", heading: mark("State"), of: stateOf },
  { name: "crop", heading: mark("Crop"), of: cropOf },
  channel("ph", "reservoir.ph"),
  channel("ec", "reservoir.ec_us_cm"),
  channel("level", "reservoir.level_mm", mark("Level")),
  channel("air", "air.temp_c", mark("Air"), true),
  channel("vpd", "air.vpd_pa", "", true),
  { name: "dosing", heading: mark("Dosing"), of: dosingOf },
  { name: "night", heading: mark("Last night"), of: nightOf },
];

/** The heading of a column in the language of the page, with the unit of its channel. */
export function headingOf({ heading, key }, nodes) {
  const display = key && nodes.map((node) => node.channels[key]).find(Boolean)?.display;
  const words = heading ? t(heading) : display?.label || "";
  return display && display.unit ? `${words}, ${display.unit}` : words;
}

/** Compare two values of a column; what has none is last, whatever the direction. */
export function compared(a, b, isDown) {
  if (a === null || b === null) return Number(a === null) - Number(b === null);
  const found = typeof a === "string" ? naturally(a, b) : a - b;
  return isDown ? -found : found;
}
