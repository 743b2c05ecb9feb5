// Asking a node for something, and telling honestly what came of it.

import { nowUnixMs, listen, state } from "./state.js";
import { valueOf, watchNumbers } from "./fields.js";
import { dateLocale, t } from "./i18n.js";
import { request, Unanswered } from "./link.js";
import { alone, openSure } from "./sure.js";
import { millilitres, plainName, timeText } from "./words.js";

// How long the node may begin with it. A dose answers when it is given, which takes its time.
const TTL_MS = { stop: 10_000, resume: 10_000, dose: 20_000, run: 10_000, correct: 10_000, end_correction: 10_000 };
// What a bad network holds back longer than this does nothing any more: nobody waits for it.
const REACH_MS = 20_000;
const LATE_MS = 600_000;
const QUIET_MS = 3_000;
const POLL_MS = 1_000;
const LOOK_MS = 5_000;
const FINAL = ["done", "refused", "expired", "failed", "timeout"];

/** Send a command; resolves with its final {state, reason} or rejects with a shown Error. Where no
 * end came in time either has `later`, which resolves with the end after all. */
export function command(node, verb, args) {
  const id = newId();
  const ending = endOf(id); // which the stream may tell before the request is answered
  return Promise.race([ending, send(id, node, verb, args).then(() => ending)]);
}

async function send(id, node, verb, args) {
  const path = `/api/nodes/${encodeURIComponent(node)}/commands`;
  const until = () => (verb === "stop" ? {} : { until_unix_ms: Math.round(nowUnixMs()) + REACH_MS }); // better late than never
  const body = () => ({ verb, args, ttl_ms: TTL_MS[verb], id, ...until() });
  try {
    const sent = await request(path, { method: "POST", body, timeoutMs: REACH_MS });
    if (FINAL.includes(sent.state)) finish(id, sent);
  } catch (error) {
    if (error instanceof Unanswered) await lookFor(id, error);
    else forget(id, error);
  }
  poll(id, Date.now() + TTL_MS[verb] + 8_000);
}

/** The id is ours: without an answer the host can still be asked what became of it. */
function newId() {
  return [...crypto.getRandomValues(new Uint8Array(12))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** No answer came: rejects where the host has no such command, or cannot be asked. */
async function lookFor(id, unanswered) {
  await pause();
  if (!waiting.has(id)) return; // the stream told how it ended
  try {
    await request(`/api/commands/${id}`, { timeoutMs: LOOK_MS, isUrgent: true });
  } catch (error) {
    if (error instanceof Unanswered) throw Object.assign(unanswered, { later: laterOf(id) });
    forget(id, new Error(t("The host does not answer: check the network, nothing was sent.")));
  }
}

function forget(id, error) {
  waiting.delete(id);
  throw error;
}

const pause = () => new Promise((resolve) => setTimeout(resolve, POLL_MS));

// By id: who waits for the end of a command; `isLate`: for what the node says after all.
const waiting = new Map();

function endOf(id, isLate = false) {
  return new Promise((resolve) => waiting.set(id, { resolve, isLate }));
}

function laterOf(id) {
  setTimeout(() => waiting.delete(id), LATE_MS);
  return endOf(id, true);
}

async function poll(id, deadline) {
  while (waiting.has(id) && !waiting.get(id).isLate) {
    const answer = await request(`/api/commands/${id}`, { timeoutMs: LOOK_MS, isUrgent: true }).catch(() => ({ state: "pending" }));
    if (FINAL.includes(answer.state)) finish(id, answer);
    else if (Date.now() > deadline) finish(id, { state: "timeout", reason: "" });
    else await pause();
  }
}

function finish(id, answer) {
  const waits = waiting.get(id);
  const isOpen = answer.state === "timeout"; // the node may still say what it did
  if (!waits || (waits.isLate && isOpen)) return;
  waiting.delete(id);
  waits.resolve(isOpen ? { ...answer, later: laterOf(id) } : answer);
}

listen((message) => {
  if (message.type === "command" && FINAL.includes(message.state)) finish(message.id, message);
});

/** Show a command's life in `outcome`: pending, then confirmed or failed with the reason. */
export async function follow(outcome, waitingText, doneText, work) {
  const mine = {};
  newest.set(outcome, mine);
  outcome.dataset.state = "pending";
  outcome.classList.add("pulse");
  outcome.textContent = waitingText;
  const slow = setTimeout(() => {
    if (newest.get(outcome) === mine) outcome.textContent = t("{what} No answer yet.", { what: waitingText });
  }, QUIET_MS);
  const answer = await work().catch((error) => ({ state: "failed", reason: error.message, later: error.later }));
  clearTimeout(slow);
  const tell = (end) => newest.get(outcome) === mine && show(outcome, end, doneText);
  tell(answer);
  if (answer.later) answer.later.then(tell);
  return answer.state === "done";
}

// What each outcome follows: the end of a command before is not the end of this one.
const newest = new WeakMap();

function show(outcome, answer, doneText) {
  const good = answer.state === "done";
  outcome.classList.remove("pulse");
  outcome.dataset.state = good ? "done" : "failed";
  const at = new Date(nowUnixMs()).toLocaleTimeString(dateLocale, { hourCycle: "h23" });
  outcome.textContent = good ? t("{what} at {time}.", { what: doneText, time: at }) : failure(answer);
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
    if (verb === "stop") setTimeout(() => (this.stop.disabled = false), QUIET_MS); // it may be asked for again
    await alone([this.stop, this.resume], () => follow(this.outcome, waitingText, doneText, () => command(this.node, verb, {})));
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
    openSure(this.dialog);
  }

  async send() {
    const args = { actuator: this.form.elements.actuator.value, volume_ul: this.volumeUl };
    const words = { volume: millilitres(args.volume_ul), what: plainName(args.actuator) };
    const texts = [t("Asking for {volume} of {what}\u2026", words), t("Confirmed: {volume} of {what} given", words)];
    await alone([this.form.querySelector("button")], () => follow(this.outcome, ...texts, () => command(this.node, "dose", args)));
  }
}
