// The summary of last night or the last day: sentences, worst first.

import { setSpan, ZONE } from "./exports.js";
import { t } from "./i18n.js";
import { HistoryUnreadable, request } from "./connection.js";
import { LatestResponse } from "./latest_response.js";
import { nowUnixMs } from "./state.js";
import { ICONS } from "./strip.js";
import { dayText, shortTime } from "./format.js";

const EVENING_H = 20;
const MORNING_H = 8;

/** [from, to): yesterday evening to this morning or now, in the time zone of this device. */
export function lastNight(nowMs) {
  const evening = new Date(nowMs);
  evening.setDate(evening.getDate() - 1);
  evening.setHours(EVENING_H, 0, 0, 0);
  const morning = new Date(nowMs);
  morning.setHours(MORNING_H, 0, 0, 0);
  return [evening.getTime(), Math.min(morning.getTime(), Math.round(nowMs))];
}

export class SummaryPanel {
  /** `show(from, to)` shows a time range on the charts. */
  constructor(root, node, show) {
    this.root = root;
    this.path = `/api/nodes/${encodeURIComponent(node)}/happened`;
    this.time = "night";
    this.newest = new LatestResponse();
    root.querySelector(".ranges").addEventListener("click", ({ target }) => {
      if (!target.dataset.time) return;
      this.time = target.dataset.time;
      this.newest.restart();
      this.load();
    });
    root.querySelector(".show").addEventListener("click", () => show(...this.span));
  }

  get span() {
    const now = Math.round(nowUnixMs());
    return this.time === "night" ? lastNight(now) : [now - 86400e3, now];
  }

  async load() {
    for (const button of this.root.querySelectorAll("[data-time]")) {
      button.setAttribute("aria-pressed", String(button.dataset.time === this.time));
    }
    const [from, to] = this.span;
    setSpan(document.getElementById("export-summary"), from, to);
    const when = (ms) => `${dayText(ms)}, ${shortTime(ms)}`;
    this.root.querySelector(".span").textContent = `${when(from)} \u2013 ${when(to)}`;
    const query = new URLSearchParams({ from_unix_ms: from, to_unix_ms: to, time_zone: ZONE });
    try {
      const answer = await this.newest.of(request(`${this.path}?${query}`));
      if (answer) this.render(answer);
    } catch (error) {
      const summary = error instanceof HistoryUnreadable ? error.message : t("Not available: {reason}", { reason: error.message });
      this.render({ level: "warn", summary, sentences: [] });
    }
  }

  render({ level, summary, sentences }) {
    this.root.dataset.level = level;
    this.root.querySelector(".sentence use").setAttribute("href", ICONS[level]);
    this.root.querySelector(".sentence span").textContent = summary;
    this.root.querySelector("ul").replaceChildren(...sentences.map((one) => {
      const item = document.createElement("li");
      item.dataset.level = one.level;
      item.textContent = one.text;
      return item;
    }));
  }
}
