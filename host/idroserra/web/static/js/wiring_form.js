// The form of a board: its entries as folded parts, each with the fields that the host describes.

import { byId, make } from "./dom.js";
import { t } from "./i18n.js";
import { fieldElement, markUsedPins } from "./wiring_fields.js";

const LISTS = ["sensor", "actuator", "adc", "expander"];

export class WiringForm {
  /** `onInput()` after each input; `onChange(change)` asks the host for a change. */
  constructor(form, forms, onInput, onChange) {
    this.form = form;
    this.forms = forms;
    this.onInput = onInput;
    this.onChange = onChange;
    form.addEventListener("submit", (event) => event.preventDefault());
    this.fillParts();
    byId("add").addEventListener("click", () => this.add());
    byId("add-bus").append(...Object.entries(forms.buses).map(([where, { name }]) => {
      const button = make("button", { type: "button", className: "tight", textContent: t("Add {kind}", { kind: name }) });
      button.addEventListener("click", () => onChange({ op: "bus", where }));
      return button;
    }));
  }

  /** Show a table. What was open stays open; an entry that was added is opened alone and focused. */
  render(table, { isFirst = false } = {}) {
    const opened = new Set([...this.form.querySelectorAll("details[data-entry][open]")].map((one) => one.dataset.identity));
    const before = new Set([...this.form.querySelectorAll("details[data-entry]")].map((one) => one.dataset.identity));
    const focused = document.activeElement?.closest?.("[data-key]")?.dataset.key;
    this.table = table;
    this.renderBoard();
    for (const section of LISTS) this.list(section, (table[section] || []).map((entry, index) => this.entry(section, entry, `${section}[${index}]`)));
    this.list("bus", Object.entries(this.forms.buses).flatMap(([kind, { fields }]) => Object.entries(table[kind] || {}).map(([name, bus]) => this.entry("bus", bus, `${kind}.${name}`, fields))));
    for (const one of this.form.querySelectorAll("[data-none]")) one.hidden = Boolean(table[one.dataset.none]?.length);
    markUsedPins(this.form);
    const entries = [...this.form.querySelectorAll("details[data-entry]")];
    for (const one of entries) one.open = opened.has(one.dataset.identity);
    const added = isFirst ? undefined : entries.find((one) => !before.has(one.dataset.identity) && !one.closest("[data-section=bus]"));
    if (added && before.size < entries.length) {
      for (const one of entries) one.open = one === added;
      added.querySelector("summary").focus();
    } else if (focused) this.field(focused)?.querySelector("input, select")?.focus();
  }

  list(section, entries) {
    const list = this.form.querySelector(`[data-section=${section}]`);
    const seen = new Map();
    for (const one of entries) {
      const count = (seen.get(one.dataset.identity) || 0) + 1;
      seen.set(one.dataset.identity, count);
      if (count > 1) one.dataset.identity += ` ${count}`;
    }
    list.replaceChildren(...entries.map((one) => make("li", {}, one)));
  }

  get env() {
    return { forms: this.forms, table: this.table, set: (...values) => this.set(...values), change: this.onChange };
  }

  /** Set a value of an entry, undefined removes it; `isAnew`: other fields follow from it. */
  set(entry, key, value, isAnew = false) {
    if (value === undefined) delete entry[key];
    else entry[key] = value;
    if (key === "safe_level") entry.pull = value ? "up" : "down";
    if (isAnew || key === "safe_level") this.render(this.table);
    else {
      markUsedPins(this.form);
      this.retitle();
    }
    this.onInput();
  }

  retitle() {
    for (const one of this.form.querySelectorAll("details[data-entry]")) {
      const entry = entryAt(this.table, one.dataset.entry);
      if (entry) one.querySelector("summary").replaceChildren(...this.title(entry, one.dataset.entry));
    }
  }

