// Water, acid, base and nutrients of each day: a table with bars.

import { make } from "./dom.js";
import { setSpan, ZONE } from "./exports.js";
import { t } from "./i18n.js";
import { request } from "./connection.js";
import { LatestResponse } from "./latest_response.js";
import { nowUnixMs, state } from "./state.js";
import { dayText, number, plainName, waterText } from "./format.js";

const SVG = "http://www.w3.org/2000/svg";
const NOT_KNOWN = "?";
const NOT_SUMMED = "\u2013";

const ml = (value) => `${number(value, value !== 0 && value < 10 ? 2 : 0)} ml`;

/** Columns [label, value of a day or null, formatter]. */
function columnsOf({ total, days }, unit) {
  const litres = (volumeMl) => waterText(unit, volumeMl);
  const water = (key) => ({ water: found }) => (found ? found[key] : null);
  const columns = [[t("Top-off"), water("topped_up_ml"), litres], [t("Added by hand"), water("poured_ml"), litres], [t("Consumed or lost"), water("left_ml"), litres]];
  if (days.some((day) => day.water && Math.abs(day.water.unseen_ml) >= 50)) columns.push([t("Change without readings"), water("unseen_ml"), litres]);
  for (const doser of Object.keys(total.dosed_ml)) {
    columns.push([plainName(doser), (day) => day.dosed_ml[doser], ml]);
    if (doser in total.dosed_meq && total.dosed_ml[doser]) columns.push([t("{name}, meq", { name: plainName(doser) }), (day) => day.dosed_meq[doser], (value) => number(value, 1)]);
  }
  return columns;
}

function unknownTexts({ days, total, unknown }) {
  if (!days.length) return [t("No data for this period.")];
  const texts = unknown.map((reason) => reason.text);
  const isExplained = unknown.some(({ code }) => code === "level_unmeasured" || code === "surface_unknown");
  return total.water || isExplained ? texts : [t("No level readings in this period."), ...texts];
}

function bar(share) {
  const svg = document.createElementNS(SVG, "svg");
  for (const [key, value] of Object.entries({ viewBox: "0 0 100 6", preserveAspectRatio: "none", "aria-hidden": "true" })) svg.setAttribute(key, value);
  const rect = document.createElementNS(SVG, "rect");
  for (const [key, value] of Object.entries({ width: 100 * share, height: 6 })) rect.setAttribute(key, value);
  svg.append(rect);
  return svg;
}

function cell(tag, text, scope) {
  const element = make(tag, { textContent: text });
  if (scope) element.scope = scope;
  return element;
}

export class BalancePanel {
  constructor(root, node) {
    this.root = root;
    this.path = `/api/nodes/${encodeURIComponent(node)}`;
    this.node = node;
    this.unit = JSON.parse(root.dataset.volume);
    this.days = 7;
    this.back = 0; // number of ranges before today
    this.newest = new LatestResponse();
    root.querySelector(".ranges").addEventListener("click", ({ target }) => target.dataset.days && this.move(Number(target.dataset.days), 0));
    for (const button of root.querySelectorAll("[data-step]")) {
      button.addEventListener("click", () => this.move(this.days, Math.max(0, this.back - Number(button.dataset.step))));
    }
  }

  move(days, back) {
    this.days = days;
    this.back = back;
    this.newest.restart();
    return this.load();
  }

  /** [from, to) in ms: whole days in the time zone of this device. */
  get span() {
    const day = new Date(nowUnixMs());
    day.setHours(0, 0, 0, 0);
    day.setDate(day.getDate() + 1 - this.back * this.days);
    const to = day.getTime();
    day.setDate(day.getDate() - this.days);
    return [day.getTime(), to];
  }

  async load() {
    const [from, to] = this.span;
    const query = new URLSearchParams({ from_unix_ms: from, to_unix_ms: to, time_zone: ZONE });
    for (const button of this.root.querySelectorAll("[data-days]")) button.setAttribute("aria-pressed", String(Number(button.dataset.days) === this.days));
    this.root.querySelector("[data-step='1']").disabled = this.back === 0;
    this.root.querySelector(".span").textContent = this.days === 1 ? dayText(from) : `${dayText(from)} \u2013 ${dayText(to - 1)}`;
    setSpan(document.getElementById("export-balance"), from, to);
    const outcome = this.root.querySelector(".outcome");
    try {
      const answer = await this.newest.of(request(`${this.path}/balance?${query}`));
      if (!answer) return;
      outcome.hidden = true;
      this.render(answer);
    } catch (error) {
      outcome.hidden = false;
      outcome.textContent = error.message;
    }
  }

  render(balance) {
    const columns = columnsOf(balance, this.unit);
    this.root.querySelector(".unknown").replaceChildren(...unknownTexts(balance).map((text) => cell("li", text)));
    this.root.querySelector("thead tr").replaceChildren(cell("th", t("Day"), "col"), ...columns.map(([label]) => cell("th", label, "col")));
    this.root.querySelector("tbody").replaceChildren(...[...balance.days].reverse().map((day) => this.row(day, columns, balance.days)));
    const isWhole = balance.days.length > 0 && !this.isLoading;
    const sum = ([, read, write]) => (isWhole ? this.cell(read(balance.total), write, 0) : cell("td", NOT_SUMMED));
    this.root.querySelector("tfoot tr").replaceChildren(cell("th", t("Total"), "row"), ...columns.map(sum));
  }

  /** True while history is being loaded into the store. */
  get isLoading() {
    return Boolean(state.nodes.get(this.node)?.history_progress);
  }

  row(day, columns, days) {
    const row = document.createElement("tr");
    row.append(cell("th", dayText(day.from_unix_ms), "row"), ...columns.map(([, read, write]) => this.cell(read(day), write, Math.max(...days.map((one) => Math.abs(read(one) || 0))))));
    return row;
  }

  cell(value, write, most) {
    const element = cell("td", value === null ? NOT_KNOWN : write(value));
    if (value === null) element.title = t("unknown");
    if (most > 0) element.append(bar(value === null ? 0 : Math.abs(value) / most));
    return element;
  }
}
