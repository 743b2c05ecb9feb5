// How many alarms stand, in the navigation of every page and on the overview.

import { t, tn } from "./i18n.js";
import { state } from "./state.js";
import { ICONS } from "./strip.js";

const LEVEL = { low: "note", medium: "warn", high: "bad", urgent: "bad" };

/** The level of a priority; "bad" where the alarms themselves do not work, "ok" for none. */
export function levelOf(summary) {
  if (summary.health) return "bad";
  return LEVEL[summary.priority] || "ok";
}

/** One sentence: how many stand, and how many nobody has acknowledged. */
export function countText({ count, unacknowledged }) {
  if (!count) return t("No alarm stands.");
  if (!unacknowledged) return tn("1 alarm, acknowledged.", "{count} alarms, acknowledged.", count);
  if (unacknowledged === count) return tn("1 alarm, not acknowledged.", "{count} alarms, not acknowledged.", count);
  return t("{count} alarms, {unacknowledged} not acknowledged.", { count, unacknowledged });
}

export function renderBell() {
  const summary = state.alarms;
  const bell = document.getElementById("bell");
  const badge = bell.querySelector("b");
  badge.hidden = !summary.count && !summary.health;
  badge.textContent = summary.health ? "!" : String(summary.count);
  bell.dataset.level = levelOf(summary);
  bell.dataset.waiting = String(summary.unacknowledged > 0);
  bell.setAttribute("aria-label", t("Alarms: {what}", { what: summary.health || countText(summary) }));
  const line = document.getElementById("alarm-line");
  if (!line) return;
  line.hidden = badge.hidden;
  line.dataset.level = bell.dataset.level;
  line.querySelector("use").setAttribute("href", ICONS[bell.dataset.level]);
  line.querySelector("b").textContent = summary.health || countText(summary);
  line.querySelector("span").textContent = summary.worst || "";
}
