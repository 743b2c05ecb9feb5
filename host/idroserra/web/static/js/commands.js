// Asking a node for something, and telling honestly what came of it.

import { nowUnixMs, listen, state } from "./state.js";
import { valueOf, watchNumbers } from "./fields.js";
import { dateLocale, t } from "./i18n.js";
import { request } from "./link.js";
import { millilitres, plainName, timeText } from "./words.js";

// How long the node may begin with it. A dose answers when it is given, which takes its time.
const TTL_MS = { stop: 10_000, resume: 10_000, dose: 20_000, run: 10_000, correct: 10_000, end_correction: 10_000 };
const QUIET_MS = 3_000;
const POLL_MS = 1_000;
const FINAL = ["done", "refused", "expired", "failed", "timeout"];

/** Send a command; resolves with its final {state, reason} or rejects with a shown Error. */
export async function command(node, verb, args) {
  const path = `/api/nodes/${encodeURIComponent(node)}/commands`;
  const sent = await request(path, { method: "POST", body: { verb, args, ttl_ms: TTL_MS[verb] } });
  return settled(sent, TTL_MS[verb] + 8_000);
}

function settled(sent, patienceMs) {
  if (FINAL.includes(sent.state)) return Promise.resolve(sent);
  return new Promise((resolve) => {
    const deadline = Date.now() + patienceMs;
    waiting.set(sent.id, resolve);
    const poll = async () => {
      if (!waiting.has(sent.id)) return;
      const answer = await request(`/api/commands/${sent.id}`).catch(() => null);
      if (answer && FINAL.includes(answer.state)) finish(sent.id, answer);
      else if (Date.now() > deadline) finish(sent.id, { state: "timeout", reason: "" });
      else setTimeout(poll, POLL_MS);
    };
    setTimeout(poll, POLL_MS);
  });
}

const waiting = new Map();

function finish(id, answer) {
  const resolve = waiting.get(id);
  waiting.delete(id);
  if (resolve) resolve(answer);
}

listen((message) => {
  if (message.type === "command" && FINAL.includes(message.state)) finish(message.id, message);
});

/** Show a command's life in `outcome`: pending, then confirmed or failed with the reason. */
export async function follow(outcome, waitingText, doneText, work) {
  outcome.dataset.state = "pending";
  outcome.classList.add("pulse");
  outcome.textContent = waitingText;
  const slow = setTimeout(() => {
    outcome.textContent = t("{what} No answer yet.", { what: waitingText });
  }, QUIET_MS);
  let answer;
  try {
    answer = await work();
  } catch (error) {
    answer = { state: "failed", reason: error.message };
  }
  clearTimeout(slow);
  outcome.classList.remove("pulse");
  const good = answer.state === "done";
  outcome.dataset.state = good ? "done" : "failed";
  const at = new Date(nowUnixMs()).toLocaleTimeString(dateLocale, { hourCycle: "h23" });
  outcome.textContent = good ? t("{what} at {time}.", { what: doneText, time: at }) : failure(answer);
  return good;
}

function failure({ state, reason }) {
  if (state === "timeout" || state === "expired") {
    const why = reason || t("the node gave no answer in time.");
    return t("Failed: {reason} If it matters, switch it off at the node.", { reason: why });
  }
  if (state === "refused") return t("Refused by the node: {reason}", { reason: reason || t("it gave no reason") });
  return t("Failed: {reason}", { reason: reason || t("the node gave no reason") });
}

/** The stop button, which turns into "Resume" once the node itself says it is stopped. */
export class StopControl {
  constructor(root, node) {
    this.node = node;
    [this.stop, this.resume] = root.querySelectorAll("button");
    this.line = root.querySelector("[data-dosing]");
    this.outcome = root.querySelector(".outcome");
    this.decided = root.querySelector(".decided");
    this.stop.addEventListener("click", () => this.send("stop", t("Asking the node to stop\u2026"), t("Confirmed: the node stopped all dosing")));
    this.resume.addEventListener("click", () => this.send("resume", t("Asking the node to resume\u2026"), t("Confirmed: dosing is possible again")));
  }

  async send(verb, waitingText, doneText) {
    this.stop.disabled = this.resume.disabled = true;
    await follow(this.outcome, waitingText, doneText, () => command(this.node, verb, {}));
    this.stop.disabled = this.resume.disabled = false;
  }

  render(dosing, decisions) {
    this.renderDecided(decisions);
    this.line.textContent = dosing.text;
    this.line.dataset.level = dosing.level;
    this.resume.hidden = !["stopped", "latched"].includes(dosing.state);
  }

  /** What control decided last, since when; nothing where the page or the node lost contact. */
  renderDecided(decisions) {
    const known = state.link === "lost" ? [] : decisions;
    this.decided.hidden = known.length === 0;
    const items = known.map(({ text, unix_ms: at }) => t("{what} (since {time})", { what: text, time: timeText(at, nowUnixMs()) }));
    const list = this.decided.querySelector("ul");
    if (list.dataset.text === items.join("\n")) return;
    list.dataset.text = items.join("\n");
    list.replaceChildren(...items.map((item) => Object.assign(document.createElement("li"), { textContent: item })));
  }
}

/** Manual dose: what, how much, a confirmation that repeats it, and what came of it. */
export class DoseForm {
  constructor(form, dialog, node) {
    this.form = form;
    this.dialog = dialog;
    this.node = node;
    this.outcome = form.querySelector(".outcome");
    watchNumbers(form);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.ask();
    });
    dialog.addEventListener("close", () => dialog.returnValue === "yes" && this.send());
  }

  render(node) {
    const select = this.form.elements.actuator;
    const dosers = Object.keys(node.outputs).filter((name) => node.outputs[name] === "doser");
    if (select.dataset.names === dosers.join()) return;
    select.dataset.names = dosers.join();
    select.replaceChildren(...dosers.map((name) => new Option(plainName(name), name)));
    this.form.hidden = dosers.length === 0;
  }

  get volumeUl() {
    return Math.round(valueOf(this.form.elements.volume_ml) * 1000);
  }

  ask() {
    const name = plainName(this.form.elements.actuator.value);
    this.dialog.querySelector("h2").textContent = t("Dose {volume} of {what}?", { volume: millilitres(this.volumeUl), what: name });
    this.dialog.returnValue = "";
    this.dialog.showModal();
  }

  async send() {
    const args = { actuator: this.form.elements.actuator.value, volume_ul: this.volumeUl };
    const words = { volume: millilitres(args.volume_ul), what: plainName(args.actuator) };
    const button = this.form.querySelector("button");
    button.disabled = true;
    await follow(this.outcome, t("Asking for {volume} of {what}\u2026", words), t("Confirmed: {volume} of {what} given", words), () => command(this.node, "dose", args));
    button.disabled = false;
  }
}
