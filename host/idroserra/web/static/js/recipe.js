// The recipe of a node: progress, setpoints, and their confirmation by the node.

import { make, setText } from "./dom.js";
import { mark, t } from "./i18n.js";
import { request } from "./connection.js";
import { state } from "./state.js";
import { withDisabled, openConfirm } from "./confirm_dialog.js";
import { RecipeStart } from "./recipe_start.js";
import { changeText } from "./recipe_diff.js";
import { drawTimeline } from "./recipe_timeline.js";
import { dayText, fullTime } from "./format.js";

const STATES = { running: mark("running"), held: mark("held"), finished: mark("finished"), stopped: mark("stopped") };
// Confirmation dialogs: question, meaning, button.
const CONFIRM = {
  start: (name) => [t("Start {recipe} today?", { recipe: name }), t("The node receives the setpoints now, and those of each day from then on. A manual change stays active until the recipe changes it."), t("Start now")],
  skip: (name, run) => [t("Start the next stage of {recipe} today?", { recipe: name }), t("The rest of {stage} is skipped.", { stage: run.at.stage_name }), t("Start next stage")],
  stop: (name) => [t("Stop {recipe}?", { recipe: name }), t("The setpoints do not change."), t("Stop now")],
};

/** Fill a list of setpoints, with the active value if it differs. */
function fill(list, lines) {
  const text = JSON.stringify(lines);
  if (list.dataset.text === text) return;
  list.dataset.text = text;
  list.replaceChildren(...lines.map((line) => {
    const row = document.createElement("div");
    const dd = make("dd", { textContent: line.text });
    if (line.in_force) {
      const text = line.is_by_hand ? t("Set by hand, active: {value}", { value: line.in_force }) : t("Still active: {value}", { value: line.in_force });
      dd.append(make("small", { textContent: text }));
    }
    row.append(make("dt", { textContent: line.label }), dd);
    return row;
  }));
}

/** The state of the last setpoints at the node, as [level, text]. */
function setpointsText(run, isOnline) {
  const { confirmation } = run;
  if (run.state === "held") return ["warn", t("Paused: {reason}. Nothing is sent until you send again or stop.", { reason: run.reason.text })];
  if (run.reason) return ["warn", t("Not sent yet: {reason}.", { reason: run.reason.text })];
  if (confirmation.state === "confirmed") return ["ok", t("The node has confirmed the setpoints.")];
  if (isOnline) return ["note", t("Sent; the node has not confirmed the setpoints yet.")];
  return ["note", t("The node is offline: it receives the setpoints when it is back online.")];
}

/** The next change. */
function nextText({ at, next, end_unix_ms: end }) {
  if (!next) return t("No more changes; ends on {day}", { day: dayText(end) });
  const day = dayText(next.unix_ms);
  return next.stage === at.stage ? t("Next, {day}", { day }) : t("Next, {day}, stage {stage}", { day, stage: next.stage_name });
}

export class RecipePanel {
  constructor(root, dialog, node, preview) {
    this.root = root;
    this.dialog = dialog;
    this.node = node;
    this.outcome = root.querySelector(":scope > .outcome");
    this.parts = Object.fromEntries([...root.querySelectorAll("[data-part]")].map((part) => [part.dataset.part, part]));
    this.starter = new RecipeStart(this.parts.start, node, preview, (text) => this.showOutcome(text));
    this.parts.start.addEventListener("submit", (event) => {
      event.preventDefault();
      this.ask("start");
    });
    for (const [place, verb] of [["onward", "skip"], ["end", "stop"]]) {
      root.querySelector(`.${place}`).addEventListener("click", () => this.ask(verb));
    }
    root.querySelector(".resume").addEventListener("click", () => this.send("resume"));
    dialog.addEventListener("close", () => dialog.returnValue === "yes" && this.send(this.verb));
  }

  get path() {
    return `/api/nodes/${encodeURIComponent(this.node)}/recipe`;
  }

