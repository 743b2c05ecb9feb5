// The panels of the chart stack, and their uPlot options.

import uPlot from "../vendor/uPlot.esm.js";
import { mark, t } from "./i18n.js";
import { dayText, number, plainName, scaled, shortTime } from "./format.js";

const ORDER = ["ph", "ec_us_cm", "doses", "temp_c", "level_mm", "volume_ml", "rh_pct", "vpd_pa", "duty_pct", "dli_mol_per_m2"];
const BANDED = ["ph", "ec_us_cm", "vpd_pa", "dli_mol_per_m2"]; // with their bands in the range of the axis
const TITLES = {
  ph: "pH", ec_us_cm: "EC", temp_c: mark("Temperature"), level_mm: mark("Level"), volume_ml: mark("Volume"),
  rh_pct: mark("Humidity"), vpd_pa: "VPD", duty_pct: mark("Light"), dli_mol_per_m2: mark("Light of 24 hours (DLI)"),
};
const AXIS_PX = 68;
const DATES_PX = 28;
const BODY_PX = 140;
const LANE_PX = 24;

export function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

/** The channels of a panel, then those of the other node. */
export const tracesOf = (panel) => [...panel.channels, ...panel.overlay];

/** The key of a channel of the other node in the series of a stack. */
export const overlayKey = (other, key) => `${other.node} ${key}`;

/** Panels of a node: one for each quantity with tiles, and one for doses. */
export function allPanels(node) {
  const panels = new Map();
  for (const [key, channel] of Object.entries(node.channels)) {
    const quantity = key.split(".")[1];
    if (channel.display.place !== "tile" || !ORDER.includes(quantity)) continue;
    const known = panels.get(quantity);
    if (known) known.channels.push(key);
    else panels.set(quantity, newPanel(quantity, key, channel));
  }
  const dosers = Object.keys(node.outputs).filter((name) => node.outputs[name] === "doser");
  if (dosers.length) panels.set("doses", { quantity: "doses", title: t("Doses"), channels: [], overlay: [], dosers });
  return ORDER.filter((quantity) => panels.has(quantity)).map((quantity) => panels.get(quantity));
}

/** The panels of a node that are not hidden, with the channels of the other node, if any. */
export function panelsOf(node, { hidden, other }) {
  const panels = allPanels(node).filter((panel) => !hidden.has(panel.quantity));
  if (!other) return panels;
  return panels.map((panel) => ({ ...panel, overlay: panel.channels.filter((key) => key in other.channels).map((key) => overlayKey(other, key)) }));
}

function newPanel(quantity, key, channel) {
  const { unit, factor, offset, decimals } = channel.display;
  return { quantity, title: t(TITLES[quantity]), unit, factor, offset, decimals, channels: [key], overlay: [], dosers: [] };
}

/** uPlot data of a panel: x, then min, max, mean of each channel, null in gaps. */
export function align(panel, series, gapMs) {
  const times = new Set();
  for (const key of tracesOf(panel)) for (const column of series[key] || []) times.add(column[0]);
  const sorted = [...times].sort((a, b) => a - b);
  const xs = [];
  for (const [index, at] of sorted.entries()) {
    if (index && at - sorted[index - 1] > gapMs) xs.push(sorted[index - 1] + 1);
    xs.push(at);
  }
  const rows = new Map(xs.map((at, index) => [at, index]));
  const data = [xs];
  for (const key of tracesOf(panel)) {
    const lines = [1, 3, 2].map((field) => fill(series[key] || [], field, rows, xs, panel));
    thin(lines, xs, gapMs);
    data.push(...lines);
  }
  return data;
}

function fill(columns, field, rows, xs, panel) {
  const line = new Array(xs.length).fill(undefined);
  for (const column of columns) line[rows.get(column[0])] = scaled(panel, column[field]);
  return line;
}

/** uPlot joins across undefined, the point of another channel; null is a gap. */
function thin(lines, xs, gapMs) {
  let last = null;
  for (let index = 0; index < xs.length; index += 1) {
    if (lines[0][index] === undefined) continue;
    if (last !== null && xs[index] - xs[last] > gapMs) for (const line of lines) line[last + 1] = null;
    last = index;
  }
}

function timeSplits(_plot, values, _axis, _space, step) {
  let lastDay = "";
  return values.map((at) => {
    const day = dayText(at);
    const isNewDay = day !== lastDay;
    lastDay = day;
    if (step >= 86400e3) return day;
    return isNewDay && new Date(at).getHours() === 0 ? day : shortTime(at);
  });
}

