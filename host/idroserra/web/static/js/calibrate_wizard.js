// The wizard of one calibration: shows the step for the state of the session.

import { make, setText } from "./dom.js";
import { ENDED, nextReference, pointsText, readingOf, referenceText, resultRows, stepOf, titleOf, stepTexts, KINDS } from "./calibrate_steps.js";
import { parsed, watchNumbers } from "./number_fields.js";
import { t } from "./i18n.js";
import { request } from "./connection.js";
import { LatestResponse } from "./latest_response.js";
import { nowUnixMs } from "./state.js";

const REFERENCES = JSON.parse(document.getElementById("references").textContent);
// The fields of each step.
const FIELDS = { point: { ph: ["reference", "temp_c"], ec: ["reference", "temp_c"], level: ["depth_mm"] }, run: { pump: ["volume_ml"] }, measure: { pump: ["measured_ml"] } };

function show(element, isShown) {
  if (element.hidden === isShown) element.hidden = !isShown;
}

export class Wizard {
  constructor(root, path, confirm, onEnd) {
    this.root = root;
    this.path = path;
    this.confirm = confirm;
    this.onEnd = onEnd;
    this.newest = new LatestResponse(); // of all requests for the state
    this.form = root.querySelector("form");
    watchNumbers(this.form);
    this.form.addEventListener("submit", (event) => event.preventDefault());
    for (const kind of ["input", "change"]) this.form.addEventListener(kind, () => this.render());
    this.reset();
  }

  reset() {
    this.state = null;
    this.ui = {};
    this.step = "";
    this.refusal = "";
    this.isBusy = false;
  }

  get isOpen() {
    return this.state !== null && !ENDED.includes(this.state.state);
  }

  begin(state) {
    this.reset();
    this.take(state);
  }

  /** Show a new state. */
  take(state) {
    if (!this.state || this.state.id !== state.id) this.reset();
    this.state = state;
    this.render();
  }

  async refresh() {
    const { id } = this.state;
    const state = await this.newest.of(request(`${this.path}/${id}`));
    if (state && this.state && this.state.id === id) this.take(state);
  }

  /** Send a request; a refusal stays visible until the next one. */
  async ask(what, body = {}, method = "POST") {
    this.isBusy = true;
    this.refusal = "";
    this.render();
    try {
      this.take(await this.newest.change(request(`${this.path}/${this.state.id}/${what}`, { method, body })));
      return true;
    } catch (error) {
      this.refusal = error.message;
      return false;
    } finally {
      this.isBusy = false;
      this.render();
    }
  }

  async takePoint() {
    const { reference, temp_c: temp, depth_mm: depth, measured_ml: measured } = this.form.elements;
    const numberOf = (input) => (input.value === "" ? null : parsed(input.value));
    const body = {
      ph: () => ({ reference: reference.value, temp_c: numberOf(temp) }),
      ec: () => ({ reference: reference.value, temp_c: numberOf(temp) }),
      level: () => ({ depth_mm: numberOf(depth) }),
      pump: () => ({ measured_ml: numberOf(measured) }),
    }[this.state.kind]();
    if (await this.ask("points", body)) {
      this.ui = {};
      this.form.reset();
      this.offer(); // selects the next reference
      this.render();
    }
  }

  async cancel() {
    const isConfirmed = await this.confirm(t("Cancel this calibration?"), `${t("Nothing is changed.")} ${KINDS[this.state.kind].putBack}`, t("Cancel calibration"));
    if (isConfirmed) await this.ask("cancel");
  }

  change(ui) {
    this.ui = { ...this.ui, ...ui };
    this.refusal = "";
    this.render();
  }

  /** [label, action, is main, is enabled] of each button of a step. */
  acts() {
    const { state } = this;
    const stable = state.reading !== null && state.reading.is_stable;
    const isDry = this.form.elements.reference.value === "dry" && state.kind === "ec";
    const cancel = [t("Cancel calibration\u2026"), () => this.cancel(), false, true];
    const more = state.points.length > 0;
    const drop = [t("Remove last point"), () => this.ask("points/last", {}, "DELETE"), false, true];
    const enough = [t("Show result"), () => this.change({ wantsReview: true, wantsMore: false }), false, true];
    const common = [...(more ? [enough, drop] : []), cancel];
    return {
      hold: () => [cancel],
      factory: () => [[t("Restore factory values"), () => this.ask("factory"), true, true], [t("Skip"), () => this.change({ isKept: true }), false, true], cancel],
      point: () => [[stable || isDry ? t("Take this point") : t("Wait for a stable reading\u2026"), () => this.takePoint(), true, stable || isDry], ...common],
      run: () => [[t("Run the pump"), () => this.ask("runs", { volume_ml: parsed(this.form.elements.volume_ml.value) }), true, true], ...common],
      running: () => [cancel],
      measure: () => [[t("Accept this run"), () => this.takePoint(), true, this.form.elements.measured_ml.value !== ""], ...common],
      review: () => [[t("Apply\u2026"), () => this.change({ isBack: true }), true, Boolean(state.proposal) && !state.proposal.error], [t("Add a point"), () => this.change({ wantsMore: true, wantsReview: false }), false, true], drop, cancel],
      back: () => [[t("Done: apply"), () => this.finish(), true, true], [t("Not yet"), () => this.change({ isBack: false }), false, true], cancel],
      applying: () => [],
      end: () => [[t("Done"), () => this.leave(), true, true]],
    }[this.step]();
  }

  async finish() {
    if (!(await this.ask("finish"))) this.change({ isBack: false });
  }

  leave() {
    this.reset();
    this.onEnd();
  }

