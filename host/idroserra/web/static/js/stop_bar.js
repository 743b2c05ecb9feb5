// Stops all dosing of a site or of every node, with the answer of each; and resumes it.
//
// The host is asked once and stops every node, so that a page that closes stops no half of them.
// A resume is sent to each node by itself and names what it ends, so that it undoes nothing newer. The rest is not sent
// once the dialog is closed or one of the nodes is to stop.

import { command, pause, repeated, STOP_MS, stopNode } from "./commands.js";
import { openConfirm, withDisabled } from "./confirm_dialog.js";
import { request } from "./connection.js";
import { make, setText, showOutcome } from "./dom.js";
import { timeText } from "./format.js";
import { t, tn } from "./i18n.js";
import { naturally } from "./natural.js";
import { listen, nowUnixMs, oncePerFrame, state } from "./state.js";
import { wireStopKey } from "./stop_key.js";

const POLL_MS = 2_000, LOOK_MS = 5_000;
const LOOKS_AT_ONCE = 2; // the other reads of the page go on
const FOCUS_MS = 450;
const AT_ONCE = 6;
const FINAL = ["done", "refused", "expired", "failed", "timeout"];

class StopBar {
  constructor(root) {
    this.root = root;
    this.own = { node: root.dataset.node, site: root.dataset.site };
    this.scope = this.own;
    [this.stop, this.resume] = root.querySelectorAll("button");
    this.outcome = root.querySelector(".outcome");
    this.sure = root.querySelector("#stop-sure");
    this.results = new Results(root.querySelector("#stop-results"));
    this.stop.addEventListener("click", () => this.askStop(this.own));
    document.addEventListener("click", ({ target }) => {
      const button = target.closest("[data-stop-site]");
      if (button) this.askStop({ site: button.dataset.stopSite });
    });
    this.resume.addEventListener("click", () => this.askResume());
    this.sure.addEventListener("close", () => this.sure.returnValue === "yes" && this.confirmed());
    wireStopKey(this.stop);
  }

  /** The nodes that can be stopped there, in natural order. */
  nodesAt({ node: name, site }) {
    const mine = [...state.nodes.values()].filter((node) => node.adopted && (!name || node.node === name) && (!site || node.site === site));
    return mine.sort((a, b) => naturally(a.title, b.title));
  }

  in(...states) {
    return this.nodesAt(this.own).filter(({ dosing }) => states.includes(dosing.state));
  }

  render() {
    const nodes = this.nodesAt(this.own);
    this.root.hidden = nodes.length === 0;
    const count = tn("{count} node", "{count} nodes", nodes.length);
    const where = this.own.site ? t("{site}: {how}", { site: this.own.site, how: count }) : count;
    setText(this.stop.querySelector("small"), nodes.length === 1 ? nodes[0].title : where);
    this.resume.hidden = this.in("stopped").length === 0;
  }

  /** Ask, or confirm what was asked: the key of Stop, pressed again, is a yes. */
  askStop(scope) {
    if (this.results.isOfStop(scope)) {
      this.sendStop();
      return;
    }
    this.results.close();
    if (this.sure.open) {
      const yes = this.sure.querySelector("[value=yes].stop");
      if (yes) return yes.click();
      this.sure.close("no"); // it asks about a resume
    }
    const nodes = this.nodesAt(scope);
    this.scope = scope;
    if (nodes.length === 1) {
      this.outcome.hidden = false;
      stopNode(nodes[0].node, this.outcome);
      return;
    }
    const title = scope.site
      ? t("Stop all dosing at {site}?", { site: scope.site })
      : tn("Stop all dosing at {count} node?", "Stop all dosing at all {count} nodes?", nodes.length);
    this.confirmed = () => this.sendStop();
    this.ask("stop", title, t("A node without contact stops as soon as it is back: the host sends it the stop for a day."), nodes, () => "",
      tn("Stop {count} node", "Stop {count} nodes", nodes.length));
  }

  askResume() {
    const nodes = this.in("stopped");
    const locked = this.in("latched").length;
    const now = nowUnixMs();
    this.confirmed = () => this.sendResume(nodes);
    this.ask("main", tn("Resume dosing at {count} node?", "Resume dosing at {count} nodes?", nodes.length),
      locked ? tn("{count} locked node is left as it is: resume it on its own page.", "{count} locked nodes are left as they are: resume each on its own page.", locked) : t("These nodes dose again by their settings."),
      nodes, ({ dosing }) => (dosing.since_unix_ms ? t("{what} (since {time})", { what: dosing.text, time: timeText(dosing.since_unix_ms, now) }) : dosing.text),
      tn("Resume {count} node", "Resume {count} nodes", nodes.length));
  }

  ask(look, title, what, nodes, textOf, yes) {
    this.sure.querySelector("h2").textContent = title;
    this.sure.querySelector("p").textContent = what;
    this.sure.querySelector("ul").replaceChildren(...nodes.map((node) => make("li", {}, make("b", { textContent: node.title }), make("span", { textContent: textOf(node) }))));
    const button = this.sure.querySelector("[value=yes]");
    [button.className, button.textContent] = [look, yes];
    openConfirm(this.sure);
    if (look === "stop") setTimeout(() => button.focus(), FOCUS_MS); // once it is enabled
  }

  async sendStop() {
    const path = this.scope.site ? `/api/sites/${encodeURIComponent(this.scope.site)}/stop` : "/api/stop";
    const lostText = t("The host does not answer: press Stop again, a second one does no harm. In an emergency, switch the nodes off.");
    showOutcome(this.outcome, "pending", t("Stopping all dosing\u2026"));
    try {
      const { commands } = await repeated(() => request(path, { method: "POST", body: {}, lostText, timeoutMs: STOP_MS }));
      this.outcome.hidden = true;
      this.results.ofStop(commands, this.scope);
    } catch (error) {
      showOutcome(this.outcome, "failed", t("Failed: {reason}", { reason: error.message }));
    }
  }