/** Whether the axis of a panel has a range of readings or bands, and not only a made-up one. */
function hasValues(plot, panel, bandsOf) {
  return plot.data.slice(1).some((line) => line.some((value) => value !== null && value !== undefined)) || (BANDED.includes(panel.quantity) && bandsOf(panel).length > 0);
}

function axes(panel, bandsOf) {
  const soft = colour("--soft");
  const grid = { stroke: colour("--grid"), width: 1 };
  const font = `11px ${colour("--font")}`;
  const lanes = panel.dosers.length;
  return [
    { stroke: soft, grid, font, ticks: { show: false }, size: DATES_PX, values: timeSplits, space: 64 },
    {
      stroke: soft, font: lanes ? `10px ${colour("--font")}` : font, size: AXIS_PX, gap: 6, ticks: { show: false }, grid: lanes ? { show: false } : grid, space: 26,
      splits: lanes ? () => panel.dosers.map((_, index) => index) : undefined,
      values: lanes ? () => panel.dosers.map((name) => plainName(name).slice(0, 12)) : (plot, values) => (hasValues(plot, panel, bandsOf) ? labels(values, panel.decimals) : values.map(() => "")),
    },
  ];
}

function labels(values, most) {
  const step = values.length > 1 ? Math.abs(values[1] - values[0]) : 1;
  const decimals = Math.min(most + 1, Math.max(0, Math.ceil(-Math.log10(step) - 1e-9)));
  return values.map((value) => (value === null ? "" : number(value, decimals)));
}

function lines(panel) {
  const series = [{}];
  tracesOf(panel).forEach((key, index) => {
    const stroke = colour(`--s${(index % 3) + 1}`);
    const edge = { scale: "y", stroke: "transparent", points: { show: false }, spanGaps: false };
    series.push({ ...edge }, { ...edge });
    series.push({ scale: "y", label: key, stroke, width: 1.6, dash: index < panel.channels.length ? [] : [6, 4], points: { show: false }, spanGaps: false });
  });
  return series;
}

function bands(panel) {
  return panel.channels.map((_, index) => ({
    series: [index * 3 + 2, index * 3 + 1],
    fill: `color-mix(in srgb, ${colour(`--s${(index % 3) + 1}`)} 22%, transparent)`,
  }));
}

/** The y range: data and setpoint bands with a margin, and a minimum height. */
function yRange(panel, bandsOf) {
  const stored = { ph: 0.4, ec_us_cm: 100, temp_c: 2, level_mm: 20, volume_ml: 4000, rh_pct: 10, vpd_pa: 200, dli_mol_per_m2: 2 }[panel.quantity];
  const least = stored ? stored * panel.factor : 1;
  return (_plot, low, high) => {
    if (panel.dosers.length) return [-0.5, panel.dosers.length - 0.5];
    if (panel.quantity === "duty_pct") return [0, 105];
    const bands = BANDED.includes(panel.quantity) ? bandsOf(panel) : [];
    const all = [low, high, ...bands.flatMap((band) => [band.low, band.high])].filter((value) => value !== null && Number.isFinite(value));
    if (!all.length) return [0, least];
    const [min, max] = [Math.min(...all), Math.max(...all)];
    const air = Math.max((max - min) * 0.08, (least - (max - min)) / 2);
    return [min - air, max + air];
  };
}

function heightPx(panel) {
  return DATES_PX + Math.max(BODY_PX, panel.dosers.length * LANE_PX);
}

/** uPlot options. `bandsOf(panel)` returns the bands in display units. */
export function options(panel, { width, syncKey, bandsOf, hooks, bounds }) {
  return {
    width, height: heightPx(panel), ms: 1, padding: [6, 6, 0, 0],
    legend: { show: false },
    cursor: {
      y: false, points: { show: false }, drag: { x: true, y: false, setScale: false, dist: 6 },
      sync: { key: syncKey, setSeries: false }, bind: { dblclick: () => null },
    },
    scales: { x: { time: true, range: () => bounds() }, y: { range: yRange(panel, bandsOf), dir: panel.dosers.length ? -1 : 1 } },
    axes: axes(panel, bandsOf), series: panel.dosers.length ? [{}, { show: false }] : lines(panel),
    bands: panel.dosers.length ? [] : bands(panel), hooks,
  };
}

export { uPlot };
