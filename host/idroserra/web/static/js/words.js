// Numbers, ages and times as people read them. Nothing here knows the DOM.

export function number(value, decimals) {
  const text = value.toFixed(decimals);
  return text.replace("-", "\u2212");
}

/** A stored value on the scale of the screen: EC in mS/cm, volume in litres. */
export function shown(channel, value) {
  return number(value * channel.display.factor, channel.display.decimals);
}

export function band(channel) {
  if (!channel.band) return "";
  return `${shown(channel, channel.band.low)}\u2013${shown(channel, channel.band.high)}`;
}

export function ageText(ms) {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 120) return `${seconds} s ago`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min ago`;
  if (seconds < 172800) return `${Math.round(seconds / 3600)} h ago`;
  return `${Math.round(seconds / 86400)} d ago`;
}

const CLOCK = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const SHORT = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const DAY = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });

export function timeText(unixMs, nowMs) {
  if (nowMs - unixMs < 20 * 3600e3) return CLOCK.format(unixMs);
  return `${DAY.format(unixMs)}, ${SHORT.format(unixMs)}`;
}

export const shortTime = (unixMs) => SHORT.format(unixMs);
export const dayText = (unixMs) => DAY.format(unixMs);
export const fullTime = (unixMs) => `${DAY.format(unixMs)}, ${CLOCK.format(unixMs)}`;

export function plainName(name) {
  const spelled = { ph: "pH", ec: "EC" };
  return name.split("_").map((word) => spelled[word] || (word.length === 1 ? word.toUpperCase() : word)).join(" ");
}

export function millilitres(volumeUl) {
  const ml = volumeUl / 1000;
  return `${number(ml, ml < 10 ? 2 : 1)} ml`;
}