  async sendResume(nodes) {
    const ends = new Map(nodes.map(({ node, dosing }) => [node, dosing.hold]));
    await withDisabled([this.resume], () => this.results.ofResume(ends));
  }
}

/** Do `work` for each item, at most `count` at once. */
async function forEach(items, count, work) {
  const left = [...items];
  const one = async () => {
    for (let next = left.shift(); next; next = left.shift()) await work(next);
  };
  await Promise.all(Array.from({ length: count }, one));
}

/** The dialog with the answer of each node, those without one first. */
class Results {
  constructor(root) {
    this.root = root;
    this.scope = null; // of a stop
    this.ended = () => 0;
    root.addEventListener("close", () => root.open || this.end());
  }

  isOfStop({ node, site }) {
    return this.root.open && this.scope !== null && this.scope.node === node && this.scope.site === site;
  }

  close() {
    this.end();
    this.root.close();
  }

  end() {
    this.ended();
    this.ended = () => 0;
  }

  open(names, scope) {
    this.end();
    this.scope = scope;
    const waits = t("Waiting for the node\u2026");
    this.answers = new Map(names.map((name) => [name, { state: "pending", reason: null }]));
    this.items = new Map(names.map((name) => [name, make("li", {}, make("b", { textContent: state.nodes.get(name)?.title || name }), make("span", { textContent: waits }))]));
    this.root.querySelector("ul").replaceChildren(...this.items.values());
    if (!this.root.open) this.root.showModal();
  }

  /** Follow the stops until the dialog closes: by the stream, and by requests where it is missed. */
  ofStop(commands, scope) {
    this.open(commands.map(({ node }) => node), scope);
    const ids = new Set(commands.map(({ id }) => id));
    let isOpen = true;
    const show = (answer) => {
      if (isOpen && ids.has(answer.id)) this.show(answer.node, answer, stopText(answer), stoppedText);
    };
    commands.forEach(show);
    const deaf = listen((message) => message.type === "command" && show(message));
    this.ended = () => {
      deaf();
      isOpen = false;
    };
    this.look(commands, show, () => isOpen);
  }

  /** Request the states of the stops that have none yet, again and again, a few at once. */
  async look(commands, show, isOpen) {
    const isLeft = ({ node }) => isOpen() && !FINAL.includes(this.answers.get(node).state);
    const lookAt = async (one) => isLeft(one) && request(`/api/commands/${one.id}`, { timeoutMs: LOOK_MS }).then(show, () => 0);
    while (commands.some(isLeft)) {
      await pause(POLL_MS);
      await forEach(commands, LOOKS_AT_ONCE, lookAt);
    }
  }

  /** Resume nodes, {node: name of what holds its dosing}, until the dialog closes or one of them is to stop. */
  async ofResume(ends) {
    this.open([...ends.keys()], null);
    const run = { isEnded: false, isShown: true };
    this.ended = () => Object.assign(run, { isEnded: true, isShown: false });
    const deaf = listen((message) => {
      if (isStop(message) && ends.has(message.node)) run.isEnded = true;
    });
    await forEach(ends, AT_ONCE, async ([name, hold]) => {
      const isSame = !run.isEnded && state.nodes.get(name)?.dosing.hold === hold;
      const answer = isSame ? await resumeNode(name, hold) : { state: "refused", reason: { text: t("a stop was requested, or its dosing changed") } };
      if (run.isShown) this.show(name, answer, answer.state === "done" ? t("dosing is enabled again") : whyText(answer), resumedText);
    });
    deaf();
  }

  show(name, answer, text, titleOf) {
    if (this.answers.get(name).state === "done") return;
    this.answers.set(name, answer);
    const item = this.items.get(name);
    item.dataset.state = answer.state === "pending" && answer.reason ? "waits" : answer.state;
    setText(item.querySelector("span"), text);
    const done = [...this.answers.values()].filter(({ state: how }) => how === "done").length;
    setText(this.root.querySelector("h2"), titleOf(done, this.answers.size));
  }
}

const isStop = (message) => message.type === "command" && message.verb === "stop" && message.state === "pending";

/** Resume a node if `hold` still is what holds its dosing; resolves with the answer, failed if there is none. */
function resumeNode(node, hold) {
  return command(node, "resume", {}, undefined, { ends: hold }).catch((error) => ({ state: "failed", reason: { text: error.message } }));
}

function stoppedText(done, count) {
  if (done === count) return tn("Confirmed: {count} node stopped all dosing.", "Confirmed: all {count} nodes stopped all dosing.", count);
  return t("{done} of {count} nodes confirmed the stop.", { done, count });
}

function resumedText(done, count) {
  return t("{done} of {count} nodes resumed dosing.", { done, count });
}

function stopText(answer) {
  if (answer.state === "done") return t("has stopped all dosing");
  if (answer.state === "pending" && answer.reason) return t("Not delivered yet: {reason}. It doses on within its limits until it answers.", { reason: answer.reason.text });
  if (answer.state === "pending") return t("Waiting for the node\u2026");
  return whyText(answer);
}

const whyText = ({ reason }) => t("Failed: {reason}", { reason: reason ? reason.text : t("the node did not answer in time.") });

export function wireStopBar(root) {
  const bar = new StopBar(root);
  const renderSoon = oncePerFrame(() => bar.render());
  listen((message) => ["node", "nodes", "gone"].includes(message.type) && renderSoon());
  bar.render();
}