  renderBoard() {
    const { table, forms, env } = this;
    table.reservoir = table.reservoir || {};
    table.supply = table.supply || {};
    const chips = Object.entries(forms.chips).map(([value, { label }]) => ({ value, label }));
    const name = fieldElement({ key: "name", label: t("Name"), widget: "text", help: t("3 to 32 of a-z, 0-9 and -, a letter first") }, table.board, "board.name", env);
    const chip = fieldElement({ key: "chip", label: t("Development board"), widget: "select", options: chips, help: t("Pins that the other chip lacks are moved.") }, table.board, "board.chip", { ...env, set: (_, key, value) => this.onChange({ op: "chip", name: value }) });
    byId("board-fields").replaceChildren(name, chip, ...forms.board.map((field) => fieldElement(field, table.reservoir, `reservoir.${field.key}`, env)));
    const button = fieldElement({ key: "button", label: t("Button that proves presence at the board (BOOT)"), widget: "check" }, table, "button", { ...env, set: (_, key, isOn) => this.set(table, "button", isOn ? { pin: 0 } : undefined, true) });
    const pin = table.button ? [fieldElement({ key: "pin", label: t("Pin of the button"), widget: "pin", use: "button" }, table.button, "button.pin", env)] : [];
    byId("supply-fields").replaceChildren(...forms.supply.map((field) => fieldElement(field, table.supply, `supply.${field.key}`, env)), button, ...pin);
  }

  /** One entry, folded. */
  entry(section, entry, path, fields = this.forms.parts[entry.part]?.fields || []) {
    const part = this.forms.parts[entry.part];
    const about = part ? [make("p", { className: "small soft", textContent: [part.text, part.fit && t("To fit: {what}", { what: part.fit })].filter(Boolean).join(" ") })] : [];
    const remove = make("button", { type: "button", className: "tight", textContent: t("Remove") });
    remove.addEventListener("click", () => this.remove(path));
    const elements = fields.map((field) => fieldElement(field, entry, `${path}.${field.key}`, this.env)).filter(Boolean);
    const folded = make("details", { className: "part" }, make("summary", {}, ...this.title(entry, path)), ...about, make("div", { className: "fields" }, ...elements), make("div", { className: "row" }, remove));
    folded.dataset.entry = path;
    folded.dataset.identity = `${section} ${entry.part ? entry.name || `${entry.part} ${entry.source}` : path}`;
    return folded;
  }

  title(entry, path) {
    const [name, more] = this.names(entry, path);
    return [make("b", { textContent: name }), " ", make("span", { className: "soft", textContent: more })];
  }

  /** What an entry is, and how it is wired. */
  names(entry, path) {
    const part = this.forms.parts[entry.part];
    const pins = Object.entries(entry).filter(([key]) => key === "pin" || key.endsWith("_pin")).map(([, pin]) => (entry.expander ? `${entry.expander} ${pin}` : `GPIO ${pin}`));
    if (!entry.part) {
      const [kind, name] = path.split(".");
      return [`${this.forms.buses[kind].name} ${name}`, pins.join(", ")];
    }
    const place = entry.bus ? [busText(this.forms, entry)] : pins;
    if (path.startsWith("actuator")) return [this.forms.outputs.find((one) => one.name === entry.name)?.label || entry.name || "", [entry.part, ...place].join(", ")];
    if (!path.startsWith("sensor")) return [entry.part, [entry.name, ...place, ...(entry.bus ? pins : [])].join(", ")];
    const labels = (part?.measures || []).filter((one) => entry.measures.includes(one.value)).map((one) => one.label);
    return [labels.join(", ") || entry.part, [entry.part, entry.source, ...place].filter(Boolean).join(", ")];
  }

  remove(path) {
    const list = path.match(/^(\w+)\[(\d+)\]$/);
    const [kind, name] = path.split(".");
    const next = this.form.querySelector(`[data-entry="${path}"]`).closest("section").querySelector("h2");
    if (list) this.table[list[1]].splice(Number(list[2]), 1);
    else delete this.table[kind][name];
    this.render(this.table);
    next.tabIndex = -1;
    next.focus();
    this.onInput();
  }

