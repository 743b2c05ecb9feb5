// Live tiles: value, band and age, or the fault in words.

import { append } from "./dom.js";
import { mark, t } from "./i18n.js";
import { loadBands, loadSeries } from "./series.js";
import { nowUnixMs } from "./state.js";
import { Sparkline } from "./sparkline.js";
import { ageText, band, number, shown, timeText } from "./format.js";

const ARROWS = { up: ["\u2197", mark("rising")], down: ["\u2198", mark("falling")], level: ["\u2192", mark("steady")] };

/** "ok", "edge" (just outside its band), "off_band", "fault", "stale" or "none" at `now`. A level has
 * no edge: its band are the limits between which the node doses and fills. */
export function tileState(node, channel, now) {
  if (channel.unix_ms === null) return "none";
  if (now - channel.unix_ms > node.stale_after_ms) return "stale";
  if (channel.fault) return "fault";
  if (channel.value === null) return "none";
  const limits = channel.band;
  if (!limits || (channel.value >= limits.low && channel.value <= limits.high)) return "ok";
  if (channel.unit === "mm") return "off_band";
  const beyond = Math.max(limits.low - channel.value, channel.value - limits.high);
  return beyond > (limits.high - limits.low) / 2 ? "off_band" : "edge";
}

function also({ value, also: { factor, unit, decimals } }) {
  return `${number(value * factor, decimals)} ${unit}`;
}

export class Tile {
  constructor(key, notable, parent) {
    this.key = key;
    this.spark = new Sparkline(notable);
    this.root = append(parent, "article", "tile");
    this.root.dataset.channel = key;
    const head = append(this.root, "h3");
    this.label = append(head, "b");
    this.mark = append(head, "span", "mark");
    const body = append(this.root, "div", "body");
    this.value = append(body, "div", "value");
    body.append(this.spark.svg);
    this.why = append(this.root, "p", "why");
    const foot = append(this.root, "footer");
    this.band = append(foot, "span", "band");
    this.age = append(foot, "span", "age");
  }

  render(node) {
    const now = nowUnixMs();
    const channel = this.newest(node.channels[this.key], now);
    const status = tileState(node, channel, now);
    this.root.dataset.state = status;
    this.root.dataset.level = channel.level;
    this.label.textContent = channel.display.label;
    this.showValue(channel, status, now);
    this.showAge(channel, status, now);
    this.spark.draw(now, channel.band);
    this.spark.svg.toggleAttribute("hidden", status === "fault");
  }

  /** The channel; one without messages, as the DLI, with the end of its history and its band then. */
  newest(channel, now) {
    if (channel.unix_ms !== null || this.spark.hasEnded(now)) return channel;
    return { ...channel, value: this.spark.last, unix_ms: now, band: this.spark.lastBand };
  }

  record(record) {
    if (this.key in record.values) this.spark.add(record.unix_ms, record.values[this.key]);
  }

  showValue(channel, status, now) {
    const marks = { fault: t("fault"), stale: t("stale"), none: t("no data") };
    this.mark.textContent = marks[status] || "";
    this.mark.hidden = !marks[status];
    this.why.textContent = status === "fault" ? channel.fault_text : "";
    this.why.hidden = status !== "fault";
    this.value.replaceChildren();
    if (status === "fault") return this.value.append(t("No reading"));
    if (channel.value === null) return this.value.append("\u2014");
    this.value.append(shown(channel, channel.value));
    append(this.value, "small").textContent = channel.display.unit;
    if (channel.also) append(this.value, "small", "also").textContent = also(channel);
    const arrow = status === "stale" ? null : ARROWS[this.spark.trend(now)];
    if (arrow) {
      const trend = append(this.value, "span", "trend");
      [trend.textContent, trend.title] = [arrow[0], t("{trend} over the last 15 minutes", { trend: t(arrow[1]) })];
      trend.setAttribute("role", "img");
      trend.setAttribute("aria-label", t(arrow[1]));
    }
    return undefined;
  }

  showAge(channel, status, now) {
    const limits = band(channel);
    const words = status === "off_band" || status === "edge" ? t("outside {band}", { band: limits }) : limits && t("band {band}", { band: limits });
    this.band.textContent = status === "fault" || status === "stale" ? "" : words;
    if (channel.unix_ms === null) this.age.textContent = t("no reading yet");
    else if (status === "stale") this.age.textContent = t("no reading since {time}", { time: timeText(channel.unix_ms, now) });
    else this.age.textContent = ageText(now - channel.unix_ms);
  }
}

/** The channels with a tile, in the order of the host. */
export function tileKeys(node) {
  return Object.keys(node.channels).filter((key) => node.channels[key].display.place === "tile");
}

/** Create and remove tiles for `keys` inside `parent`; returns the Map of tiles. */
export function syncTiles(parent, tiles, keys, node) {
  for (const [key, tile] of tiles) {
    if (!keys.includes(key)) {
      tile.root.remove();
      tiles.delete(key);
    }
  }
  for (const key of keys.filter((wanted) => !tiles.has(wanted))) {
    tiles.set(key, new Tile(key, node.channels[key].display.notable, parent));
  }
  return tiles;
}

/** Show the other channels in one tile: pumps, radio, memory. */
export function renderSmall(parent, node) {
  const now = nowUnixMs();
  parent.replaceChildren();
  for (const [key, channel] of Object.entries(node.channels)) {
    if (channel.display.place !== "small" || channel.unix_ms === null) continue;
    if (key === "reservoir.volume_ml") continue; // shown with the level
    const item = append(parent, "div");
    item.dataset.level = channel.level;
    append(item, "dt").textContent = channel.display.label;
    const text = channel.value === null ? channel.fault_text : `${shown(channel, channel.value)} ${channel.display.unit}`;
    append(item, "dd").textContent = text;
    if (now - channel.unix_ms > node.stale_after_ms) {
      item.className = "old";
      item.title = t("no reading since {time}", { time: timeText(channel.unix_ms, now) });
    }
  }
}

/** The channels whose sparkline has ended, for example after a hidden tab. */
export function endedKeys(tiles) {
  const now = nowUnixMs();
  return [...tiles].filter(([, tile]) => tile.spark.hasEnded(now)).map(([key]) => key);
}

/** The channels that are read from their history only. */
export function historyKeys(node) {
  return tileKeys(node).filter((key) => node.channels[key].unix_ms === null);
}

/** Load the last hour of the sparklines and their bands; empty if the store does not answer. */
export async function seedSparks(node, keys, tiles) {
  const to = Math.round(nowUnixMs()) + 1000;
  const query = { from: to - 3600e3, to, columns: 120 };
  const [series, setpoints] = await Promise.all([
    loadSeries(node.node, keys, query).catch(() => null),
    loadBands(node.node, [query.from, to]).catch(() => null),
  ]);
  for (const key of keys.filter((one) => tiles.has(one))) {
    const { spark } = tiles.get(key);
    if (series) spark.seed((series[key] || []).map(([at, , mean]) => [at, mean]));
    if (setpoints) spark.seedBands((setpoints.bands[key] || []).map(({ from_unix_ms: from, low, high }) => ({ from, low, high })));
  }
}
