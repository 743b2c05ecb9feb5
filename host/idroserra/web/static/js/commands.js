// Sends commands to a node and shows their results.

import { nowUnixMs, listen } from "./state.js";
import { valueOf, watchNumbers } from "./number_fields.js";
import { dateLocale, t } from "./i18n.js";
import { request, Unanswered } from "./connection.js";
import { enableSoon, openConfirm, withDisabled } from "./confirm_dialog.js";
import { DosePreview } from "./dose_preview.js";
import { millilitres, plainName } from "./format.js";

// Time for the node to start the command. A dose is acknowledged at its end.
const TTL_MS = { stop: 10_000, resume: 10_000, dose: 20_000, run: 10_000, correct: 10_000, end_correction: 10_000 };
// A command that reaches the host later than this expires.
const REACH_MS = 20_000;
// A stop that the host has not taken is sent again.
export const STOP_MS = 4_000;
const STOP_TRIES = 3, AGAIN_MS = 2_000;
const LATE_MS = 600_000;
const QUIET_MS = 3_000;
const POLL_MS = 1_000;
const LOOK_MS = 5_000;
const FINAL = ["done", "refused", "expired", "failed", "timeout"];

/** Send a command. Resolves with its final {state, reason: {code, values, text}}, or rejects with an Error to show. If no
 * result arrives in time, either has `later`, which resolves with the late result. `waits(reason)` is called while a stop
 * cannot be delivered. `more` goes into the request. */
export function command(node, verb, args, waits = () => {}, more = {}) {
  const id = newId();
  const ending = endOf(id, false, waits); // may arrive by the stream before the response
  return Promise.race([ending, send(id, node, verb, args, more).then(() => ending)]);
}

async function send(id, node, verb, args, more) {
  const path = `/api/nodes/${encodeURIComponent(node)}/commands`;
  const isStop = verb === "stop";
  const until = () => (isStop ? {} : { until_unix_ms: Math.round(nowUnixMs()) + REACH_MS }); // never expires on the way
  const body = () => ({ verb, args, ttl_ms: TTL_MS[verb], id, ...until(), ...more });
  const post = async () => take(await request(path, { method: "POST", body, ...(isStop ? stopLost() : { timeoutMs: REACH_MS }) }));
  try {
    await (isStop ? repeated(() => reach(id, post)) : reach(id, post));
  } catch (error) {
    if (error instanceof Unanswered) error.later = laterOf(id);
    else waiting.delete(id);
    throw error;
  }
  poll(id, verb, Date.now() + TTL_MS[verb] + 8_000);
}

/** The options of one try of a stop. */
const stopLost = () => ({
  timeoutMs: STOP_MS,
  lostText: t("The host does not answer: press Stop again, a second one does no harm. In an emergency, switch it off at the node."),
});

/** Send a stop again until the host has taken it: a second one does no harm. */
export async function repeated(send, tries = STOP_TRIES) {
  try {
    return await send();
  } catch (error) {
    if (!(error instanceof Unanswered || error.status >= 500) || tries <= 1) throw error;
    await pause(AGAIN_MS);
    return repeated(send, tries - 1);
  }
}

