// What a dose by hand would do, in its confirmation: reading, target, prediction, budget, warnings.

import { make } from "./dom.js";
import { helpLink } from "./help_link.js";
import { t } from "./i18n.js";
import { request } from "./connection.js";
import { LatestResponse } from "./latest_response.js";

const WAIT_MS = 5_000;

export class DosePreview {
  constructor(dialog, node) {
    this.root = dialog.querySelector(".preview");
    this.node = node;
    this.newest = new LatestResponse();
  }

  /** Load and show the preview of a dose; resolves with true when it is shown, also if there is none,
   * and with false if a later one is. */
  async load(actuator, volumeUl) {
    this.newest.restart();
    this.root.dataset.state = "loading";
    this.show([t("Loading\u2026")], []);
    const path = `/api/nodes/${encodeURIComponent(this.node)}/dose-preview`;
    const asking = request(`${path}?actuator=${encodeURIComponent(actuator)}&volume_ml=${volumeUl / 1000}`, { timeoutMs: WAIT_MS });
    try {
      const found = await this.newest.of(asking);
      if (!found) return false;
      this.root.dataset.state = found.warnings.length ? "warned" : "plain";
      this.show(found.lines, found.warnings);
    } catch (error) {
      this.root.dataset.state = "unknown";
      this.show([t("What this dose will do is not known: {reason}", { reason: error.message })], []);
    }
    return true;
  }

  show(lines, warnings) {
    this.root.querySelector("ul").replaceChildren(...lines.map((textContent) => make("li", { textContent })));
    const box = this.root.querySelector(".warnings");
    box.hidden = warnings.length === 0;
    box.replaceChildren(...warnings.map(({ text, code }) => {
      const item = make("p", {}, make("b", { textContent: t("Warning:") }), ` ${text}`);
      item.dataset.code = code;
      item.append(...helpLink(code));
      return item;
    }));
  }
}
