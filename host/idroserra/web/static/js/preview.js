// The preview of the next days, simulated by the host.

import { make, setText } from "./dom.js";
import { t } from "./i18n.js";
import { request } from "./connection.js";
import { drawBands } from "./bands.js";
import { LatestResponse } from "./latest_response.js";
import { colour, uPlot } from "./chart_panels.js";
import { state } from "./state.js";
import { withDisabled } from "./confirm_dialog.js";
import { dayText, fullTime, number, plainName, scaled, shortTime } from "./format.js";

const POLL_MS = 1000;
const SHOWN = ["ph", "ec_us_cm", "level_mm"];
const BOTTLES = ["ph_down", "ph_up", "nutrient_a", "nutrient_b"];
const LEAST = { ph: 0.6, ec_us_cm: 200, level_mm: 30 };

function items(list, texts) {
  list.replaceChildren(...texts.map((text) => make("li", { textContent: text })));
  list.hidden = texts.length === 0;
}

/** The settings in the query of the address, {key: value}. */
function typedSettings() {
  const isSetting = ([key]) => key.includes(".");
  const parsed = (text) => {
    try {
      return JSON.parse(text);
    } catch {
      return text; // the host refuses it in words
    }
  };
  return Object.fromEntries([...new URLSearchParams(location.search)].filter(isSetting).map(([key, text]) => [key, parsed(text)]));
}

/** The display scale of a quantity: that of its tile, else the stored one. */
function scaleOf(node, quantity) {
  const channel = node.channels[`reservoir.${quantity}`];
  const display = channel ? channel.display : { label: quantity, unit: "", factor: 1, offset: 0, decimals: 2 };
  return { label: display.label, unit: display.unit, decimals: display.decimals, of: (value) => scaled(display, value) };
}

export class PreviewPanel {
  constructor(root, node) {
    this.root = root;
    this.node = node;
    this.typed = typedSettings();
    this.form = root.querySelector("form");
    this.outcome = root.querySelector(".outcome");
    this.running = root.querySelector("[data-part=running]");
    this.shown = root.querySelector("[data-part=outcome]");
    this.plots = [];
    this.newest = new LatestResponse();
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.begin();
    });
    this.running.querySelector("button").addEventListener("click", () => this.change({ method: "DELETE", body: {} }));
    root.addEventListener("toggle", () => root.open && this.load());
    new ResizeObserver(() => this.resize()).observe(root.querySelector(".plots"));
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.preview && this.draw());
  }

  get path() {
    return `/api/nodes/${encodeURIComponent(this.node)}/preview`;
  }

  /** Offer the settings of the address, which were typed in a form and not saved. */
  start() {
    const hasTyped = Object.keys(this.typed).length > 0;
    const { plan } = this.form.elements;
    plan.querySelector("[value=typed]").disabled = !hasTyped;
    if (hasTyped) plan.value = "typed";
    if (hasTyped || location.hash === "#preview") this.root.open = true;
    else this.load();
  }

  body() {
    const { plan, days, water } = this.form.elements;
    const body = { days: Number(days.value), water: water.value };
    if (plan.value === "typed") body.values = this.typed;
    if (plan.value.startsWith("recipe:")) body.recipe = plan.value.slice(7);
    return body;
  }

  /** Show the preview of a recipe as if it started today. */
  runRecipe(name) {
    this.root.open = true;
    this.form.elements.plan.value = `recipe:${name}`;
    return this.begin();
  }

  begin() {
    return this.change({ method: "POST", body: this.body() });
  }

  load() {
    return this.ask(this.newest.of(request(this.path)));
  }

  change(options) {
    const buttons = [this.running, this.form].map((one) => one.querySelector("button"));
    return withDisabled(buttons, () => this.ask(this.newest.change(request(this.path, options))));
  }

  async ask(asking) {
    clearTimeout(this.timer);
    try {
      const answer = await asking;
      if (!answer) return;
      this.showOutcome("");
      this.take(answer.preview);
    } catch (error) {
      this.showOutcome(error.message);
      this.pollLater();
    }
  }

  /** Poll a running preview, also after an error. */
  pollLater() {
    clearTimeout(this.timer);
    const isRunning = Boolean(this.preview) && this.preview.state === "running";
    if (isRunning && this.root.open) this.timer = setTimeout(() => this.load(), POLL_MS);
  }

  showOutcome(text) {
    this.outcome.dataset.state = text ? "failed" : "";
    setText(this.outcome, text);
  }

  take(preview) {
    this.preview = preview;
    this.root.dispatchEvent(new Event("previewed"));
    const isRunning = Boolean(preview) && preview.state === "running";
    this.root.hidden = !preview && document.body.dataset.role === "viewer"; // who cannot run one
    this.root.dataset.state = preview ? preview.state : "";
    this.root.hidden = !preview && document.body.dataset.role === "viewer";
    this.form.inert = isRunning;
    this.running.hidden = !isRunning;
    this.shown.hidden = !preview || preview.state !== "done";
    if (isRunning) {
      const percent = Math.floor(preview.done_ratio * 100);
      setText(this.running.querySelector("p"), t("Simulating: {percent} %", { percent }));
      this.running.querySelector("progress").value = preview.done_ratio;
      this.pollLater();
    } else if (preview && preview.state === "failed") {
      this.showOutcome(t("Failed: {why}", { why: preview.error.text }));
    } else if (preview && preview.state === "cancelled") {
      this.showOutcome(t("Cancelled."));
    } else if (preview) this.draw();
  }

  draw() {
    const { asked, outcome } = this.preview;
    const plan = asked.recipe || (asked.own_recipe ? t("own recipe") : "");
    const changed = Object.keys(asked.values).length > 0;
    const what = plan ? t("{recipe}, started today", { recipe: plan }) : changed ? t("unsaved setpoints") : t("settings and recipe of that time");
    setText(this.shown.querySelector(".asked"), t("Requested {when} by {who}: {what}.", { when: fullTime(this.preview.asked_unix_ms), who: this.preview.by, what }));
    setText(this.shown.querySelector(".result"), resultText(outcome));
    items(this.shown.querySelector(".events"), outcome.events.map((one) => `${fullTime(one.unix_ms)}: ${one.text}`));
    items(this.shown.querySelector(".assumed"), outcome.assumed.map((reason) => reason.text));
    this.fillTable(outcome);
    this.drawPlots(outcome);
  }

  fillTable(outcome) {
    const bottles = BOTTLES.filter((name) => outcome.by_day.some((day) => day[`${name}_ml`] > 0));
    const { volume } = outcome;
    const heads = [t("Day"), ...bottles.map((name) => `${plainName(name)}, ml`), t("Top-off, {unit}", volume), t("Crop water uptake, {unit}", volume)];
    const cell = (tag, text) => make(tag, { textContent: text });
    this.shown.querySelector("thead tr").replaceChildren(...heads.map((text) => Object.assign(cell("th", text), { scope: "col" })));
    this.shown.querySelector("tbody").replaceChildren(...outcome.by_day.map((day) => {
      const row = document.createElement("tr");
      row.append(Object.assign(cell("th", dayText(day.from_unix_ms)), { scope: "row" }));
      for (const name of bottles) row.append(cell("td", number(day[`${name}_ml`], 1)));
      for (const name of ["top_off", "transpired"]) row.append(cell("td", number(scaled(volume, day[`${name}_ml`]), volume.decimals)));
      return row;
    }));
  }

  drawPlots(outcome) {
    for (const plot of this.plots) plot.destroy();
    const root = this.shown.querySelector(".plots");
    root.replaceChildren();
    const node = state.nodes.get(this.node);
    this.plots = SHOWN.map((quantity, index) => plotOf(root, quantity, outcome, scaleOf(node, quantity), index === SHOWN.length - 1));
    this.resize();
  }

  resize() {
    const width = Math.max(240, Math.floor(this.shown.querySelector(".plots").clientWidth));
    for (const plot of this.plots) if (plot.width !== width) plot.setSize({ width, height: plot.height });
  }
}

