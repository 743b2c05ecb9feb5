// One field of a board's entry: its control from the host's description, its value in the entry.

import { make } from "./dom.js";
import { parsed, plainNumber } from "./number_fields.js";
import { t } from "./i18n.js";

/** The element of a field. `path` is its key in the file; `env`: forms, table, set(entry, key,
 * value), change(op). undefined if the entry has no such field now. */
export function fieldElement(field, entry, path, env) {
  const build = BUILDERS[field.widget];
  if (!isShown(field, entry)) return undefined;
  const control = build(field, entry, path, env);
  if (!control) return undefined;
  const label = [field.label, field.unit].filter(Boolean).join(", ");
  const about = helpOf(field);
  const help = about ? [make("small", { textContent: about })] : [];
  let element;
  if (field.widget === "check") {
    element = make("label", { className: "check full" }, control, label);
  } else if (control.tagName === "FIELDSET") {
    control.prepend(make("legend", { textContent: label }));
    control.append(...help);
    element = control;
  } else {
    element = make("label", {}, make("span", { textContent: label }), control, ...help);
  }
  element.dataset.key = path;
  return element;
}

export const kindOf = (entry) => ("max_on_ms" in entry || "safe_level" in entry ? (entry.expander ? "expander" : "pin") : entry.bus ? entry.bus.split(".")[0] : "pin");

function isShown(field, entry) {
  if (field.on && field.on !== kindOf(entry)) return false;
  return field.widget !== "pin" || field.optional || field.key in entry;
}

function helpOf(field) {
  const range = field.widget === "number" ? t("{low} to {high}", { low: plainNumber(field.low, field.decimals), high: plainNumber(field.high, field.decimals) }) : "";
  const isSame = field.help?.toLowerCase() === field.label.toLowerCase();
  return [range, isSame ? "" : field.help].filter(Boolean).join("; ");
}

const BUILDERS = {
  text(field, entry, path, env) {
    const input = make("input", { value: entry[field.key] ?? "", autocomplete: "off", autocapitalize: "none", spellcheck: false, maxLength: 64 });
    if (field.key === "source") input.setAttribute("list", "places");
    input.addEventListener("input", () => env.set(entry, field.key, input.value.trim() || undefined));
    return input;
  },
  number(field, entry, path, env) {
    const stored = entry[field.key];
    const input = make("input", { value: typeof stored === "number" ? plainNumber(stored / field.divisor, field.decimals) : "", inputMode: "decimal", autocomplete: "off" });
    input.addEventListener("input", () => {
      const value = parsed(input.value) * field.divisor;
      const isWhole = field.divisor > 1 || field.decimals === 0;
      env.set(entry, field.key, Number.isNaN(value) ? undefined : isWhole ? Math.round(value) : value);
    });
    return input;
  },
  check(field, entry, path, env) {
    const input = make("input", { type: "checkbox", checked: Boolean(entry[field.key]) });
    input.addEventListener("change", () => env.set(entry, field.key, input.checked || undefined));
    return input;
  },
  select(field, entry, path, env) {
    return selectOf(field.options, entry[field.key], (value) => env.set(entry, field.key, value));
  },
  measures(field, entry, path, env) {
    const all = env.forms.parts[entry.part].measures;
    const boxes = all.map((one) => make("input", { type: "checkbox", checked: entry.measures.includes(one.value) }));
    const group = make("fieldset", {}, ...all.map((one, index) => make("label", { className: "check" }, boxes[index], one.label)));
    group.addEventListener("change", () => env.set(entry, "measures", all.filter((one, index) => boxes[index].checked).map((one) => one.value)));
    return group;
  },
  bus(field, entry, path, env) {
    const part = env.forms.parts[entry.part];
    const options = busOptions(part, env);
    const own = part.buses.find((kind) => kind === "gpio" || kind === "pin") || "";
    if (options.length < 2) return undefined;
    return selectOf(options, entry.bus ?? own, (where) => {
      if (path.startsWith("sensor")) env.change({ op: "rewire_sensor", index: rowAt(path), where });
      else env.set(entry, "bus", where);
    });
  },
  expander(field, entry, path, env) {
    const fitting = (env.table.expander || []).filter((one) => env.forms.parts[one.part]?.drives.includes(entry.part));
    if (!fitting.length && !entry.expander) return undefined;
    const options = [{ value: "", label: t("a pin of the chip") }, ...fitting.map((one) => ({ value: one.name, label: one.name }))];
    return selectOf(options, entry.expander || "", (where) => env.change({ op: "rewire_output", index: rowAt(path), where }));
  },
  pin(field, entry, path, env) {
    if (entry.expander) {
      const part = (env.table.expander || []).find((one) => one.name === entry.expander)?.part;
      const outputs = Array.from({ length: env.forms.parts[part]?.outputs || 0 }, (_, number) => ({ value: number, label: String(number) }));
      return selectOf(outputs, entry[field.key], (value) => env.set(entry, field.key, value));
    }
    const use = field.use === "off" ? `off${entry.safe_level ? 1 : 0}` : field.use;
    return pinSelect(env, use, entry[field.key], field.optional, (value) => env.set(entry, field.key, value));
  },
  pins(field, entry, path, env) {
    const index = rowAt(path);
    const selects = entry.pins.map((pin, place) => make("label", {}, make("span", { textContent: t("Input {number}", { number: place }) }), pinSelect(env, field.use, pin, false, (value) => env.set(entry, "pins", entry.pins.map((one, at) => (at === place ? value : one))))));
    const more = make("button", { type: "button", className: "tight", textContent: t("Add input") });
    more.addEventListener("click", () => env.change({ op: "input", index }));
    const fewer = make("button", { type: "button", className: "tight", textContent: t("Remove input"), disabled: entry.pins.length < 2 });
    fewer.addEventListener("click", () => env.set(entry, "pins", entry.pins.slice(0, -1), true));
    return make("fieldset", {}, make("div", { className: "fields" }, ...selects), make("div", { className: "row" }, more, fewer));
  },
};