  fillParts() {
    const { forms } = this;
    const kinds = { sensor: t("Sensors"), output: t("Outputs"), adc: t("Converters"), expander: t("Expanders") };
    const choices = { sensor: [], output: forms.outputs.map(({ name, label, part }) => ({ label: `${label} (${part})`, part, change: { op: "output", name } })), adc: [], expander: [] };
    for (const [part, about] of Object.entries(forms.parts)) {
      if (about.is_one_of) choices.sensor.push(...about.measures.map(({ label, value }) => ({ label: `${label}: ${part}`, part, change: { op: "sensor", part, name: value } })));
      else if (about.kind === "sensor") choices.sensor.push({ label: `${about.measures.map((one) => one.label).join(", ")}: ${part}`, part, change: { op: "sensor", part } });
      else if (part === "doser") continue; // only those of forms.outputs have limits
      else if (about.kind === "actuator") choices.output.push({ label: t("another output: {part}", { part }), part, change: { op: "output", name: part, part } });
      else choices[about.kind].push({ label: part, part, change: { op: about.kind, part } });
    }
    choices.sensor.sort((a, b) => a.label.localeCompare(b.label));
    this.choices = Object.values(choices).flat();
    const select = byId("part");
    for (const [kind, label] of Object.entries(kinds)) select.append(make("optgroup", { label }, ...choices[kind].map((one) => make("option", { textContent: one.label, value: String(this.choices.indexOf(one)) }))));
    const describe = () => {
      const about = forms.parts[this.choices[Number(select.value)].part];
      const tried = about.tried === "documentation" ? t("Its registers are from its manual; no one has tried it on hardware yet.") : "";
      byId("part-text").textContent = [about.text, t("Data sheet: {name}.", { name: about.datasheet }), tried].filter(Boolean).join(" ");
    };
    select.addEventListener("change", describe);
    describe();
  }

  add() {
    this.onChange(this.choices[Number(byId("part").value)].change);
  }

  /** The element of a key of the file, or of the entry that it is in. */
  field(key) {
    const element = this.form.querySelector(`[data-key="${CSS.escape(key)}"]`);
    return element || this.form.querySelector(`[data-entry="${CSS.escape(key.replace(/^(\w+\[\d+\]|\w+\.\w+).*/, "$1"))}"]`);
  }

  /** Where a key is, in words. */
  place(key) {
    const element = this.field(key);
    const entry = element?.closest("[data-entry]");
    const label = element?.dataset.key ? element.querySelector("span, legend")?.textContent : "";
    const name = entry ? this.names(entryAt(this.table, entry.dataset.entry), entry.dataset.entry)[0] : "";
    const part = entry ? entryAt(this.table, entry.dataset.entry).part || "" : "";
    return [name, part, label].filter((one, index, all) => one && all.indexOf(one) === index).join(", ");
  }

  /** Mark the field of a key as wrong, and no other. */
  markWrong(key, why) {
    for (const one of this.form.querySelectorAll("[aria-invalid]")) one.removeAttribute("aria-invalid");
    for (const one of this.form.querySelectorAll(".outcome")) one.remove();
    const element = key ? this.field(key) : null;
    if (!element) return;
    element.querySelector("input, select")?.setAttribute("aria-invalid", "true");
    const text = make("small", { className: "outcome", textContent: why });
    text.dataset.state = "failed";
    if (element.dataset.entry) element.querySelector("summary").append(text);
    else element.append(text);
  }

  /** Open what a key is in, and go to it. */
  show(key) {
    const element = this.field(key) || byId("part").closest("label");
    for (let one = element; one; one = one.parentElement) if (one.tagName === "DETAILS") one.open = true;
    const target = element.dataset.entry ? element.querySelector("summary") : element.querySelector("input, select");
    target.focus();
    target.scrollIntoView({ block: "center" });
  }
}

function entryAt(table, path) {
  const list = path.match(/^(\w+)\[(\d+)\]$/);
  if (list) return table[list[1]]?.[Number(list[2])];
  const [kind, name] = path.split(".");
  return table[kind]?.[name];
}

function busText(forms, entry) {
  const [kind, name] = entry.bus.split(".");
  const at = entry.address !== undefined ? (kind === "i2c" ? `0x${entry.address.toString(16)}` : String(entry.address)) : entry.channel !== undefined ? `A${entry.channel}` : "";
  return [forms.buses[kind]?.name || t("Converter"), name, at].filter(Boolean).join(" ");
}