/** The time in band of a preview, in words. */
export function resultText(outcome) {
  const percent = (name) => Math.round(outcome.in_band[name].ratio * 100);
  return t("Time in band: pH {ph} %, EC {ec} %.", { ph: percent("ph"), ec: percent("ec_us_cm") });
}

function plotOf(root, quantity, outcome, scale, isLast) {
  const title = document.createElement("div");
  title.className = "legend";
  const label = make("b", { textContent: scale.unit ? `${scale.label}, ${scale.unit}` : scale.label });
  const under = document.createElement("span");
  title.append(label, under);
  root.append(title);
  const values = outcome.series[quantity].map(scale.of);
  const xs = values.map((_, index) => outcome.from_unix_ms + index * outcome.step_ms);
  const bands = (outcome.bands[quantity] || []).map((band) => [band.from_unix_ms, scale.of(band.low), scale.of(band.high)]);
  const soft = colour("--soft");
  const font = `11px ${colour("--font")}`;
  const grid = { stroke: colour("--grid"), width: 1 };
  const plot = new uPlot({
    width: 300, height: (quantity === "level_mm" ? 90 : 130) + (isLast ? 28 : 0), ms: 1, padding: [6, 6, isLast ? 0 : 4, 0],
    legend: { show: false },
    cursor: { y: false, points: { show: false }, drag: { x: false, y: false }, sync: { key: "preview", setSeries: false } },
    scales: { x: { time: true, range: () => [xs[0], xs[xs.length - 1]] }, y: { range: () => rangeOf(values, bands, scale.of(LEAST[quantity]) - scale.of(0)) } },
    axes: [
      { stroke: soft, grid, font, ticks: { show: false }, size: isLast ? 28 : 0, values: isLast ? (_plot, at) => at.map(dayOrHour) : () => [], space: 64 },
      { stroke: soft, grid, font, ticks: { show: false }, size: 60, gap: 6, space: 26, values: (_plot, at) => at.map((value) => number(value, scale.decimals)) },
    ],
    series: [{}, { stroke: colour("--s1"), width: 1.6, points: { show: false } }],
    hooks: {
      drawClear: [(drawn) => drawBands(drawn, drawnBands(bands, xs))],
      setCursor: [(drawn) => {
        const { idx, left } = drawn.cursor;
        setText(under, left < 0 || idx === null ? "" : `${fullTime(xs[idx])}: ${number(values[idx], scale.decimals)}`);
      }],
    },
  }, [xs, values], root);
  return plot;
}

const dayOrHour = (at) => (new Date(at).getHours() === 0 ? dayText(at) : shortTime(at));

function rangeOf(values, bands, least) {
  const all = [...values, ...bands.flatMap(([, low, high]) => [low, high])];
  const [min, max] = [Math.min(...all), Math.max(...all)];
  const air = Math.max((max - min) * 0.08, (least - (max - min)) / 2);
  return [min - air, max + air];
}

/** The bands of a preview for drawBands(): each until the next one. */
function drawnBands(bands, xs) {
  return bands.map(([from, low, high], index) => {
    const to = index + 1 < bands.length ? bands[index + 1][0] : xs[xs.length - 1];
    return { from, to, low, high, isKnown: true };
  });
}