export const rowAt = (path) => Number(path.match(/\[(\d+)\]/)?.[1] ?? -1);

/** A select of options {value, label}; a value that is not among them is shown, too. */
function selectOf(options, value, onChoice) {
  const shown = options.some((one) => one.value === value) || value === undefined ? options : [...options, { value, label: String(value) }];
  const select = make("select", {}, ...shown.map((one) => make("option", { textContent: one.label, selected: one.value === value })));
  if (value === undefined) select.selectedIndex = -1;
  select.addEventListener("change", () => onChoice(shown[select.selectedIndex].value));
  return select;
}

function pinSelect(env, use, value, isOptional, onChoice) {
  const chip = env.forms.chips[env.table.board.chip];
  const pins = (chip?.pins[use] || []).map((pin) => ({ value: pin, label: `GPIO ${pin}` }));
  const options = isOptional ? [{ value: undefined, label: t("none") }, ...pins] : pins;
  const select = selectOf(options, value, onChoice);
  if (isOptional && value === undefined) select.selectedIndex = 0;
  select.dataset.pins = "";
  return select;
}

/** Mark the pins that are used elsewhere in every select of pins. */
export function markUsedPins(root) {
  const selects = [...root.querySelectorAll("select[data-pins]")];
  const used = new Map();
  const chosen = (select) => select.selectedOptions[0]?.textContent.split(",")[0];
  for (const select of selects) used.set(chosen(select), (used.get(chosen(select)) || 0) + 1);
  for (const select of selects) {
    const own = chosen(select);
    for (const option of select.options) {
      const [pin] = option.textContent.split(",");
      const count = (used.get(pin) || 0) - (pin === own ? 1 : 0);
      const text = count > 0 && pin.startsWith("GPIO") ? `${pin}, ${t("used")}` : pin;
      if (option.textContent !== text) option.textContent = text;
    }
  }
}

function busOptions(part, { forms, table }) {
  const found = [];
  for (const kind of part.buses) {
    if (kind === "gpio" || kind === "pin") found.push({ value: kind, label: t("pins of its own") });
    else if (kind === "adc") {
      found.push(...(table.adc || []).map((one) => ({ value: `adc.${one.name}`, label: t("Converter {name}", { name: one.name }) })));
      found.push({ value: "adc", label: t("a converter more") });
    } else if (forms.buses[kind]) {
      const { name } = forms.buses[kind];
      found.push(...Object.keys(table[kind] || {}).map((bus) => ({ value: `${kind}.${bus}`, label: `${name} ${bus}` })));
      if (part.kind === "sensor") found.push({ value: kind, label: t("one more {kind}", { kind: name }) });
    }
  }
  return found;
}
