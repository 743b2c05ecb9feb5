// The setpoints: ranges come from the contract, and "saved" means the node reported them.

import { put, valueOf, watchNumbers } from "./fields.js";
import { t } from "./i18n.js";
import { listen, state } from "./state.js";
import { request } from "./link.js";

const WAIT_MS = 15_000;

/** Stored value of one input, or null where it is not valid. */
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

  /** Show what is in force; a field somebody is editing is left alone. */
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
    this.say("pending", t("Asking the host\u2026"));
    try {
      const path = `/api/nodes/${encodeURIComponent(this.node)}/config`;
      const { rev } = await request(path, { method: "PUT", body: { values: changes } });
      this.say("pending", t("Saved at the host; waiting for the node to confirm\u2026"));
      const error = await this.confirmed(rev);
      if (error) this.say("failed", error);
      else {
        this.forget(changes);
        this.say("done", t("Confirmed: revision {rev} is in force.", { rev }));
      }
    } catch (error) {
      this.say("failed", error.message);
    }
    this.busy = false;
    this.render(state.nodes.get(this.node));
  }

  /** Fields as they were sent show what is in force again; what was typed since stays. */
  forget(changes) {
    for (const input of this.inputs) if (input.name in changes && read(input) === changes[input.name]) this.touched.delete(input.name);
  }

  say(look, text) {
    this.outcome.dataset.state = look;
    this.outcome.classList.toggle("pulse", look === "pending");
    this.outcome.textContent = text;
  }

  /** Resolves with null once the node reports `rev`, else with what is wrong. */
  confirmed(rev) {
    return new Promise((resolve) => {
      const end = (error) => {
        clearTimeout(timer);
        unlisten();
        resolve(error);
      };
      const look = () => {
        const { reported_rev: reported = null, error } = state.nodes.get(this.node)?.config || {};
        if (reported < rev || reported === null) return;
        end(error ? t("Refused by the node: {reason}", { reason: error }) : null);
      };
      const timer = setTimeout(() => end(t("Not confirmed yet: the node will get it as soon as it is back.")), WAIT_MS);
      const unlisten = listen(look);
      look();
    });
  }
}
