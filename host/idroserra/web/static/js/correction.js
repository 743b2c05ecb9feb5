// The correction of a fresh fill, in large text.

import { setText } from "./dom.js";
import { command, follow } from "./commands.js";
import { valueOf, watchNumbers } from "./number_fields.js";
import { t } from "./i18n.js";
import { nowUnixMs, state } from "./state.js";
import { withDisabled, openConfirm } from "./confirm_dialog.js";
import { fullTime, millilitres, number, plainName, shown } from "./format.js";

const RESULT_SHOWN_MS = 86400e3;
const CORRECTS = ["ph_down", "ph_up", "nutrient_a"];
const EC = "reservoir.ec_us_cm";
// Nutrient that comes after acid lowers pH, and CO2 that leaves raises it after base.
const SHORT_PH = 0.05;
const MARGIN = 1.15; // of the nutrient by the titration, as the terminal adds

const withUnit = (channel, value) => `${shown(channel, value)} ${channel.display.unit}`.trim();

/** The remaining wait until the next step. */
function waitText(untilUnixMs) {
  const seconds = Math.ceil((untilUnixMs - nowUnixMs()) / 1000);
  if (seconds <= 0) return t("The next step may start at any moment.");
  const left = seconds < 90 ? t("{count} s", { count: seconds }) : t("{count} min", { count: Math.ceil(seconds / 60) });
  return t("Next step in {time} at the earliest.", { time: left });
}