  render() {
    if (!this.state) return;
    const before = this.step;
    this.step = stepOf(this.state, this.ui);
    const isNew = before !== this.step || this.shownPoints !== this.state.points.length;
    this.shownPoints = this.state.points.length;
    if (isNew) this.offer();
    setText(this.root.querySelector("h2"), titleOf(this.state));
    const [what, ...more] = stepTexts(this.step, this.state, this.form.elements.reference.value || nextReference(this.state));
    setText(this.root.querySelector(".do"), what);
    setText(this.root.querySelector(".more"), more.filter(Boolean).join(" "));
    this.root.dataset.step = this.step;
    this.renderDots();
    this.renderReading();
    this.renderRefusal();
    this.renderResult();
    this.renderActs();
    setText(this.root.querySelector(".points"), this.step === "end" ? "" : pointsText(this.state));
    this.tick(nowUnixMs());
    if (isNew && before) this.root.querySelector(".do").focus({ preventScroll: true });
    if (isNew && before) this.root.scrollIntoView({ block: "start" });
    if (this.step === "end" && before && before !== "end") this.onEnd();
  }

  /** Show the fields of this step, with the next buffer or standard. */
  offer() {
    const wanted = (FIELDS[this.step] || {})[this.state.kind] || [];
    for (const field of this.form.querySelectorAll("[data-field]")) field.hidden = !wanted.includes(field.dataset.field);
    this.form.hidden = wanted.length === 0;
    const select = this.form.elements.reference;
    const names = REFERENCES[this.state.kind] || [];
    const words = (name) => (name === "dry" ? referenceText(name) : this.state.kind === "ph" ? `pH ${referenceText(name)}` : `${name} \u00b5S/cm`);
    select.replaceChildren(...names.map((name) => new Option(words(name), name)));
    if (names.length) select.value = nextReference(this.state);
  }

  renderDots() {
    const steps = [...KINDS[this.state.kind].wanted.map(referenceText), t("result")];
    const at = ["review", "back", "applying", "end"].includes(this.step) ? steps.length - 1 : Math.min(this.state.points.length, steps.length - 2);
    const dots = this.root.querySelector(".dots");
    const key = `${this.state.kind} ${at} ${this.step === "end"}`;
    if (dots.dataset.key === key) return;
    dots.dataset.key = key;
    dots.replaceChildren(...steps.map((text, index) => {
      const dot = make("li", { textContent: text });
      if (index < at || this.step === "end") dot.dataset.done = "";
      if (index === at) dot.setAttribute("aria-current", "step");
      return dot;
    }));
  }

  renderReading() {
    const live = this.root.querySelector(".live");
    show(live, this.step === "point");
    if (live.hidden) return;
    const { reading } = this.state;
    const [value, unit] = readingOf(this.state);
    setText(live.querySelector("b"), value);
    setText(live.querySelector(".value span"), unit);
    live.querySelector("progress").value = reading ? reading.progress : 0;
    setText(live.querySelector(".settle"), reading && reading.value !== null ? reading.settling.text : "");
    live.dataset.state = !reading || reading.value === null ? "none" : reading.is_stable ? "stable" : "moves";
  }

  renderRefusal() {
    const { run, proposal } = this.state;
    const ofRun = this.step === "run" && run && run.state === "refused" && run.reason ? run.reason.text : "";
    const ofResult = this.step === "review" && proposal && proposal.error ? proposal.error.text : "";
    const text = this.refusal || ofRun || ofResult;
    const root = this.root.querySelector(".refusal");
    show(root, Boolean(text));
    setText(root, text ? t("Refused: {reason}", { reason: text }) : "");
  }

  renderResult() {
    const root = this.root.querySelector(".result");
    const { proposal } = this.state;
    show(root, ["review", "end"].includes(this.step) && Boolean(proposal && !proposal.error && !["cancelled", "expired"].includes(this.state.state)));
    if (root.hidden) return;
    const text = JSON.stringify(proposal);
    if (root.dataset.text === text) return;
    root.dataset.text = text;
    root.querySelector("tbody").replaceChildren(...resultRows(proposal.results).map(([label, old, now]) => {
      const row = document.createElement("tr");
      row.append(make("th", { scope: "row", textContent: label }), ...[old, now].map((one) => make("td", { textContent: one })));
      return row;
    }));
    setText(root.querySelector(".health"), proposal.health === null ? "" : t("Probe health: {health} of 100", { health: proposal.health }));
    root.querySelector(".notes").replaceChildren(...proposal.notes.map((note) => make("li", { textContent: note.text })));
  }

  renderActs() {
    const acts = this.acts();
    const root = this.root.querySelector(".acts");
    const key = `${this.step} ${this.state.points.length} ${acts.length}`;
    if (root.dataset.key !== key) {
      root.dataset.key = key;
      root.replaceChildren(...acts.map(([, , isMain]) => make("button", { type: "button", className: isMain ? "main big" : "big" })));
    }
    acts.forEach(([words, work, , isReady], index) => {
      const button = root.children[index];
      setText(button, words);
      button.onclick = work;
      button.disabled = this.isBusy || !isReady;
    });
  }

  /** Update the remaining time of the hold. */
  tick(unixMs) {
    if (!this.state) return;
    const { hold } = this.state;
    const chip = this.root.querySelector(".held");
    const leftMs = (hold.until_unix_ms || 0) - unixMs;
    show(chip, this.isOpen && hold.is_held && leftMs > 0);
    chip.dataset.level = "note";
    setText(chip, t("Dosing held, {minutes} min left", { minutes: Math.ceil(leftMs / 60_000) }));
    chip.title = t("Extended while this page is open.");
  }
}
