// The recipe of a node: where it stands, what it wants, and only what the node said of it.

import { request } from "./link.js";
import { state } from "./state.js";
import { dayText, fullTime } from "./words.js";

const STATES = { running: "running", held: "held", finished: "over", stopped: "stopped" };
// What is asked before it is done: question, what it means, button.
const SURE = {
  start: (name) => [`Start ${name} today?`, "Its setpoints go to the node at once, and each day's after that. Change one by hand at any time: it stays until the recipe changes it.", "Start now"],
  skip: (name, run) => [`Begin the next stage of ${name} today?`, `The rest of ${run.at.stage_name} is left out.`, "Next stage now"],
  stop: (name) => [`Stop ${name}?`, "The setpoints stay as they are.", "Stop it now"],
};

function put(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Fill a list of setpoints; what else is in force is told beneath. */
function fill(list, lines) {
  const text = JSON.stringify(lines);
  if (list.dataset.text === text) return;
  list.dataset.text = text;
  list.replaceChildren(...lines.map((line) => {
    const row = document.createElement("div");
    const dd = Object.assign(document.createElement("dd"), { textContent: line.text });
    if (line.in_force) {
      const who = line.is_by_hand ? "Set by hand, in force" : "Still in force";
      dd.append(Object.assign(document.createElement("small"), { textContent: `${who}: ${line.in_force}` }));
    }
    row.append(Object.assign(document.createElement("dt"), { textContent: line.label }), dd);
    return row;
  }));
}

/** What the node made of the last setpoints, as [level, words]. */
function toldText(run, isOnline) {
  const { told } = run;
  if (run.state === "held") return ["warn", `Held: ${run.reason}. Nothing more is sent until you decide.`];
  if (run.reason) return ["warn", `Not sent yet: ${run.reason}.`];
  if (told.state === "confirmed") return ["ok", "The node has confirmed the setpoints."];
  if (isOnline) return ["note", "Sent; the node has not confirmed the setpoints yet."];
  return ["note", "The node is offline: it gets the setpoints when it is back."];
}

export class RecipePanel {
  constructor(root, dialog, node) {
    this.root = root;
    this.dialog = dialog;
    this.node = node;
    this.outcome = root.querySelector(":scope > .outcome");
    this.parts = Object.fromEntries([...root.querySelectorAll("[data-part]")].map((part) => [part.dataset.part, part]));
    this.select = this.parts.start.elements.recipe;
    this.select.addEventListener("change", () => this.about());
    this.parts.start.addEventListener("submit", (event) => {
      event.preventDefault();
      this.ask("start");
    });
    for (const [place, verb] of [["onward", "skip"], ["end", "stop"]]) {
      root.querySelector(`.${place}`).addEventListener("click", () => this.ask(verb));
    }
    root.querySelector(".resume").addEventListener("click", () => this.send("resume"));
    dialog.addEventListener("close", () => dialog.returnValue === "yes" && this.send(this.verb));
    this.about();
  }

  get path() {
    return `/api/nodes/${encodeURIComponent(this.node)}/recipe`;
  }

  about() {
    put(this.root.querySelector(".about"), this.select.selectedOptions[0]?.dataset.text || "");
  }

  async ask(verb) {
    this.say("");
    const { recipe: run } = state.nodes.get(this.node);
    const name = verb === "start" ? this.select.value : run.recipe;
    let notes = [];
    if (verb === "start") {
      try {
        ({ notes } = await request(`${this.path}/notes?recipe=${encodeURIComponent(name)}`));
      } catch (error) {
        this.say(error.message);
        return;
      }
    }
    this.verb = verb;
    const [question, meaning, yes] = SURE[verb](name, run);
    put(this.dialog.querySelector("h2"), question);
    put(this.dialog.querySelector("p"), meaning);
    put(this.dialog.querySelector("button"), yes);
    this.dialog.querySelector(".notes").replaceChildren(...notes.map((note) => Object.assign(
      document.createElement("li"), { textContent: `${note.stage}: ${note.text}` })));
    this.dialog.returnValue = "";
    this.dialog.showModal();
  }

  async send(verb) {
    const [path, body] = verb === "start" ? [this.path, { recipe: this.select.value }] : [`${this.path}/${verb}`, {}];
    this.busy(true);
    try {
      const { run } = await request(path, { method: "POST", body });
      state.nodes.get(this.node).recipe = run;
      this.render(state.nodes.get(this.node));
      this.say("");
    } catch (error) {
      this.say(error.message);
    }
    this.busy(false);
  }

  busy(isBusy) {
    for (const button of this.root.querySelectorAll("[data-part] button")) button.disabled = isBusy;
  }

  say(text) {
    this.outcome.dataset.state = text ? "failed" : "";
    put(this.outcome, text);
  }

  render(node) {
    const run = node.recipe;
    const isOpen = Boolean(run && (run.state === "running" || run.state === "held"));
    this.root.hidden = !node.adopted && !run;
    this.root.dataset.state = run ? run.state : "";
    this.parts.open.hidden = !isOpen;
    this.parts.start.hidden = isOpen || !node.adopted;
    this.parts.result.hidden = !run || isOpen;
    const chip = this.root.querySelector(".chip");
    chip.hidden = !run;
    if (!run) return;
    chip.dataset.level = run.level;
    put(chip, STATES[run.state]);
    if (isOpen) this.renderOpen(run, node.online && state.link !== "lost");
    else put(this.parts.result, `${fullTime(run.state_unix_ms)}: ${run.text}.`);
  }

  renderOpen(run, isOnline) {
    const { at, next } = run;
    const part = (name) => this.parts.open.querySelector(name);
    put(part(".where"), `${run.recipe}, day ${at.day} of ${at.days}. Stage ${at.stage} of ${at.stages}: ${at.stage_name}, day ${at.stage_day} of ${at.stage_days}`);
    part("progress").value = at.day / at.days;
    put(part(".stage"), at.stage_text);
    const [level, words] = toldText(run, isOnline);
    const told = part(".told");
    told.dataset.level = level;
    put(told, words);
    fill(part(".now"), run.setpoints);
    put(part(".next h3"), next
      ? `Next, ${dayText(next.unix_ms)}${next.stage === at.stage ? "" : `, stage ${next.stage_name}`}`
      : `Nothing changes any more; it is over on ${dayText(run.end_unix_ms)}`);
    fill(part(".next dl"), next ? next.setpoints : []);
    part(".resume").hidden = run.state !== "held";
    part(".onward").hidden = at.stage === at.stages;
  }
}
