// The bottles of a node: remaining volume, days left, refill and undo.

import { showOutcome } from "./dom.js";
import { parsed, put, watchNumbers } from "./number_fields.js";
import { t, tn } from "./i18n.js";
import { request } from "./connection.js";
import { LatestResponse } from "./latest_response.js";
import { withDisabled, openConfirm } from "./confirm_dialog.js";
import { fullTime, number, plainName } from "./format.js";

const EVERY_MS = 60_000;
const LOW_PCT = 15, EMPTY_PCT = 1, MOST_DAYS = 99;

function make(tag, className, text = "") {
  return Object.assign(document.createElement(tag), { className, textContent: text });
}

function levelOf({ left_pct: left }) {
  if (left === null) return "note";
  if (left < EMPTY_PCT) return "bad";
  return left < LOW_PCT ? "warn" : "ok";
}

/** The main fact about a bottle. */
function headline(bottle) {
  const { volume_ml: volume, left_ml: left, left_pct: pct, days_left: days } = bottle;
  if (volume === null) return document.body.dataset.role === "viewer" ? t("unknown") : t("Set level");
  if (left === null) return t("calculating");
  if (pct < EMPTY_PCT) return t("empty");
  if (days === null) return t("{pct} % left", { pct: Math.round(pct) });
  const count = Math.floor(days);
  return count > MOST_DAYS ? t("more than {count} days", { count: MOST_DAYS }) : tn("{count} day left", "{count} days left", count);
}

function useText({ used_ml_per_day: use, used_days: days }) {
  if (use === null) return t("Daily use not known yet.");
  const over = Math.max(1, Math.round(days));
  if (use === 0) return tn("No doses in {count} day.", "No doses in {count} days.", over);
  return tn("{ml} ml per day, mean of the last {count} day.", "{ml} ml per day, mean of the last {count} days.", over, { ml: number(use, use < 10 ? 1 : 0) });
}

function leftText(bottle) {
  if (bottle.volume_ml === null) return t("Bottle level not set: no forecast, no low-bottle alarm.");
  if (bottle.left_ml === null) return "";
  return t("{left} of {volume} ml, filled {when} by {who}.", { left: number(bottle.left_ml, 0), volume: number(bottle.volume_ml, 0), when: fullTime(bottle.filled_unix_ms), who: bottle.by });
}

export class BottlesPanel {
  constructor(root, dialog, node) {
    this.root = root;
    this.dialog = dialog;
    this.path = `/api/nodes/${encodeURIComponent(node)}/bottles`;
    this.form = dialog.querySelector("form");
    watchNumbers(this.form);
    this.outcome = root.querySelector(":scope > .outcome");
    this.text = "";
    this.loadedMs = 0;
    this.newest = new LatestResponse();
    dialog.addEventListener("close", () => dialog.returnValue === "yes" && this.fill());
    this.form.elements.stock.addEventListener("change", () => this.offer());
  }

  /** Request again every EVERY_MS: the host counts the doses. */
  tick() {
    if (Date.now() - this.loadedMs > EVERY_MS) this.load();
  }

  async load() {
    this.loadedMs = Date.now();
    const answer = await this.newest.of(request(this.path)).catch(() => null);
    if (answer) this.render(answer.bottles);
  }

  render(bottles) {
    this.root.hidden = bottles.length === 0;
    const text = JSON.stringify(bottles);
    if (this.text === text) return;
    this.text = text;
    this.root.querySelector("ul").replaceChildren(...bottles.map((bottle) => this.item(bottle)));
  }

  item(bottle) {
    const item = make("li", "");
    item.dataset.doser = bottle.doser;
    item.dataset.level = levelOf(bottle);
    const head = make("p", "row ends");
    head.append(make("b", "", plainName(bottle.doser)), make("span", "days", headline(bottle)));
    item.append(head);
    if (bottle.left_pct !== null) {
      const bar = Object.assign(make("progress", ""), { max: 100, value: bottle.left_pct });
      bar.setAttribute("aria-label", t("{pct} % left", { pct: Math.round(bottle.left_pct) }));
      item.append(bar);
    }
    const lines = [leftText(bottle), useText(bottle)].filter(Boolean);
    item.append(...lines.map((text) => make("p", "small soft", text)));
    const row = make("div", "row");
    row.dataset.needs = "operator";
    const filled = Object.assign(make("button", "", t("New bottle\u2026")), { type: "button" });
    filled.addEventListener("click", () => this.ask(bottle));
    row.append(filled);
    if (bottle.volume_ml !== null) {
      const back = Object.assign(make("button", "", t("Undo")), { type: "button" });
      back.addEventListener("click", () => this.change("DELETE", bottle.doser, undefined, t("Undone: the previous bottle is active.")));
      row.append(back);
    }
    item.append(row);
    return item;
  }

  ask(bottle) {
    this.bottle = bottle;
    this.form.reset();
    this.dialog.querySelector("h2").textContent = t("New bottle of {name}", { name: plainName(bottle.doser) });
    for (const label of this.form.querySelectorAll("[data-strong]")) label.hidden = !bottle.has_strength;
    const { volume_ml: volume, stock, meq_per_ml: meq } = this.form.elements;
    if (bottle.volume_ml !== null) put(volume, bottle.volume_ml);
    for (const option of stock.options) option.hidden = option.value !== "" && option.dataset.doser !== bottle.doser;
    stock.value = bottle.stock;
    if (bottle.meq_per_ml !== null && !bottle.stock) put(meq, bottle.meq_per_ml);
    this.offer();
    openConfirm(this.dialog);
  }

  offer() {
    const { stock } = this.form.elements;
    this.form.querySelector("[data-other]").hidden = !this.bottle.has_strength || stock.value !== "";
  }

  fill() {
    const { volume_ml: volume, stock, meq_per_ml: meq } = this.form.elements;
    const body = { volume_ml: parsed(volume.value) };
    if (this.bottle.has_strength && stock.value) body.stock = stock.value;
    else if (this.bottle.has_strength && meq.value !== "") body.meq_per_ml = parsed(meq.value);
    return this.change("PUT", this.bottle.doser, body, t("Saved: {ml} ml of {name}.", { ml: number(body.volume_ml, 0), name: plainName(this.bottle.doser) }));
  }

  async change(method, doser, body, done) {
    try {
      const asking = () => this.newest.change(request(`${this.path}/${doser}`, { method, body }));
      this.render((await withDisabled(this.root.querySelectorAll("ul button"), asking)).bottles);
      showOutcome(this.outcome, "done", done);
    } catch (error) {
      showOutcome(this.outcome, "failed", error.message);
      this.load();
    }
  }
}
