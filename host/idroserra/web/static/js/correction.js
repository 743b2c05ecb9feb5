// The correction of a fresh fill: what the node says of it, in letters one reads across a tank.

import { command, follow } from "./commands.js";
import { valueOf, watchNumbers } from "./fields.js";
import { t } from "./i18n.js";
import { nowUnixMs, state } from "./state.js";
import { alone, openSure } from "./sure.js";
import { fullTime, millilitres, number, plainName } from "./words.js";

const RESULT_SHOWN_MS = 86400e3;
const CORRECTS = ["ph_down", "ph_up"];

/** What a node that only advises would give; nothing is shown where it gives no advice. */
export function renderAdvice(root, advice) {
  root.hidden = advice.length === 0;
  const list = root.querySelector("ul");
  if (list.dataset.text === advice.join("\n")) return;
  list.dataset.text = advice.join("\n");
  list.replaceChildren(...advice.map((text) => Object.assign(document.createElement("li"), { textContent: text })));
}

function put(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** "in 9 min", counted down from what the node said. */
function waitText(untilUnixMs) {
  const seconds = Math.ceil((untilUnixMs - nowUnixMs()) / 1000);
  if (seconds <= 0) return t("The next step may come any moment.");
  const left = seconds < 90 ? t("{count} s", { count: seconds }) : t("{count} min", { count: Math.ceil(seconds / 60) });
  return t("The next step in {time} at the earliest.", { time: left });
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
    this.isOurs = false; // opened in this tab: it is brought into view where the layout moves it
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.ask();
    });
    this.form.elements.doser.addEventListener("change", () => this.prefill(true));
    dialog.addEventListener("close", () => dialog.returnValue === "yes" && this.send("correct", this.args));
    this.end.addEventListener("click", () => this.send("end_correction", {}));
  }

  get args() {
    const { doser, total_ml: total, target_ph: target } = this.form.elements;
    return {
      actuator: doser.value,
      target_milli_ph: Math.round(valueOf(target) * 1000),
      volume_ul: Math.round(valueOf(total) * 1000),
    };
  }

  ask() {
    const { actuator, target_milli_ph: target, volume_ul: volume } = this.args;
    this.dialog.querySelector("h2").textContent =
      t("Bring the pH to {ph} with at most {volume} of {what}?", { ph: number(target / 1000, 2), volume: millilitres(volume), what: plainName(actuator) });
    openSure(this.dialog);
  }

  async send(verb, args) {
    const words = {
      correct: [t("Asking the node to open the correction\u2026"), t("Confirmed: the correction is open")],
      end_correction: [t("Asking the node to end the correction\u2026"), t("Confirmed: the correction is over")],
    }[verb];
    const isDone = await alone([this.end, this.form.querySelector("button")], () => follow(this.outcome, ...words, () => command(this.node, verb, args)));
    this.isOurs = isDone && verb === "correct";
  }

  render(node) {
    const dosers = CORRECTS.filter((name) => node.outputs[name] === "doser");
    this.root.hidden = dosers.length === 0 || node.has_button === null;
    if (this.root.hidden) return;
    const { correction } = node;
    const isOpen = Boolean(correction && correction.is_open);
    const isHeard = node.online && state.link !== "lost";
    this.root.dataset.state = isOpen && isHeard ? correction.state : "";
    if (!isOpen && this.root.hasAttribute("data-open") && this.outcome.dataset.state === "done") {
      put(this.outcome, ""); // "is open" is no longer so
    }
    this.root.toggleAttribute("data-open", isOpen);
    if (isOpen && this.isOurs) {
      this.isOurs = false;
      requestAnimationFrame(() => this.root.scrollIntoView({ block: "start" }));
    }
    this.parts.open.hidden = !isOpen;
    this.parts.start.hidden = isOpen || !node.has_button;
    this.parts.hand.hidden = isOpen || node.has_button;
    if (isOpen) this.renderOpen(node, correction, isHeard);
    this.renderResult(isOpen ? null : correction);
    this.offer(dosers, node.config.values);
  }

  renderOpen(node, correction, isHeard) {
    const isReady = correction.state === "ready" && isHeard;
    const [call, then] = ["call", "then"].map((name) => this.parts.open.querySelector(`.${name}`));
    const what = plainName(correction.actuator);
    if (!isHeard) {
      put(call, t("No contact: look at the board"));
      put(then, t("When last heard, {time}: {what}.", { time: fullTime(correction.unix_ms), what: correction.text }));
    } else if (isReady) {
      put(call, t("Press the button on the board"));
      put(then, t("It gives {volume} of {what}. Hold it for a second, then let go.", { volume: millilitres(correction.next_ul), what }));
    } else {
      put(call, `${correction.text}.`);
      put(then, correction.wait_until_unix_ms ? waitText(correction.wait_until_unix_ms) : "");
    }
    put(this.root.querySelector(".given"), t("{given} of {total} given", { given: millilitres(correction.given_ul), total: millilitres(correction.total_ul) }));
    put(this.root.querySelector(".ph"), this.phText(node, correction));
    this.root.querySelector("progress").value = correction.total_ul ? correction.given_ul / correction.total_ul : 0;
  }

  phText(node, correction) {
    const channel = node.channels["reservoir.ph"];
    const isFresh = channel && channel.value !== null && nowUnixMs() - channel.unix_ms <= node.stale_after_ms;
    return `pH ${isFresh ? number(channel.value, 2) : t("not known")} \u2192 ${number(correction.target_ph, 2)}`;
  }

  renderResult(correction) {
    const { result } = this.parts;
    result.hidden = !correction || nowUnixMs() - correction.unix_ms > RESULT_SHOWN_MS;
    if (result.hidden) return;
    result.dataset.level = correction.is_reached ? "ok" : "warn";
    put(result, t("{time}: {reason}; {volume} of {what} given.", {
      time: fullTime(correction.unix_ms), reason: correction.reason,
      volume: millilitres(correction.given_ul), what: plainName(correction.actuator),
    }));
  }

  /** The dosers there are, and the setpoint as the target, until somebody types. */
  offer(dosers, values) {
    const select = this.form.elements.doser;
    this.target = values["ph.target"];
    if (select.dataset.names !== dosers.join()) {
      select.dataset.names = dosers.join();
      select.replaceChildren(...dosers.map((name) => new Option(plainName(name), name)));
    }
    this.prefill(false);
  }

  prefill(isForced) {
    const input = this.form.elements.target_ph;
    if (this.target !== undefined && (isForced || input.value === "")) input.value = number(this.target, 2);
  }
}
