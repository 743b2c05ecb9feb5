// The setpoint form; a change is confirmed when the node reports it.

import { whenReported } from "./config_report.js";
import { put, valueOf, watchNumbers } from "./number_fields.js";
import { t } from "./i18n.js";
import { state } from "./state.js";
import { request } from "./connection.js";

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

function write(input, value) {
  if (input.type === "checkbox") input.checked = value;
  else if (input.type === "time") {
    const pad = (part) => String(part).padStart(2, "0");
    input.value = `${pad(Math.floor(value / 60))}:${pad(value % 60)}`;
  } else put(input, value * Number(input.dataset.factor));
}

export class SetpointForm {
  constructor(form, node) {
    this.form = form;
    this.node = node;
    this.outcome = form.querySelector(".outcome");
    this.inputs = [...form.querySelectorAll("[name]")];
    this.touched = new Set();
    watchNumbers(form);
    form.addEventListener("input", (event) => this.touch(event.target));
    form.addEventListener("reset", (event) => {
      event.preventDefault();
      this.touched.clear();
      this.render(state.nodes.get(this.node));
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

  mark() {
    for (const input of this.inputs) input.closest("label").classList.toggle("changed", this.touched.has(input.name));
    const idle = this.touched.size === 0;
    for (const button of this.form.querySelectorAll("button")) button.disabled = idle || this.busy;
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
        this.showOutcome("done", t("Confirmed: revision {rev} is active.", { rev }));
      }
    } catch (error) {
      this.showOutcome("failed", error.message);
    }
    this.busy = false;
    this.render(state.nodes.get(this.node));
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
