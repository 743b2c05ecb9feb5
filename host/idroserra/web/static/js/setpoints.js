// The setpoint form; a change is confirmed when the node reports it.

import { whenReported } from "./config_report.js";
import { request } from "./connection.js";
import { make, setText } from "./dom.js";
import { t } from "./i18n.js";
import { plainNumber, put, valueOf, watchNumbers } from "./number_fields.js";
import { state } from "./state.js";

/** The stored value of an input, or null if invalid. */
function read(input) {
  if (input.type === "checkbox") return input.checked;
  if (input.type === "time") {
    const [hours, minutes] = input.value.split(":").map(Number);
    return Number.isFinite(minutes) ? hours * 60 + minutes : null;
  }
  const typed = valueOf(input);
  if (Number.isNaN(typed)) return null;
  const value = typed / Number(input.dataset.factor);
  return input.dataset.kind === "int" ? Math.round(value) : Number(value.toFixed(4));
}

function timeOfDay(minute) {
  const pad = (part) => String(part).padStart(2, "0");
  return `${pad(Math.floor(minute / 60))}:${pad(minute % 60)}`;
}

function write(input, value) {
  if (input.type === "checkbox") input.checked = value;
  else if (input.type === "time") input.value = timeOfDay(value);
  else put(input, value * Number(input.dataset.factor));
}

/** A stored value as it is shown, with its unit. `field`: an input, or an element with data-value. */
function textOf(field, value) {
  if (value === undefined) return "\u2014";
  const { kind = field.type, factor, decimals, unit } = field.dataset;
  if (typeof value === "boolean") return value ? t("on") : t("off");
  if (kind === "time") return timeOfDay(value);
  return `${plainNumber(value * Number(factor), Number(decimals))} ${unit}`.trim();
}

export class SetpointForm {
  constructor(form, node) {
    this.form = form;
    this.node = node;
    this.outcome = form.querySelector(".outcome");
    this.inputs = [...form.querySelectorAll("[name]")];
    this.shown = [...form.querySelectorAll("[data-value]")]; // instead of inputs, for viewers
    this.list = form.querySelector(".changes");
    this.preview = form.querySelector(".preview-link");
    this.touched = new Set();
    watchNumbers(form);
    form.addEventListener("input", (event) => this.touch(event.target));
    form.addEventListener("reset", (event) => {
      event.preventDefault();
      this.discard();
    });
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.save();
    });
  }

  touch(input) {
    const same = read(input) === this.values[input.name];
    if (same) this.touched.delete(input.name);
    else this.touched.add(input.name);
    this.mark();
  }

  /** True if the node has reported these settings. */
  isKnown(node) {
    return this.inputs.every((input) => input.name in node.config.values);
  }

  discard() {
    this.touched.clear();
    if (!this.busy) this.showOutcome("", "");
    this.render(state.nodes.get(this.node));
  }

  mark() {
    if (!this.list) return;
    for (const input of this.inputs) input.closest("label").classList.toggle("changed", this.touched.has(input.name));
    const idle = this.touched.size === 0;
    for (const button of this.form.querySelectorAll("button")) button.disabled = idle || this.busy;
    this.showChanges();
  }

  /** What changes, from the active value to the new one; and the way to its preview. */
  showChanges() {
    const changed = this.inputs.filter((input) => this.touched.has(input.name) && read(input) !== null);
    const line = (input) => `${input.dataset.label}: ${textOf(input, this.values[input.name])} \u2192 ${textOf(input, read(input))}`;
    this.list.replaceChildren(...changed.map((input) => make("li", { textContent: line(input) })));
    this.preview.hidden = changed.length === 0;
    const query = new URLSearchParams(changed.map((input) => [input.name, JSON.stringify(read(input))]));
    this.preview.href = `/nodes/${encodeURIComponent(this.node)}/crop?${query}#preview`;
  }

  /** Show the active values, except in edited fields. */
  render(node) {
    this.values = { ...node.config.values };
    for (const input of this.inputs) {
      if (!this.touched.has(input.name) && input.name in this.values) write(input, this.values[input.name]);
    }
    for (const field of this.shown) setText(field, textOf(field, this.values[field.dataset.value]));
    this.mark();
  }

  changes() {
    const changes = {};
    for (const input of this.inputs) {
      if (!this.touched.has(input.name)) continue;
      const value = read(input);
      if (value === null) {
        input.reportValidity();
        return null;
      }
      changes[input.name] = value;
    }
    return changes;
  }

  async save() {
    const changes = this.changes();
    if (!changes || Object.keys(changes).length === 0) return;
    const before = this.values;
    this.busy = true;
    this.mark();
    this.showOutcome("pending", t("Waiting for the host\u2026"));
    try {
      const path = `/api/nodes/${encodeURIComponent(this.node)}/config`;
      const { rev } = await request(path, { method: "PUT", body: { values: changes } });
      this.showOutcome("pending", t("Saved on the host; waiting for confirmation by the node\u2026"));
      const error = await whenReported(this.node, rev);
      if (error) this.showOutcome("failed", error);
      else {
        this.forget(changes);
        this.showOutcome("done", t("Confirmed by the node: {changes}.", { changes: this.changesText(before, changes) }));
      }
    } catch (error) {
      this.showOutcome("failed", error.message);
    }
    this.busy = false;
    this.render(state.nodes.get(this.node));
  }

  /** The active values in words, each with the one before. */
  changesText(before, changes) {
    const texts = this.inputs.filter((input) => input.name in changes).map((input) => t("{what} {value} (was {before})", {
      what: input.dataset.label, value: textOf(input, changes[input.name]), before: textOf(input, before[input.name]),
    }));
    return texts.join("; ");
  }

  /** Reset the sent fields to the active values; later edits are kept. */
  forget(changes) {
    for (const input of this.inputs) if (input.name in changes && read(input) === changes[input.name]) this.touched.delete(input.name);
  }

  showOutcome(how, text) {
    this.outcome.dataset.state = how;
    this.outcome.classList.toggle("pulse", how === "pending");
    this.outcome.textContent = text;
  }
}
