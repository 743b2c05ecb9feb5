// A stack of charts with a common time axis and cursor, zoom and pan.

import { append, make } from "./dom.js";
import { listen } from "./state.js";
import { request } from "./connection.js";
import { loadBands, loadSeries } from "./series.js";
import { bandsOf, drawBands } from "./bands.js";
import { dosesAt, drawDoses, tipLines } from "./dose_marks.js";
import { drawNotes, loadNotes, noteLines, notesAt } from "./note_marks.js";
import { align, colour, options, overlayKey, panelsOf, tracesOf, uPlot } from "./chart_panels.js";
import { t } from "./i18n.js";
import { fullTime, number, scaled, shortTime, dayText } from "./format.js";

const LINE = "M-6 -1.5H6V1.5H-6Z";
const DASHES = "M-6 -1.5H-1V1.5H-6Z M2 -1.5H6V1.5H2Z";
const SVG = "http://www.w3.org/2000/svg";
const SLOWEST_MS = 60_000;
const FASTEST_MS = 5_000;
const KEPT_DOSES = 100;
const UNKNOWN_MS = 900_000; // readings without known setpoints that are mentioned
const ROLL_UP_MS = [60_000, 900_000, 86_400_000]; // column widths of the store

/** The columns to request: one per pixel, or a roll-up that is less than twice as wide, which is
 * many times faster. */
function columnsOf([from, to], pixels) {
  const wideMs = (to - from) / pixels;
  const readyMs = ROLL_UP_MS.find((ms) => ms > wideMs && ms < 2 * wideMs);
  if (!readyMs) return { from, to, columns: pixels };
  const [first, last] = [Math.floor(from / readyMs) * readyMs, Math.ceil(to / readyMs) * readyMs];
  return { from: first, to: last, columns: (last - first) / readyMs + 1 };
}

export class Stack {
  constructor(root, node, range) {
    this.root = root;
    this.node = node;
    this.range = range;
    this.doses = [];
    this.received = []; // from the stream, maybe while the chart is loading
    this.notes = [];
    this.series = {};
    this.setpoints = { bands: {}, known_from_unix_ms: null };
    this.panels = [];
    this.loadedMs = 0;
    this.tip = append(root, "div", "tip");
    this.tip.hidden = true;
    this.unknown = make("p", { className: "soft small", hidden: true });
    this.view = { hidden: new Set(), other: null };
    this.observe();
  }