  async ask(verb) {
    this.showOutcome("");
    const { recipe: run } = state.nodes.get(this.node);
    const isStart = verb === "start";
    const name = isStart ? this.starter.name : run.recipe;
    let changed = isStart ? this.starter.changed : [];
    if (verb === "skip") {
      try {
        const { skip } = await withDisabled(this.root.querySelectorAll(".onward"), () => request(this.path));
        changed = skip ? skip.changes.map(changeText) : [];
      } catch (error) {
        this.showOutcome(error.message);
        return;
      }
    }
    this.verb = verb;
    this.shown = isStart ? { recipe: name, digest: this.starter.start.digest } : {};
    if (verb === "skip") this.shown = { from_stage: run.at.stage };
    const [question, meaning, yes] = CONFIRM[verb](name, run);
    setText(this.dialog.querySelector("h2"), question);
    setText(this.dialog.querySelector("p"), meaning);
    setText(this.dialog.querySelector("button"), yes);
    for (const [place, texts] of [[".changed", changed], [".notes", isStart ? this.starter.notes : []]]) {
      this.dialog.querySelector(place).replaceChildren(...texts.map((text) => make("li", { textContent: text })));
    }
    openConfirm(this.dialog);
  }

  async send(verb) {
    const path = verb === "start" ? this.path : `${this.path}/${verb}`;
    const body = verb === "resume" ? {} : this.shown;
    const before = state.nodes.get(this.node).recipe;
    try {
      const asking = () => request(path, { method: "POST", body });
      const { run } = await withDisabled(this.root.querySelectorAll("[data-part] button"), asking);
      const node = state.nodes.get(this.node);
      // Unless the live stream has sent a newer run.
      if (node.recipe === before) node.recipe = run;
      this.render(node);
      this.showOutcome("");
    } catch (error) {
      if (verb === "start") await this.starter.load();
      this.showOutcome(error.message);
    }
  }

  showOutcome(text) {
    this.outcome.dataset.state = text ? "failed" : "";
    setText(this.outcome, text);
  }

  render(node) {
    const run = node.recipe;
    const isOpen = Boolean(run && (run.state === "running" || run.state === "held"));
    this.root.hidden = !run && (!node.adopted || document.body.dataset.role === "viewer");
    this.root.dataset.state = run ? run.state : "";
    this.parts.open.hidden = !isOpen;
    this.parts.start.hidden = isOpen || !node.adopted;
    this.parts.result.hidden = !run || isOpen;
    this.parts.none.hidden = Boolean(run);
    if (!this.parts.start.hidden && !this.root.hidden) this.starter.refresh(node.config.values);
    const chip = this.root.querySelector(".chip");
    chip.hidden = !run;
    if (!run) return;
    chip.dataset.level = run.level;
    setText(chip, t(STATES[run.state]));
    if (isOpen) this.renderOpen(run, node.online && state.connection !== "lost");
    else setText(this.parts.result, `${fullTime(run.state_unix_ms)}: ${run.text}.`);
  }

  renderOpen(run, isOnline) {
    const { at, next } = run;
    const part = (name) => this.parts.open.querySelector(name);
    setText(part(".where"), t("{recipe}, day {day} of {days}. Stage {stage} of {stages}: {stage_name}, day {stage_day} of {stage_days}", { recipe: run.recipe, ...at }));
    part("progress").value = at.day / at.days;
    setText(part(".stage"), at.stage_text);
    const [level, words] = setpointsText(run, isOnline);
    const confirmation = part(".confirmation");
    confirmation.dataset.level = level;
    setText(confirmation, words);
    fill(part(".now"), run.setpoints);
    setText(part(".next h3"), nextText(run));
    fill(part(".next dl"), next ? next.setpoints : []);
    this.showTimeline(run);
    part(".resume").hidden = run.state !== "held";
    part(".onward").hidden = at.stage === at.stages;
  }

  /** Draw the timeline of the run, loaded once for each run. */
  async showTimeline(run) {
    const key = `${run.recipe} ${run.started_unix_ms}`;
    if (this.timelineOf !== key) {
      this.timelineOf = key;
      this.stages = [];
      try {
        const { timeline } = await request(this.path);
        this.stages = timeline || [];
      } catch {
        this.timelineOf = null;
      }
    }
    const text = `${key} ${run.at.day} ${this.stages.length}`;
    const list = this.parts.open.querySelector(".timeline");
    if (list.dataset.text === text) return;
    list.dataset.text = text;
    drawTimeline(list, this.stages, run.at.day);
  }
}
