// Past calibrations: probe health, due date, trend, undo.

import { make, showOutcome } from "./dom.js";
import { renderDue } from "./calibrate_due.js";
import { pastText, referenceText, titleOf } from "./calibrate_steps.js";
import { trendOf } from "./calibrate_trend.js";
import { t } from "./i18n.js";
import { request } from "./connection.js";
import { withDisabled } from "./confirm_dialog.js";
import { fullTime } from "./format.js";

const TREND_COUNT = 30;

export class CalibrationHistory {
  constructor(root, path, confirm, onChange) {
    this.root = root;
    this.path = path;
    this.confirmDialog = confirm;
    this.onChange = onChange;
    this.outcome = root.querySelector(".outcome");
    this.rev = null;
    this.text = "";
  }

  render({ calibrations, back, due_in_days: due, health_now: health, warning, open }) {
    const text = JSON.stringify([calibrations, back, due, health, open !== null]);
    if (this.text === text) return;
    this.text = text;
    renderDue(this.root.querySelector(".due"), due);
    this.root.querySelector(".empty").hidden = calibrations.length > 0;
    const line = this.root.querySelector(".health");
    line.hidden = health === null;
    line.textContent = health === null ? "" : `${t("Health of the pH probe today: {health} of 100.", { health })} ${warning ? `${warning.text}.` : ""}`.trim();
    this.renderTrend(calibrations.filter((one) => one.kind === "ph" && one.undone_by === null).slice(0, TREND_COUNT).reverse());
    const newest = new Set();
    this.root.querySelector(".list").replaceChildren(...calibrations.map((one) => {
      const isNewest = one.undone_by === null && !newest.has(one.kind);
      if (isNewest) newest.add(one.kind);
      return this.item(one, isNewest && back.includes(one.kind) && open === null);
    }));
  }

  renderTrend(calibrations) {
    const trend = this.root.querySelector(".trend");
    trend.hidden = calibrations.length < 2;
    if (trend.hidden) return;
    const points = (name) => calibrations.map((one) => [one.unix_ms, one.results[name]]);
    trend.replaceChildren(
      trendOf(t("Slope, %"), points("slope_pct"), { low: 85, high: 105, decimals: 1 }),
      trendOf(t("Offset, mV"), points("offset_mv"), { low: -30, high: 30, decimals: 1 }),
    );
  }

  item(one, mayGoBack) {
    const item = document.createElement("li");
    const head = make("p", { className: "row ends" });
    head.append(
      make("b", { textContent: titleOf(one) }),
      make("span", { className: "small soft", textContent: fullTime(one.unix_ms) }),
    );
    const health = one.health === null ? "" : t(", health {health}", { health: one.health });
    const lines = [
      `${pastText(one)}${health}`,
      t("{points}; by {who}", { points: one.points.map(({ reference }) => referenceText(reference)).join(", "), who: one.by }),
    ];
    if (!one.is_confirmed) lines.push(t("The node has not confirmed it."));
    if (one.undone_by !== null) lines.push(t("Undone by {who}, {when}.", { who: one.undone_by, when: fullTime(one.undone_unix_ms) }));
    item.toggleAttribute("data-undone", one.undone_by !== null);
    item.append(head, ...lines.map((text) => make("p", { className: "small soft", textContent: text })));
    if (mayGoBack) {
      const button = make("button", { type: "button", textContent: t("Restore previous calibration\u2026") });
      button.dataset.needs = "operator";
      button.addEventListener("click", () => this.goBack(one));
      item.append(button);
    }
    return item;
  }

  async goBack(one) {
    const isConfirmed = await this.confirmDialog(t("Restore the previous {what} calibration?", { what: titleOf(one) }), t("The settings from before {when} become active again. A reduced dosing authority stays reduced.", { when: fullTime(one.unix_ms) }), t("Restore"));
    if (!isConfirmed) return;
    try {
      const asking = () => request(`${this.path}/back`, { method: "POST", body: { kind: one.kind } });
      const { rev } = await withDisabled(this.root.querySelectorAll("button"), asking);
      this.rev = rev;
      showOutcome(this.outcome, "pending", t("Sent. Waiting for confirmation by the node\u2026"));
    } catch (error) {
      showOutcome(this.outcome, "failed", error.message);
    }
    this.onChange();
  }

  /** Show the result once the node has taken or refused the requested revision. */
  confirm(node) {
    const { config } = node;
    const isRefused = config.refused_rev >= this.rev && config.error;
    if (this.rev === null || !isRefused && (config.reported_rev === null || config.reported_rev < this.rev)) return;
    this.rev = null;
    if (isRefused) showOutcome(this.outcome, "failed", t("Refused by the node: {reason}", { reason: config.error.text }));
    else showOutcome(this.outcome, "done", t("Confirmed: the previous calibration is active."));
    this.onChange();
  }
}