/** The client chooses the id, so that the state can be requested after a lost response. */
function newId() {
  return [...crypto.getRandomValues(new Uint8Array(12))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Send a command, and look it up if its response is lost. Rejects with Unanswered unless the host has it. */
async function reach(id, post) {
  if (!waiting.has(id)) return; // the stream has sent the result
  try {
    await post();
  } catch (error) {
    if (!(error instanceof Unanswered)) throw error;
    await lookFor(id, error);
  }
}

async function lookFor(id, unanswered) {
  await pause();
  if (!waiting.has(id)) return;
  try {
    await request(`/api/commands/${id}`, { timeoutMs: LOOK_MS, isUrgent: true });
  } catch (error) {
    if (error instanceof Unanswered) throw unanswered;
    throw new Unanswered(error.status === 404 ? t("The request did not reach the host: check the network, nothing was sent.") : error.message);
  }
}

export const pause = (ms = POLL_MS) => new Promise((resolve) => setTimeout(resolve, ms));

// By id: the waiting promise of a command; `isLate`: for a late result.
const waiting = new Map();

function endOf(id, isLate = false, waits = () => {}) {
  return new Promise((resolve) => waiting.set(id, { resolve, isLate, waits }));
}

function laterOf(id) {
  setTimeout(() => waiting.delete(id), LATE_MS);
  return endOf(id, true);
}

async function poll(id, verb, deadline) {
  while (waiting.has(id) && !waiting.get(id).isLate) {
    const answer = await request(`/api/commands/${id}`, { timeoutMs: LOOK_MS, isUrgent: true }).catch(() => ({ state: "pending" }));
    if (FINAL.includes(answer.state)) finish(id, answer);
    else if (Date.now() > deadline) finish(id, { state: "timeout", reason: null, verb, waitsFor: answer.reason });
    else await pause();
  }
}

function finish(id, answer) {
  const waits = waiting.get(id);
  const isOpen = answer.state === "timeout"; // a result may still arrive
  if (!waits || (waits.isLate && isOpen)) return;
  waiting.delete(id);
  waits.resolve(isOpen ? { ...answer, later: laterOf(id) } : answer);
}

/** Handle the state of a command in a response or in the stream. */
function take(answer) {
  if (FINAL.includes(answer.state)) finish(answer.id, answer);
  else if (answer.reason && waiting.has(answer.id)) waiting.get(answer.id).waits(answer.reason);
}

listen((message) => message.type === "command" && take(message));

/** Show the progress of a command in `outcome`: pending, then confirmed or failed. */
export async function follow(outcome, waitingText, doneText, work) {
  const mine = {};
  newest.set(outcome, mine);
  outcome.dataset.state = "pending";
  outcome.classList.add("pulse");
  outcome.textContent = waitingText;
  const slow = setTimeout(() => {
    if (newest.get(outcome) === mine) outcome.textContent = t("{what} No answer yet.", { what: waitingText });
  }, QUIET_MS);
  const waits = (reason) => {
    if (newest.get(outcome) !== mine) return;
    clearTimeout(slow);
    outcome.textContent = notDelivered(reason);
  };
  const answer = await work(waits).catch((error) => ({ state: "failed", reason: { text: error.message }, later: error.later }));
  clearTimeout(slow);
  const showResult = (end) => newest.get(outcome) === mine && show(outcome, end, doneText);
  showResult(answer);
  if (answer.later) answer.later.then(showResult);
  return answer.state === "done";
}

// The current command of each outcome element.
const newest = new WeakMap();

function show(outcome, answer, doneText) {
  const good = answer.state === "done";
  outcome.classList.remove("pulse");
  outcome.dataset.state = good ? "done" : "failed";
  const at = new Date(nowUnixMs()).toLocaleTimeString(dateLocale, { hourCycle: "h23" });
  outcome.textContent = good ? t("{what} at {time}.", { what: doneText, time: at }) : failure(answer);
}

/** Why a stop has not reached the node yet, and what the node does meanwhile. */
function notDelivered(reason) {
  return t(
    "Not delivered yet: {reason}. The host sends it until the node answers, for a day. Until then the node doses on its own, within its limits. In an emergency, switch it off at the node.",
    { reason: reason.text },
  );
}

function failure({ state, reason, verb, waitsFor }) {
  if (waitsFor) return notDelivered(waitsFor);
  if (verb === "stop") return t("Not confirmed yet: the host repeats the stop until the node answers. In an emergency, switch it off at the node.");
  if (state === "timeout" || state === "expired") {
    const why = reason ? reason.text : t("the node did not answer in time.");
    return t("Failed: {reason} In an emergency, switch it off at the node.", { reason: why });
  }
  const why = reason ? reason.text : t("no reason given");
  return state === "refused" ? t("Refused by the node: {reason}", { reason: why }) : t("Failed: {reason}", { reason: why });
}

/** Stop all dosing of a node and show the progress in `outcome`. */
export function stopNode(node, outcome) {
  return follow(outcome, t("Stopping all dosing\u2026"), t("Confirmed: the node stopped all dosing"), (waits) => command(node, "stop", {}, waits));
}

/** The form for a manual dose, with confirmation and result. */
export class DoseForm {
  constructor(form, dialog, node) {
    this.form = form;
    this.dialog = dialog;
    this.node = node;
    this.outcome = form.querySelector(".outcome");
    this.preview = new DosePreview(dialog, node);
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

  get args() {
    const { actuator, volume_ml: volume } = this.form.elements;
    return { actuator: actuator.value, volume_ul: Math.round(valueOf(volume) * 1000) };
  }

  /** Ask with what the dose will do; it can be confirmed once that is shown. */
  async ask() {
    this.asked = this.args; // the dosers may change meanwhile
    const { actuator, volume_ul: volumeUl } = this.asked;
    const words = { volume: millilitres(volumeUl), what: plainName(actuator) };
    this.dialog.querySelector("h2").textContent = t("Dose {volume} of {what}?", words);
    this.dialog.querySelector("[value=yes]").textContent = t("Dose {volume} of {what}", words);
    openConfirm(this.dialog, () => false);
    if (await this.preview.load(actuator, volumeUl)) enableSoon(this.dialog);
  }

  async send() {
    const args = this.asked;
    const words = { volume: millilitres(args.volume_ul), what: plainName(args.actuator) };
    const texts = [t("Requesting {volume} of {what}\u2026", words), t("Confirmed: {volume} of {what} dosed", words)];
    await withDisabled([this.form.querySelector("button")], () => follow(this.outcome, ...texts, () => command(this.node, "dose", args)));
  }
}
