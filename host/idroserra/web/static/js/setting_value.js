// A setting in the unit of its form field, and back. The formulas are those of
// setpoints/setting_forms.py. `field`: the data attributes of its row. Without DOM.

import { dateLocale, t } from "./i18n.js";
import { parsed, plainNumber } from "./number_fields.js";

const FLOAT_DECIMALS = 4;
const DAY_MS = 86_400_000;
const FIRST_DAY_MS = Date.UTC(2000, 0, 1);
const DATE = new Intl.DateTimeFormat(dateLocale, { dateStyle: "medium", timeZone: "UTC" });

const pad = (part) => String(part).padStart(2, "0");

/** The content of the input of a field. */
export function entryOf(field, value) {
  if (field.widget === "time") return `${pad(Math.floor(value / 60))}:${pad(value % 60)}`;
  if (field.widget !== "number") return value;
  return plainNumber(value * field.factor + Number(field.offset), Number(field.decimals)).replace("\u2212", "-");
}

/** The stored value of an entry, or null if it is not one or out of bounds. */
export function storedOf(field, entry) {
  if (field.widget === "switch") return entry;
  if (field.widget === "time") {
    const [hours, minutes] = entry.split(":").map(Number);
    return Number.isFinite(minutes) ? hours * 60 + minutes : null;
  }
  const value = (parsed(entry) - Number(field.offset)) / field.factor;
  const stored = field.kind === "float" ? Number(value.toFixed(FLOAT_DECIMALS)) : Math.floor(value / field.step + 0.5) * field.step;
  return stored >= Number(field.low) && stored <= Number(field.high) ? stored : null;
}

/** A stored value with its unit. */
export function settingText(field, value) {
  if (value === undefined) return "\u2014";
  if (field.widget === "switch") return value ? t("on") : t("off");
  if (field.widget === "date") return value ? DATE.format(FIRST_DAY_MS + value * DAY_MS) : t("never");
  return `${entryOf(field, value)} ${field.unit}`.trim();
}