  observe() {
    new ResizeObserver(() => this.resize()).observe(this.root);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.build());
    this.root.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    this.root.addEventListener("keydown", (event) => this.key(event));
    this.root.addEventListener("dblclick", () => this.move(() => this.range.follow(this.range.name)));
    listen((message) => {
      if (message.type === "tick") this.tick();
      if (message.type === "event" && message.kind === "dosed" && message.node === this.node.node) this.addDose(message);
      if (message.type === "journal" && (!message.node || message.node === this.node.node)) this.load();
    });
  }

  /** Choose the panels that are hidden (a Set of quantities) and the node to compare with, or null. */
  setView(view) {
    this.view = view;
    this.setNode(this.node);
  }

  /** Set the node; panels are rebuilt only if its channels changed. */
  setNode(node) {
    const panels = panelsOf(node, this.view);
    const shape = (list) => list.map((panel) => [panel.quantity, panel.channels, panel.overlay, panel.dosers].join()).join(";");
    const isChanged = node.config.reported_rev !== this.node.config.reported_rev;
    this.node = node;
    if (shape(panels) === shape(this.panels)) {
      if (isChanged) this.load();
      return;
    }
    this.clear();
    this.panels = panels;
    this.load(); // before build(), which shows that it is loading
    this.build();
  }

  clear() {
    for (const panel of this.panels) {
      if (panel.plot) panel.plot.destroy();
      if (panel.root) panel.root.remove();
    }
  }

  get width() {
    return Math.max(240, Math.floor(this.root.clientWidth));
  }

  build() {
    this.clear();
    for (const panel of this.panels) this.buildPanel(panel);
    this.root.append(this.unknown);
    this.show();
  }

  buildPanel(panel) {
    panel.root = append(this.root, "div", "panel");
    panel.root.dataset.quantity = panel.quantity;
    panel.legend = append(panel.root, "div", "legend");
    const hooks = {
      drawClear: [(plot) => drawBands(plot, this.bandsOf(panel))],
      draw: [(plot) => this.drawMarks(plot, panel)],
      setSelect: [(plot) => this.select(plot)],
      setCursor: [(plot) => this.point(plot, panel)],
    };
    const choice = {
      width: this.width, syncKey: `stack-${this.node.node}`, hooks,
      bandsOf: (which) => this.bandsOf(which), bounds: () => this.shownBounds || this.range.bounds,
    };
    panel.plot = new uPlot(options(panel, choice), this.dataOf(panel), panel.root);
  }

  isLoaded(panel) {
    return Boolean(this.shownBounds) && panel.channels.every((key) => key in this.series);
  }

  dataOf(panel) {
    if (panel.dosers.length) {
      const [from, to] = this.shownBounds || this.range.bounds;
      return [[from, to], [null, null]];
    }
    const gapMs = Math.max(this.columnMs * 2.5 || 0, this.node.stale_after_ms * 2);
    return align(panel, this.series, gapMs);
  }

  bandsOf(panel) {
    return bandsOf(this.setpoints, panel.channels[0], this.shownBounds || this.range.bounds, (value) => scaled(panel, value));
  }

  /** Say until when the setpoints of the shown readings are not known. */
  showUnknown() {
    const known = this.setpoints.known_from_unix_ms;
    const first = Math.min(...Object.values(this.series).map((columns) => (columns.length ? columns[0][0] : Infinity)));
    this.unknown.hidden = known === null || known - first < UNKNOWN_MS;
    if (!this.unknown.hidden) this.unknown.textContent = t("Setpoints before {time} are not known: the earliest known ones are drawn lighter.", { time: `${dayText(known)}, ${shortTime(known)}` });
  }

  drawMarks(plot, panel) {
    const drawn = panel.dosers.length ? drawDoses(plot, panel, this.doses) : { doses: 0, groups: 0 };
    panel.root.dataset.marks = String(drawn.doses);
    panel.root.dataset.groups = String(drawn.groups);
    panel.root.dataset.notes = String(drawNotes(plot, this.notes, panel === this.panels[0]));
  }

  resize() {
    for (const panel of this.panels) {
      if (panel.plot && panel.plot.width !== this.width) panel.plot.setSize({ width: this.width, height: panel.plot.height });
    }
  }

  show() {
    this.root.setAttribute("aria-busy", String(!this.panels.every((panel) => this.isLoaded(panel)) && Boolean(this.isLoading)));
    for (const panel of this.panels) {
      panel.root.toggleAttribute("data-unloaded", !this.isLoaded(panel));
      panel.plot.setData(this.dataOf(panel));
      panel.root.dataset.bands = String(this.bandsOf(panel).length);
      panel.root.dataset.nodes = String(panel.overlay.length ? 2 : 1);
      panel.root.dataset.points = String(panel.channels.reduce((sum, key) => sum + (this.series[key] || []).length, 0));
      this.legend(panel, null);
    }
    this.showUnknown();
    this.root.dispatchEvent(new CustomEvent("shown"));
  }

  tick() {
    if (document.hidden || !this.range.follows || this.dragging() || this.isLoading) return;
    const [from, to] = this.range.bounds;
    const every = this.node.history_progress ? FASTEST_MS : (to - from) / this.width;
    if (Date.now() - this.loadedMs > Math.min(SLOWEST_MS, Math.max(FASTEST_MS, every))) this.load();
  }

  dragging() {
    return this.panels.some((panel) => panel.plot.select.width > 0);
  }

  /** Change the range with `change`, then load. */
  move(change) {
    change();
    this.load();
  }

  async load() {
    if (this.abort) this.abort.abort();
    this.abort = new AbortController();
    const { signal } = this.abort;
    this.isLoading = true;
    this.loadedMs = Date.now();
    const [from, to] = this.range.bounds;
    const base = `/api/nodes/${encodeURIComponent(this.node.node)}`;
    const channels = this.panels.flatMap((panel) => panel.channels);
    const span = `from_unix_ms=${from}&to_unix_ms=${to}`;
    const query = columnsOf([from, to], Math.min(2000, this.width));
    let missing = "";
    const orNone = (loading, none) => loading.catch((error) => {
      missing = error.message;
      return none;
    });
    try {
      const [series, others, events, notes, setpoints] = await Promise.all([
        loadSeries(this.node.node, channels, query, { signal }),
        orNone(this.loadOther(channels, query, signal), {}),
        orNone(request(`${base}/events?${span}&kinds=dosed&limit=5000`, { signal }), { events: [] }),
        orNone(loadNotes(this.node.node, [from, to], signal), []),
        orNone(loadBands(this.node.node, [from, to], signal), this.setpoints),
      ]);
      if (signal.aborted) return;
      this.series = { ...series, ...others };
      this.columnMs = (query.to - query.from) / query.columns;
      this.doses = events.events.map(doseOf);
      for (const dose of this.received) this.add(dose);
      this.notes = notes;
      this.setpoints = setpoints;
      this.shownBounds = [from, to];
      this.isLoading = false;
      this.fail(missing);
      this.show();
    } catch (error) {
      if (signal.aborted) return;
      this.isLoading = false;
      this.fail(error.message);
      this.show();
    }
  }

  async loadOther(channels, query, signal) {
    const { other } = this.view;
    const keys = other ? channels.filter((key) => key in other.channels) : [];
    if (!keys.length) return {};
    const series = await loadSeries(other.node, keys, query, { signal });
    return Object.fromEntries(Object.entries(series).map(([key, columns]) => [overlayKey(other, key), columns]));
  }

  fail(text) {
    this.root.dispatchEvent(new CustomEvent("trouble", { detail: text }));
  }

  /** Add a dose unless it is known; returns true if it was added. */
  add(dose) {
    const isNew = !this.doses.some((one) => one.unixMs === dose.unixMs && one.actuator === dose.actuator);
    if (isNew) this.doses.push(dose);
    return isNew;
  }

  addDose(event) {
    const dose = doseOf(event);
    this.received = [...this.received, dose].slice(-KEPT_DOSES);
    if (!this.add(dose) || this.redrawing) return; // redraw once for many doses
    this.redrawing = requestAnimationFrame(() => {
      this.redrawing = 0;
      for (const panel of this.panels) panel.plot.redraw(false, false);
    });
  }

  select(plot) {
    const { left, width } = plot.select;
    if (width < 6) return;
    const [from, to] = [plot.posToVal(left, "x"), plot.posToVal(left + width, "x")];
    for (const panel of this.panels) panel.plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
    this.move(() => this.range.fix(from, to));
  }

  wheel(event) {
    const across = Math.abs(event.deltaX) > Math.abs(event.deltaY) || event.shiftKey;
    if (!across && !event.ctrlKey) return;
    event.preventDefault();
    const { plot } = this.panels[0];
    const at = plot.posToVal(event.clientX - plot.over.getBoundingClientRect().left, "x");
    const by = event.deltaX || event.deltaY;
    this.move(() => (across ? this.range.pan(by / 1500) : this.range.zoom(Math.exp(event.deltaY / 300), at)));
  }

  key(event) {
    const moves = {
      ArrowLeft: () => this.range.pan(-0.25), ArrowRight: () => this.range.pan(0.25),
      "+": () => this.range.zoom(0.5), "-": () => this.range.zoom(2), Home: () => this.range.follow(this.range.name),
    };
    if (!moves[event.key] || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    this.move(moves[event.key]);
  }

  point(plot, panel) {
    const index = plot.cursor.idx;
    const at = plot.cursor.left >= 0 ? plot.posToVal(plot.cursor.left, "x") : null;
    this.legend(panel, at === null ? null : index);
    if (panel === this.panels[0]) this.root.dispatchEvent(new CustomEvent("cursor", { detail: at }));
    if (plot.over.matches(":hover")) this.showTip(plot, panel);
    else if (!this.root.querySelector(".u-over:hover")) this.tip.hidden = true;
  }

  showTip(plot, panel) {
    const doses = panel.dosers.length ? dosesAt(plot, panel, this.doses, plot.cursor) : [];
    const notes = doses.length ? [] : notesAt(plot, this.notes, plot.cursor.left);
    this.tip.hidden = doses.length + notes.length === 0;
    if (this.tip.hidden) return;
    this.tip.replaceChildren(...(notes.length ? noteLines(notes) : tipLines(doses)).map((text) => make("div", { textContent: text })));
    const box = plot.over.getBoundingClientRect();
    const home = this.root.getBoundingClientRect();
    const x = box.left - home.left + plot.cursor.left;
    this.tip.style.top = `${box.top - home.top - this.tip.offsetHeight - 6}px`;
    this.tip.style.left = `${Math.max(0, Math.min(x + 12, home.width - this.tip.offsetWidth))}px`;
  }

  legend(panel, index) {
    panel.legend.replaceChildren();
    const title = append(panel.legend, "b");
    title.textContent = panel.unit ? `${panel.title}, ${panel.unit}` : panel.title;
    tracesOf(panel).forEach((key, order) => this.legendLine(panel, key, order, index)); // the axis names the doses
    if (this.isLoading && !this.isLoaded(panel)) append(panel.legend, "span", "soft").textContent = t("Loading\u2026");
    if (this.isEmpty(panel)) append(panel.legend, "span", "soft").textContent = t("No data for this period.");
  }

  isEmpty(panel) {
    return !panel.dosers.length && this.isLoaded(panel) && !tracesOf(panel).some((key) => (this.series[key] || []).length);
  }

  /** The name of a line: its channel, its node, or both; "" if it is the only one. */
  nameOf(panel, key) {
    const { other } = this.view;
    const own = panel.channels.find((one) => key === one || (other && key === overlayKey(other, one)));
    const label = panel.channels.length > 1 ? this.node.channels[own].display.label : "";
    if (!panel.overlay.length) return label;
    return [key === own ? this.node.title : other.title, label].filter(Boolean).join(", ");
  }

  legendLine(panel, key, order, index) {
    const item = append(panel.legend, "span", "key");
    item.append(glyph(order < panel.channels.length ? LINE : DASHES, colour(`--s${(order % 3) + 1}`)));
    const data = panel.plot ? panel.plot.data : [[]];
    const value = (line) => (index === null || index === undefined ? null : data[order * 3 + line][index]);
    const [low, high, mean] = [value(1), value(2), value(3)];
    let text = this.nameOf(panel, key);
    if (mean !== null && mean !== undefined) {
      text += ` ${number(mean, panel.decimals)}`;
      const [least, most] = [number(low, panel.decimals), number(high, panel.decimals)];
      if (least !== most) text += ` (${least}\u2013${most})`;
    }
    item.append(text.trim());
    if (!text.trim()) item.remove();
  }
}

function glyph(shape, fill) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "-6 -6 12 12");
  svg.setAttribute("aria-hidden", "true");
  const path = svg.appendChild(document.createElementNS(SVG, "path"));
  path.setAttribute("d", shape);
  path.setAttribute("fill", fill);
  return svg;
}

function doseOf(event) {
  const { actuator, volume_ul: volumeUl } = event.detail;
  return { unixMs: event.unix_us / 1000, actuator, volumeUl: volumeUl || 0, reason: event.reason ? event.reason.text : "" };
}

/** The text beside the range buttons: the shown range, or the time under the cursor. */
export function spanText([from, to], cursorUnixMs) {
  if (cursorUnixMs !== null) return fullTime(cursorUnixMs);
  if (to - from <= 86400e3 * 1.01 && dayText(from) === dayText(to)) return `${dayText(from)}, ${shortTime(from)}\u2013${shortTime(to)}`;
  return `${dayText(from)} ${shortTime(from)} \u2013 ${dayText(to)} ${shortTime(to)}`;
}

