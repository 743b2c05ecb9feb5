// The setpoint form; a change is confirmed when the node reports it.

import { whenReported } from "./config_report.js";
import { request } from "./connection.js";
import { make } from "./dom.js";
import { t } from "./i18n.js";
import { watchNumbers } from "./number_fields.js";
import { entryOf, settingText, storedOf } from "./setting_value.js";
import { state } from "./state.js";

const fieldOf = (input) => input.closest("[data-key]").dataset;
const read = (input) => storedOf(fieldOf(input), input.value);
const textOf = (input, value) => settingText(fieldOf(input), value);

function write(input, value) {
  input.value = entryOf(fieldOf(input), value);
  input.dispatchEvent(new Event("input")); // validates it
}

export class SetpointForm {
  constructor(form, node) {
    this.form = form;
    this.node = node;
    this.outcome = form.querySelector(".outcome");
    this.inputs = [...form.querySelectorAll("[name]")];
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
    const same = input.value === entryOf(fieldOf(input), this.values[input.name]);
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
    for (const input of this.inputs) input.closest("label").classList.toggle("changed", this.touched.has(input.name));
    const idle = this.touched.size === 0;
    for (const button of this.form.querySelectorAll("button")) button.disabled = idle || this.busy;
    this.showChanges();
  }

  /** What changes, from the active value to the new one; and the way to its preview. */
  showChanges() {
    const changed = this.inputs.filter((input) => this.touched.has(input.name) && read(input) !== null);
    const line = (input) => `${fieldOf(input).label}: ${textOf(input, this.values[input.name])} \u2192 ${textOf(input, read(input))}`;
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
      what: fieldOf(input).label, value: textOf(input, changes[input.name]), before: textOf(input, before[input.name]),
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