export class CorrectionPanel {
  constructor(root, dialog, node) {
    this.root = root;
    this.dialog = dialog;
    this.node = node;
    this.outcome = root.querySelector(".outcome");
    this.parts = Object.fromEntries([...root.querySelectorAll("[data-part]")].map((part) => [part.dataset.part, part]));
    this.form = this.parts.start;
    this.end = root.querySelector(".end");
    watchNumbers(this.form);
    this.isOurs = false; // started in this tab: scrolled into view
    this.isTyped = false; // the target
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.ask();
    });
    this.form.elements.doser.addEventListener("change", () => this.propose());
    this.form.elements.target_ph.addEventListener("input", () => (this.isTyped = true));
    dialog.addEventListener("close", () => dialog.returnValue === "yes" && this.send("correct", this.asked));
    this.end.addEventListener("click", () => this.send("end_correction", {}));
  }

  get args() {
    const { doser, total_ml: total, target_ph: target } = this.form.elements;
    const goal = this.isFeeding ? { target_us_cm: this.values["ec.target_us_cm"] } : { target_milli_ph: Math.round(valueOf(target) * 1000) };
    return { actuator: doser.value, ...goal, volume_ul: Math.round(valueOf(total) * 1000) };
  }

  get isFeeding() {
    return this.form.elements.doser.value === "nutrient_a";
  }

  ask() {
    this.asked = this.args; // others may change the setpoints meanwhile
    const { actuator, target_milli_ph: ph, target_us_cm: ec, volume_ul: volume } = this.asked;
    const words = { volume: millilitres(volume), what: plainName(actuator) };
    this.dialog.querySelector("h2").textContent = this.isFeeding
      ? t("Bring the EC to {ec} with at most {volume} of {what} and as much of B?", { ec: withUnit(this.channels[EC], ec), ...words })
      : t("Bring the pH to {ph} with at most {volume} of {what}?", { ph: number(ph / 1000, 2), ...words });
    openConfirm(this.dialog);
  }

  async send(verb, args) {
    const words = {
      correct: [t("Starting the correction\u2026"), t("Confirmed: the correction has started")],
      end_correction: [t("Ending the correction\u2026"), t("Confirmed: the correction has ended")],
    }[verb];
    const isDone = await withDisabled([this.end, this.form.querySelector("button")], () => follow(this.outcome, ...words, () => command(this.node, verb, args)));
    this.isOurs = isDone && verb === "correct";
  }

  render(node) {
    const dosers = CORRECTS.filter((name) => node.outputs[name] === "doser");
    this.root.hidden = dosers.length === 0 || node.has_button === null;
    if (this.root.hidden) return;
    const { correction } = node;
    const isOpen = Boolean(correction && correction.is_open);
    const hasContact = node.online && state.connection !== "lost";
    this.root.dataset.state = isOpen && hasContact ? correction.state : "";
    if (!isOpen && this.root.hasAttribute("data-open") && this.outcome.dataset.state === "done") {
      setText(this.outcome, "");
    }
    this.root.toggleAttribute("data-open", isOpen);
    if (isOpen && this.isOurs) {
      this.isOurs = false;
      requestAnimationFrame(() => this.root.scrollIntoView({ block: "start" }));
    }
    this.parts.open.hidden = !isOpen;
    this.parts.start.hidden = isOpen || !node.has_button;
    this.parts.hand.hidden = isOpen || node.has_button;
    if (isOpen) this.renderOpen(node, correction, hasContact);
    this.renderResult(isOpen ? null : correction);
    this.values = node.config.values;
    this.channels = node.channels;
    this.offer(dosers);
  }

  renderOpen(node, correction, hasContact) {
    const isReady = correction.state === "ready" && hasContact;
    const [call, then] = ["call", "then"].map((name) => this.parts.open.querySelector(`.${name}`));
    const what = plainName(correction.actuator);
    if (!hasContact) {
      setText(call, t("No contact: check the board"));
      setText(then, t("Last state, {time}: {what}.", { time: fullTime(correction.unix_ms), what: correction.text }));
    } else if (isReady) {
      setText(call, t("Press the button on the board"));
      setText(then, t("This doses {volume} of {what}. Press for one second, then release.", { volume: millilitres(correction.next_ul), what }));
    } else {
      setText(call, `${correction.text}.`);
      setText(then, correction.wait_until_unix_ms ? waitText(correction.wait_until_unix_ms) : "");
    }
    setText(this.root.querySelector(".given"), t("{given} of {total} dosed", { given: millilitres(correction.given_ul), total: millilitres(correction.total_ul) }));
    setText(this.root.querySelector(".ph"), this.readingText(node, correction));
    this.root.querySelector("progress").value = correction.total_ul ? correction.given_ul / correction.total_ul : 0;
  }

  readingText(node, correction) {
    const channel = node.channels[correction.channel];
    if (!channel) return "";
    const isFresh = channel.value !== null && nowUnixMs() - channel.unix_ms <= node.stale_after_ms;
    return `${channel.display.label} ${isFresh ? shown(channel, channel.value) : t("unknown")} \u2192 ${withUnit(channel, correction.target)}`;
  }

  renderResult(correction) {
    const { result } = this.parts;
    result.hidden = !correction || nowUnixMs() - correction.unix_ms > RESULT_SHOWN_MS;
    if (result.hidden) return;
    result.dataset.level = correction.is_reached ? "ok" : "warn";
    setText(result, t("{time}: {reason}; {volume} of {what} dosed.", {
      time: fullTime(correction.unix_ms), reason: correction.reason ? correction.reason.text : "",
      volume: millilitres(correction.given_ul), what: plainName(correction.actuator),
    }));
  }

  /** Offer the dosers, and a target until the user types. */
  offer(dosers) {
    const { doser: select } = this.form.elements;
    if (select.dataset.names !== dosers.join()) {
      select.dataset.names = dosers.join();
      select.replaceChildren(...dosers.map((name) => new Option(plainName(name), name)));
    }
    this.offerTarget();
    this.choose();
  }

  /** Offer the setpoint, or a pH beside it that what comes next moves to it. */
  offerTarget() {
    const { doser, target_ph: input } = this.form.elements;
    const target = this.values["ph.target"];
    const isOffered = !this.isTyped && target !== undefined;
    const isBase = isOffered && doser.value === "ph_up";
    const isAcidFirst = isOffered && doser.value === "ph_down" && this.lacksUsCm() > this.values["ec.deadband_us_cm"];
    this.parts.below.hidden = !isBase;
    this.parts.above.hidden = !isAcidFirst;
    if (!isOffered) return;
    const offered = target - (isBase ? SHORT_PH : 0) + (isAcidFirst ? SHORT_PH : 0);
    input.value = number(Math.min(input.dataset.high, Math.max(input.dataset.low, offered)), 2);
  }

  /** By how much the EC is below its setpoint; not a number if it is unknown. */
  lacksUsCm() {
    const { value } = this.channels[EC] || {};
    return typeof value === "number" ? this.values["ec.target_us_cm"] - value : NaN;
  }

  /** Show the fields of the chosen pump. */
  choose() {
    const isFeeding = this.isFeeding;
    for (const part of this.form.querySelectorAll("[data-for]")) part.hidden = (part.dataset.for === "ec") !== isFeeding;
    this.form.elements.target_ph.disabled = isFeeding;
  }

  /** Propose the target, and the volume of nutrient by the titration. */
  propose() {
    this.offerTarget();
    this.choose();
    const { total_ml: total } = this.form.elements;
    const lacks = this.lacksUsCm();
    if (this.isFeeding && lacks > 0) total.value = number(Math.max(1, (lacks * this.values["ec.ul_per_100_us_cm"] * MARGIN) / 1e5), 1);
  }
}
