// After a restore: the settings of the node beside those of the backup, and the choice.

import { setText, showOutcome } from "./dom.js";
import { t } from "./i18n.js";
import { request } from "./connection.js";
import { withDisabled } from "./confirm_dialog.js";
import { fullTime } from "./format.js";
import { settingText } from "./setting_value.js";

export class RestoredPanel {
  constructor(root, node) {
    this.root = root;
    this.path = `/api/nodes/${encodeURIComponent(node)}/config`;
    this.outcome = root.querySelector(".outcome");
    root.querySelector(".keep").addEventListener("click", () => this.choose(`${this.path}/restored`, { method: "DELETE", body: {} }));
    root.querySelector(".send").addEventListener("click", () => this.choose(this.path, { method: "PUT", body: { values: this.values } }));
  }

  render(node) {
    const { restored, reported_rev: reported } = node.config;
    this.root.hidden = !restored || Object.keys(restored.differences).length === 0;
    if (this.root.hidden) return;
    this.values = Object.fromEntries(Object.entries(restored.differences).map(([key, one]) => [key, one.backup]));
    setText(this.root.querySelector("[data-part=when]"), t("Backup of {time}, revision {rev}; the node reports revision {reported}.",
      { time: fullTime(restored.made_unix_ms), rev: restored.rev, reported }));
    for (const row of this.root.querySelectorAll("[data-restored]")) {
      const one = restored.differences[row.dataset.restored];
      row.hidden = !one;
      if (!one) continue;
      const [, ofNode, ofBackup] = row.cells;
      setText(ofNode, settingText(row.dataset, one.node ?? undefined));
      setText(ofBackup, settingText(row.dataset, one.backup));
    }
  }

  async choose(path, options) {
    showOutcome(this.outcome, "pending", t("Waiting for the host\u2026"));
    try {
      await withDisabled(this.root.querySelectorAll("button"), () => request(path, options));
      showOutcome(this.outcome, "done", t("Saved on the host; waiting for confirmation by the node\u2026"));
    } catch (error) {
      showOutcome(this.outcome, "failed", error.message);
    }
  }
}
