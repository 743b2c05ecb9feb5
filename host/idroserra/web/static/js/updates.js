// The page of updates: drawn by the host, and drawn again while something is under way.

import { keepFrame } from "./frame.js";
import { request, start } from "./link.js";
import { Newest, oneAtATime } from "./newest.js";
import { alone, openSure } from "./sure.js";

const AGAIN_MS = 4_000;
const READ_MS = 30_000;
const pictures = new Newest();
const byId = (id) => document.getElementById(id);
const shown = byId("updates");
let isAsking = false;

function say(text) {
  byId("trouble").textContent = text;
  byId("trouble").dataset.state = "failed";
  byId("trouble").hidden = !text;
}

async function picture() {
  const answer = await fetch(location.pathname, { headers: { Accept: "text/html" }, signal: AbortSignal.timeout(READ_MS) });
  return answer.ok ? answer.text() : "";
}

/** Put the host's newest picture in place of this one. */
async function reload() {
  const text = await pictures.of(picture()).catch(() => ""); // the strip says that the host is away
  const newest = text && new DOMParser().parseFromString(text, "text/html").getElementById("updates");
  if (newest && !isAsking && newest.innerHTML !== shown.innerHTML) shown.replaceChildren(...newest.childNodes);
}

async function cancel(button) {
  const path = `/api/updates/rollouts/${button.dataset.cancel}/cancel`;
  isAsking = true;
  try {
    await alone(shown.querySelectorAll("button"), () => pictures.change(request(path, { method: "POST", body: {} })));
    say("");
  } catch (error) {
    say(error.message);
  }
  isAsking = false;
  await reload();
}

/** Ask which nodes get a release, then begin. What the host refuses is said in the dialog. */
class Begin {
  constructor(dialog) {
    this.dialog = dialog;
    this.picks = dialog.querySelector(".picks");
    this.first = dialog.querySelector("select");
    this.outcome = dialog.querySelector(".outcome");
    this.yes = dialog.querySelector("[value=yes]");
    this.picks.addEventListener("change", () => this.offerFirsts());
    dialog.querySelector("form").addEventListener("submit", (event) => {
      if (event.submitter !== this.yes) return;
      event.preventDefault();
      this.send();
    });
  }

  ask({ begin, title, nodes }) {
    this.release = begin;
    this.dialog.querySelector("h2").textContent = title;
    this.picks.replaceChildren(...nodes.split(" ").map((node) => {
      const box = Object.assign(document.createElement("input"), { type: "checkbox", value: node, checked: true });
      const label = document.createElement("label");
      label.append(box, ` ${node}`);
      return label;
    }));
    this.first.value = "";
    this.offerFirsts();
    this.outcome.textContent = "";
    openSure(this.dialog);
  }

  get nodes() {
    return [...this.picks.querySelectorAll(":checked")].map((box) => box.value);
  }

  offerFirsts() {
    const wanted = this.first.value;
    this.first.replaceChildren(this.first.options[0], ...this.nodes.map((node) => new Option(node)));
    this.first.value = this.nodes.includes(wanted) ? wanted : "";
    this.yes.disabled = !this.nodes.length;
  }

  async send() {
    try {
      const body = { release: this.release, nodes: this.nodes, canary: this.first.value || null };
      await alone([this.yes], () => pictures.change(request("/api/updates/rollouts", { method: "POST", body })));
      this.dialog.close();
      say("");
      reload();
    } catch (error) {
      this.outcome.dataset.state = "failed";
      this.outcome.textContent = error.message;
    }
  }
}

const begin = byId("begin") && new Begin(byId("begin"));

shown.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (button?.dataset.cancel) cancel(button);
  if (button?.dataset.begin) begin.ask(button.dataset);
});

const reloadSoon = oneAtATime(reload);
setInterval(() => document.visibilityState === "visible" && reloadSoon(), AGAIN_MS);
keepFrame();
start();
