// The settings of a node in human units: search, changes, their confirmation, and what is in force.

import { whenReported } from "./config_report.js";
import { openConfirm, withDisabled } from "./confirm_dialog.js";
import { request } from "./connection.js";
import { make, setText, showOutcome } from "./dom.js";
import { t, tn } from "./i18n.js";
import { watchNumbers } from "./number_fields.js";
import { entryOf, settingText, storedOf } from "./setting_value.js";
import { state } from "./state.js";

/** One setting: its row and its input, if the user may change it. */
class Setting {
  constructor(root) {
    this.root = root;
    this.field = root.dataset;
    this.input = root.querySelector("[name]");
    this.toDefault = root.querySelector(".to-default");
    this.owner = root.querySelector(".owner");
    this.words = [this.field.label, this.field.key, root.querySelector(".help").textContent,
      root.parentElement.querySelector("summary").firstChild.textContent].join(" ").toLowerCase();
  }

  get entry() {
    return this.input.type === "checkbox" ? this.input.checked : this.input.value;
  }

  /** The stored value of the entry, or null if invalid. */
  get value() {
    return this.isEdited ? storedOf(this.field, this.entry) : this.reported;
  }

  get isEdited() {
    return Boolean(this.input) && this.reported !== undefined && this.entry !== entryOf(this.field, this.reported);
  }

  write(value) {
    const entry = entryOf(this.field, value);
    if (this.input.type === "checkbox") this.input.checked = entry;
    else this.input.value = entry;
    this.input.dispatchEvent(new Event("input", { bubbles: true }));
  }

  /** Show the active value, unless the field is edited. */
  render(value) {
    const wasEdited = this.isEdited;
    this.reported = value;
    if (this.input) this.input.disabled = value === undefined;
    const shown = this.root.querySelector("[data-value]");
    if (shown) setText(shown, settingText(this.field, value));
    else if (value !== undefined && !wasEdited && this.isEdited) this.write(value);
  }

  renderOwner(recipe) {
    if (!this.owner) return;
    this.owner.hidden = !recipe;
    if (recipe) setText(this.owner, t("Set by the recipe {recipe}: a change lasts until the recipe changes it.", { recipe }));
  }

  mark() {
    this.root.classList.toggle("changed", this.isEdited);
    if (!this.input) return;
    const state = this.root.querySelector("[data-state]");
    if (state) setText(state, this.input.checked ? t("on") : t("off"));
    this.toDefault.hidden = this.entry === entryOf(this.field, JSON.parse(this.field.default));
  }

  text(value) {
    return settingText(this.field, value);
  }
}

/** The active values in words, each with the one before. */
function confirmedText(changed, before) {
  const text = (one, index) => t("{what} {value} (was {before})", { what: one.field.label, value: one.text(one.reported), before: before[index] });
  return changed.map(text).join("; ");
}

