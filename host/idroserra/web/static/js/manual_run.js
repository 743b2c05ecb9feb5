// The form to run a switch or dimmer by hand for a limited time.

import { command, follow } from "./commands.js";
import { t } from "./i18n.js";
import { valueOf, watchNumbers } from "./number_fields.js";
import { withDisabled, openConfirm } from "./confirm_dialog.js";
import { number, plainName } from "./format.js";

function wordsOf({ actuator, for_ms: ms, duty_pct: duty = 0 }) {
  const minutes = ms / 60_000;
  return { what: plainName(actuator), minutes: number(minutes, minutes % 1 ? 1 : 0), level: number(duty, 0) };
}

export class RunForm {
  constructor(form, dialog, node) {
    this.form = form;
    this.dialog = dialog;
    this.node = node;
    this.outcome = form.querySelector(".outcome");
    this.level = form.elements.duty_pct.closest("label");
    watchNumbers(form);
    form.elements.actuator.addEventListener("change", () => this.renderLevel());
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.ask();
    });
    dialog.addEventListener("close", () => dialog.returnValue === "yes" && this.send());
  }

  render(node) {
    const select = this.form.elements.actuator;
    this.kinds = node.outputs;
    const names = Object.keys(node.outputs).filter((name) => node.outputs[name] !== "doser");
    if (select.dataset.names === names.join()) return;
    select.dataset.names = names.join();
    select.replaceChildren(...names.map((name) => new Option(plainName(name), name)));
    this.form.closest(".card").hidden = names.length === 0;
    this.renderLevel();
  }

  get isDimmer() {
    return this.kinds[this.form.elements.actuator.value] === "dimmer";
  }

  /** Show the level for a dimmer only. */
  renderLevel() {
    this.level.hidden = !this.isDimmer;
    this.form.elements.duty_pct.disabled = !this.isDimmer;
  }

  get args() {
    const { actuator, minutes, duty_pct: duty } = this.form.elements;
    const args = { actuator: actuator.value, for_ms: Math.round(valueOf(minutes) * 60_000) };
    return this.isDimmer ? { ...args, duty_pct: Math.round(valueOf(duty)) } : args;
  }

  ask() {
    this.asked = this.args; // the outputs may change meanwhile
    const words = wordsOf(this.asked);
    const question = "duty_pct" in this.asked ? t("Run {what} at {level} % for {minutes} min?", words) : t("Run {what} for {minutes} min?", words);
    this.dialog.querySelector("h2").textContent = question;
    openConfirm(this.dialog);
  }

  async send() {
    const words = wordsOf(this.asked);
    const texts = [t("Starting {what}\u2026", words), t("Confirmed: {what} runs for {minutes} min", words)];
    await withDisabled([this.form.querySelector("button")], () => follow(this.outcome, ...texts, () => command(this.node, "run", this.asked)));
  }
}
