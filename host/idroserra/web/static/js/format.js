// Formats numbers, ages and times. Without DOM.

import { dateLocale, numberLocale, t } from "./i18n.js";

const FORMATS = new Map();

/** A number in the format of the language: 1.50 or 1,50. */
export function number(value, decimals) {
  if (!FORMATS.has(decimals)) {
    FORMATS.set(decimals, new Intl.NumberFormat(numberLocale, {
      minimumFractionDigits: decimals, maximumFractionDigits: decimals, useGrouping: false,
    }));
  }
  return FORMATS.get(decimals).format(value).replace("-", "\u2212");
}

/** A stored value in display units. */
export const scaled = ({ factor, offset }, value) => value * factor + (offset || 0);

export function shown(channel, value) {
  return number(scaled(channel.display, value), channel.display.decimals);
}

export function band(channel) {
  if (!channel.band) return "";
  return `${shown(channel, channel.band.low)}\u2013${shown(channel, channel.band.high)}`;
}

export function ageText(ms) {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 120) return t("{count} s ago", { count: seconds });
  if (seconds < 7200) return t("{count} min ago", { count: Math.round(seconds / 60) });
  if (seconds < 172800) return t("{count} h ago", { count: Math.round(seconds / 3600) });
  return t("{count} d ago", { count: Math.round(seconds / 86400) });
}

const CLOCK = new Intl.DateTimeFormat(dateLocale, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const SHORT = new Intl.DateTimeFormat(dateLocale, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const LONG_DAY = new Intl.DateTimeFormat(dateLocale, { weekday: "long", day: "numeric", month: "long" });
const DATE = new Intl.DateTimeFormat(dateLocale, { day: "numeric", month: "short", year: "numeric" });
const DAY = new Intl.DateTimeFormat(dateLocale, { day: "numeric", month: "short" });

export function timeText(unixMs, nowMs) {
  if (nowMs - unixMs < 20 * 3600e3) return CLOCK.format(unixMs);
  return `${DAY.format(unixMs)}, ${SHORT.format(unixMs)}`;
}

export const shortTime = (unixMs) => SHORT.format(unixMs);
export const dayText = (unixMs) => DAY.format(unixMs);
export const dateText = (unixMs) => DATE.format(unixMs);
export const stampText = (unixMs) => `${DATE.format(unixMs)}, ${CLOCK.format(unixMs)}`;
export const longDay = (unixMs) => LONG_DAY.format(unixMs);
export const fullTime = (unixMs) => `${DAY.format(unixMs)}, ${CLOCK.format(unixMs)}`;

export function plainName(name) {
  const spelled = { ph: "pH", ec: "EC" };
  const words = name.split("_").map((word) => spelled[word] || (word.length === 1 ? word.toUpperCase() : word));
  const plain = words.join(" ");
  return t(plain);
}

/** A volume of water, stored in ml, in a unit: {text, factor, offset, decimals}. */
export const waterText = (unit, volumeMl) => `${number(scaled(unit, volumeMl), unit.decimals)} ${unit.text}`;

export function millilitres(volumeUl) {
  const ml = volumeUl / 1000;
  return `${number(ml, ml < 10 ? 2 : 1)} ml`;
}