export class SettingForm {
  constructor(root, node) {
    this.root = root;
    this.node = node;
    this.form = root.querySelector("form");
    this.dialog = root.querySelector("dialog");
    this.outcome = root.querySelector(".outcome");
    this.bar = root.querySelector(".save-bar");
    this.settings = [...root.querySelectorAll(".setting")].map((row) => new Setting(row));
    this.groups = [...root.querySelectorAll("[data-group]")];
    this.search = root.querySelector("[type=search]");
    this.absentToo = root.querySelector("[data-absent-too]");
    watchNumbers(this.form);
    this.search.addEventListener("input", () => this.filter());
    if (this.absentToo) this.absentToo.addEventListener("change", () => this.filter());
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.ask();
    });
    if (this.dialog) this.wireChanges();
  }

  wireChanges() {
    this.form.addEventListener("input", (event) => {
      if (event.isTrusted) showOutcome(this.outcome, "", "");
      this.mark();
    });
    this.form.addEventListener("reset", (event) => {
      event.preventDefault();
      for (const one of this.changed) one.write(one.reported);
    });
    for (const one of this.settings) {
      if (one.toDefault) one.toDefault.addEventListener("click", () => one.write(JSON.parse(one.field.default)));
    }
    this.dialog.addEventListener("close", () => this.dialog.returnValue === "yes" && this.save());
  }

  get changed() {
    return this.settings.filter((one) => one.isEdited);
  }

  render(node) {
    const run = node.recipe?.state === "running" ? node.recipe : null;
    const owned = new Set(run ? run.setpoints.flatMap((line) => line.keys) : []);
    for (const one of this.settings) {
      one.render(node.config.values[one.field.key]);
      one.renderOwner(owned.has(one.field.key) ? run.recipe : "");
    }
    this.mark();
  }

  mark() {
    for (const one of this.settings) one.mark();
    for (const group of this.groups) {
      const count = group.querySelectorAll(".changed").length;
      const chip = group.querySelector("[data-changed]");
      chip.hidden = count === 0;
      setText(chip, tn("1 change", "{count} changes", count));
    }
    if (!this.bar) return;
    const count = this.changed.length;
    this.bar.querySelector(".row").hidden = count === 0;
    this.bar.hidden = count === 0 && !this.outcome.textContent;
    setText(this.bar.querySelector("b"), tn("1 change", "{count} changes", count));
    const valid = this.changed.filter((one) => one.value !== null);
    const query = new URLSearchParams(valid.map((one) => [one.field.key, JSON.stringify(one.value)]));
    this.bar.querySelector(".preview-link").href = `/nodes/${encodeURIComponent(this.node)}/crop?${query}#preview`;
  }

  /** Show the settings that contain every word of the search. */
  filter() {
    const words = this.search.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const one of this.settings) {
      const isKnown = this.absentToo?.checked || !("absent" in one.field);
      one.root.hidden = !isKnown || !words.every((word) => one.words.includes(word));
    }
    for (const group of this.groups) {
      group.hidden = !group.querySelector(".setting:not([hidden])");
      if (words.length) group.open = true;
    }
    this.root.querySelector(".none").hidden = this.groups.some((group) => !group.hidden);
  }

  /** Ask for confirmation of each change, in words and numbers. */
  ask() {
    const changed = this.changed;
    const wrong = changed.find((one) => one.value === null || !one.input.checkValidity());
    if (wrong) return this.point(wrong);
    if (!changed.length) return;
    setText(this.dialog.querySelector("h2"), tn("Save 1 change of {node}?", "Save {count} changes of {node}?", changed.length, { node: this.node }));
    this.dialog.querySelector(".changes").replaceChildren(...changed.map((one) => make("li", {}, make("b", {}, make("small", { textContent: one.field.label }),
      `${one.text(one.reported)} \u2192 ${one.text(one.value)}`))));
    this.asked = new Map(changed.map((one) => [one, one.value]));
    openConfirm(this.dialog);
  }

  async save() {
    const changed = [...this.asked.keys()];
    const before = changed.map((one) => one.text(one.reported));
    showOutcome(this.outcome, "pending", t("Waiting for the host\u2026"));
    const error = await withDisabled(this.form.elements, () => this.send());
    this.render(state.nodes.get(this.node));
    if (error) this.refuse(error);
    else showOutcome(this.outcome, "done", t("Confirmed by the node: {changes}.", { changes: confirmedText(changed, before) }));
    this.mark();
  }

  /** Send the confirmed changes; resolves with null once the node reports them, else with the error. */
  async send() {
    const values = Object.fromEntries([...this.asked].map(([one, value]) => [one.field.key, value]));
    try {
      const path = `/api/nodes/${encodeURIComponent(this.node)}/config`;
      const { rev } = await request(path, { method: "PUT", body: { values } });
      showOutcome(this.outcome, "pending", t("Saved on the host; waiting for confirmation by the node\u2026"));
      return await whenReported(this.node, rev);
    } catch (error) {
      return error.message;
    }
  }

  /** Show a refusal with the labels of its settings, and point at the first of them. */
  refuse(message) {
    const keys = new Map(this.settings.map((one) => [one.field.key, one]));
    const named = [...message.matchAll(/[a-z]+\.[a-z0-9_]+/g)].map(([key]) => keys.get(key)).filter(Boolean);
    showOutcome(this.outcome, "failed", message.replace(/[a-z]+\.[a-z0-9_]+/g, (key) => keys.get(key)?.field.label ?? key));
    const first = named.find((one) => one.input);
    if (first) this.point(first);
  }

  point(setting) {
    setting.root.parentElement.open = true;
    setting.input.focus();
    setting.input.reportValidity();
  }
}
