// One sentence about last night.

import { request } from "./connection.js";
import { setText } from "./dom.js";
import { ZONE } from "./exports.js";
import { t } from "./i18n.js";
import { LatestResponse } from "./latest_response.js";
import { nowUnixMs } from "./state.js";
import { ICONS } from "./strip.js";
import { lastNight } from "./summary.js";

export class NightLine {
  constructor(root, node) {
    this.root = root;
    this.path = `/api/nodes/${encodeURIComponent(node)}/happened`;
    this.newest = new LatestResponse();
  }

  async load() {
    const [from, to] = lastNight(nowUnixMs());
    const query = new URLSearchParams({ from_unix_ms: from, to_unix_ms: to, time_zone: ZONE });
    try {
      const answer = await this.newest.of(request(`${this.path}?${query}`));
      if (answer) this.render(answer.level, answer.summary);
    } catch (error) {
      this.render("warn", t("Not available: {reason}", { reason: error.message }));
    }
  }

  render(level, text) {
    this.root.dataset.level = level;
    this.root.querySelector("use").setAttribute("href", ICONS[level]);
    setText(this.root.querySelector(".sentence span"), text);
  }
}
