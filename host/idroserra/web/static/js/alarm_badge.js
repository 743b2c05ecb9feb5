// The number of active alarms, in the navigation and on the overview.

import { t, tn } from "./i18n.js";
import { state } from "./state.js";
import { ICONS } from "./strip.js";

const LEVEL = { low: "note", medium: "warn", high: "bad", urgent: "bad" };

/** The level of the worst alarm; "bad" if alarms are not evaluated, "ok" without alarms. */
export function levelOf(summary) {
  if (summary.health) return "bad";
  return LEVEL[summary.priority] || "ok";
}

/** The number of active and unacknowledged alarms, in a sentence. */
export function countText({ count, unacknowledged }) {
  if (!count) return t("No active alarms.");
  if (!unacknowledged) return tn("1 acknowledged alarm.", "{count} acknowledged alarms.", count);
  if (unacknowledged === count) return tn("1 unacknowledged alarm.", "{count} unacknowledged alarms.", count);
  return t("{count} alarms, {unacknowledged} not acknowledged.", { count, unacknowledged });
}

/** The health, or the alarms if some are not acknowledged and no node needs attention. */
export function withAlarms(health) {
  const summary = state.alarms;
  if (["warn", "bad"].includes(health.level) || !summary.unacknowledged) return health;
  const others = health.level === "ok" ? health.others : [health, ...health.others];
  return { level: levelOf(summary), text: countText(summary), href: "/alarms", others };
}

export function renderAlarmBadge() {
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
