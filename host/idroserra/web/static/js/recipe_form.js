// The form of an own recipe: its stages in the reader's units; an empty setting changes nothing.

import { showOutcome } from "./dom.js";
import { t } from "./i18n.js";
import { request } from "./connection.js";
import { withDisabled } from "./confirm_dialog.js";
import { valueOf, watchNumbers } from "./number_fields.js";
import { stageRows } from "./recipe_diff.js";
import { drawTimeline } from "./recipe_timeline.js";
import { entryOf, storedOf } from "./setting_value.js";

const HEAD = ["name", "crop", "text"];
const PARTS = ["name", "text", "source"];
const COUNTS = ["days", "ramp_days"];

/** The field of an input, for setting_value.js. */
const fieldOf = ({ dataset }) => ({ ...dataset, low: dataset.least, high: dataset.most });

/** Write the stored value of a setting into its input; undefined empties it. */
function write(input, value) {
  input.value = value === undefined ? "" : entryOf(fieldOf(input), value);
}

/** The stored value of an input; undefined if empty, null if invalid. */
function read(input) {
  if (input.value.trim() === "") return input.validity.badInput ? null : undefined;
  return storedOf(fieldOf(input), input.value);
}

export class RecipeForm {
  /** `template`: of one stage; `recipe`: of the host. */
  constructor(form, template, recipe) {
    this.form = form;
    this.template = template;
    this.list = form.querySelector(".stages");
    this.outcome = form.querySelector(".outcome");
    form.querySelector(".add").addEventListener("click", () => this.add());
    form.addEventListener("input", (event) => {
      event.target.removeAttribute("aria-invalid");
      this.follow();
    });
    form.addEventListener("reset", (event) => {
      event.preventDefault();
      this.show(this.recipe);
    });
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.save();
    });
    this.show(recipe);
  }

  show(recipe) {
    this.recipe = recipe;
    const { elements } = this.form;
    for (const name of HEAD) elements[name].value = recipe[name];
    elements.ppfd_umol_m2_s.value = String(recipe.ppfd_umol_m2_s);
    elements.sources.value = recipe.sources.join("\n");
    this.list.replaceChildren(...recipe.stages.map((stage) => this.stageOf(stage)));
    watchNumbers(this.form);
    this.follow();
  }

  /** The fields of a stage. */
  stageOf(stage) {
    const item = this.template.content.firstElementChild.cloneNode(true);
    for (const part of [...PARTS, ...COUNTS]) item.querySelector(`[data-part=${part}]`).value = String(stage[part]);
    for (const input of item.querySelectorAll("[data-key]")) write(input, stage.own_settings[input.dataset.key]);
    item.querySelector(".up").addEventListener("click", () => this.move(item, item.previousElementSibling));
    item.querySelector(".down").addEventListener("click", () => this.move(item.nextElementSibling, item));
    item.querySelector(".remove").addEventListener("click", () => this.remove(item));
    return item;
  }

  /** Put a stage before another; what each has set stays with it. */
  move(item, before) {
    this.list.insertBefore(item, before);
    this.follow();
  }

  remove(item) {
    const next = item.nextElementSibling || item.previousElementSibling;
    item.remove();
    this.follow();
    next?.querySelector("input").focus();
  }

  add() {
    const item = this.stageOf({ name: "", text: "", source: "", days: 7, ramp_days: 1, own_settings: {} });
    this.list.append(item);
    watchNumbers(item);
    this.follow();
    item.querySelector("input").focus();
  }

  get items() {
    return [...this.list.children];
  }

  /** Number the stages, and say what an empty field means: the value of the stage before. */
  follow() {
    const { items } = this;
    const active = new Map(); // setting: the text of its field in the last stage that set it
    const first = new Set(items.length ? settings(items[0]).filter((input) => input.value).map((input) => input.dataset.key) : []);
    items.forEach((item, index) => {
      const name = item.querySelector("[data-part=name]").value;
      item.querySelector("h3").textContent = t("Stage {number}: {name}", { number: index + 1, name });
      item.querySelector(".up").disabled = index === 0;
      item.querySelector(".down").disabled = index === items.length - 1;
      item.querySelector(".remove").disabled = items.length === 1;
      for (const input of settings(item)) {
        const { key } = input.dataset;
        const isFree = index === 0 || first.has(key) || input.value !== "";
        input.disabled = !isFree;
        input.closest("label").querySelector(".as").textContent = input.value ? "" : `${meaning(index, isFree, active.get(key))} `;
        if (input.value) active.set(key, input.value);
      }
    });
  }

  /** The recipe as the form has it, or null after marking the first wrong field. */
  draft() {
    const { elements } = this.form;
    const wrong = [...this.form.querySelectorAll("input, textarea")].find((input) => !input.disabled && !isValid(input));
    if (wrong) {
      this.refuse(wrong, `${this.placeOf(wrong)}: ${wrongText(wrong)}`);
      return null;
    }
    return {
      ...Object.fromEntries(HEAD.map((name) => [name, elements[name].value])),
      ppfd_umol_m2_s: valueOf(elements.ppfd_umol_m2_s),
      sources: elements.sources.value.split("\n").map((line) => line.trim()).filter(Boolean),
      stages: this.items.map(stageDraft),
    };
  }

  async save() {
    const recipe = this.draft();
    if (!recipe) return;
    const path = `/api/recipes/${encodeURIComponent(this.recipe.name)}`;
    try {
      const asking = () => request(path, { method: "PUT", body: { recipe, digest: this.recipe.digest } });
      const saved = await withDisabled(this.form.querySelectorAll("button"), asking);
      if (saved.name !== this.recipe.name) location.assign(`/recipes/${encodeURIComponent(saved.name)}`);
      else this.saved(saved);
    } catch (error) {
      this.refuse(this.inputOf(error.field || ""), error.message);
    }
  }

  saved(recipe) {
    this.show(recipe);
    drawTimeline(document.querySelector("ol.timeline"), recipe.timeline);
    const table = this.form.querySelector(".changes");
    const rows = stageRows(recipe.changes);
    table.tBodies[0].replaceChildren(...rows);
    table.hidden = rows.length === 0;
    showOutcome(this.outcome, "done", rows.length ? t("Saved. What changed:") : t("Saved. No setpoint changed."));
  }

  /** The field that an error of the host names, or null. */
  inputOf(field) {
    const [, index, key] = field.match(/^stage\[(\d+)\]\.(?:settings\.)?(.+)$/) || [];
    if (index === undefined) return this.form.elements[field.replace("recipe.", "").replace(/^source$/, "sources")] || null;
    return this.items[index]?.querySelector(`[data-key="${key}"], [data-part="${key}"]`) || null;
  }

  /** The name of a field, with its stage if it has one. */
  placeOf(input) {
    const field = input.dataset.label || input.closest("label").firstElementChild.textContent;
    const item = input.closest("li");
    return item ? t("Stage {number}, {field}", { number: this.items.indexOf(item) + 1, field }) : field;
  }

  /** Show an error, and go to its field if it has one. */
  refuse(input, text) {
    this.form.querySelector(".changes").hidden = true;
    showOutcome(this.outcome, "failed", text);
    if (!input) return;
    input.setAttribute("aria-invalid", "true");
    const more = input.closest("details");
    if (more) more.open = true;
    input.focus();
  }
}

const settings = (item) => [...item.querySelectorAll("[data-key]")];

function isValid(input) {
  if (input.dataset.key) return read(input) !== null;
  if (input.dataset.low) return !Number.isNaN(valueOf(input));
  return !input.required || input.value.trim() !== "";
}

function wrongText(input) {
  if (input.dataset.key) return t("enter {bounds}", { bounds: input.dataset.bounds });
  return input.value.trim() ? input.validationMessage : t("must not be empty");
}

function meaning(index, isFree, before) {
  if (!isFree) return t("Set it in stage 1 first.");
  if (index === 0) return t("Empty: not part of the recipe.");
  return before === undefined ? "" : t("Empty: {value} as before.", { value: before });
}

function stageDraft(item) {
  const value = (part) => item.querySelector(`[data-part=${part}]`).value;
  const found = settings(item).map((input) => [input.dataset.key, input.disabled ? undefined : read(input)]);
  return {
    ...Object.fromEntries(PARTS.map((part) => [part, value(part)])),
    ...Object.fromEntries(COUNTS.map((part) => [part, Math.round(valueOf(item.querySelector(`[data-part=${part}]`)))])),
    settings: Object.fromEntries(found.filter(([, stored]) => stored !== undefined)),
  };
}
