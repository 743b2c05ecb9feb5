// The update page, rendered by the host and refreshed every AGAIN_MS.

import { byId, make } from "./dom.js";
import { startFrame } from "./page_frame.js";
import { request, start } from "./connection.js";
import { LatestResponse, coalesced } from "./latest_response.js";
import { openConfirm, whileOpen, withDisabled } from "./confirm_dialog.js";
import { wireUpload } from "./release_upload.js";

const AGAIN_MS = 4_000;
const READ_MS = 30_000;
const renderings = new LatestResponse();
const shown = byId("updates");
let isAsking = false;

function showOutcome(text) {
  byId("trouble").textContent = text;
  byId("trouble").dataset.state = "failed";
  byId("trouble").hidden = !text;
}

async function rendering() {
  const answer = await fetch(location.pathname, { headers: { Accept: "text/html" }, signal: AbortSignal.timeout(READ_MS) });
  return answer.ok ? answer.text() : "";
}

const OF = ["cancel", "begin", "runs"]; // data attributes that name what a control or row is of

/** Update `old` in place to match `fresh`. What is the same stays, with the focus and a press on it. */
function follow(old, fresh) {
  if (old.isEqualNode(fresh)) return;
  if (old.nodeName !== fresh.nodeName || !fresh.attributes || OF.some((key) => old.dataset[key] !== fresh.dataset[key])) {
    old.replaceWith(fresh); // another element, of another object, or a text
    return;
  }
  for (const { name } of [...old.attributes]) if (!fresh.hasAttribute(name)) old.removeAttribute(name);
  for (const { name, value } of fresh.attributes) old.setAttribute(name, value);
  const [before, children] = [[...old.childNodes], [...fresh.childNodes]];
  if (before.length === children.length) before.forEach((child, index) => follow(child, children[index]));
  else old.replaceChildren(...children);
}

/** Change the content to the newest rendering of the host. */
async function reload() {
  const text = await renderings.of(rendering()).catch(() => ""); // the strip shows the lost connection
  const newest = text && new DOMParser().parseFromString(text, "text/html").getElementById("updates");
  if (newest && !isAsking) follow(shown, newest);
}

async function cancel(button) {
  const path = `/api/updates/rollouts/${button.dataset.cancel}/cancel`;
  isAsking = true;
  try {
    await withDisabled(shown.querySelectorAll("button"), () => renderings.change(request(path, { method: "POST", body: {} })));
    showOutcome("");
  } catch (error) {
    showOutcome(error.message);
  }
  isAsking = false;
  await reload();
}

/** The dialog to start a roll-out; errors are shown in the dialog. */
class RolloutDialog {
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

  ask({ begin, title, nodes, version }) {
    this.release = begin;
    this.dialog.querySelector("h2").textContent = title;
    this.picks.replaceChildren(...nodes.split(" ").map((node) => {
      const box = make("input", { type: "checkbox", value: node, checked: true });
      const label = make("label", { className: "check" });
      const runs = shown.querySelector(`[data-runs="${CSS.escape(node)}"]`)?.dataset.version || "\u2014";
      label.append(box, ` ${node}: ${runs} \u2192 ${version}`); // what changes
      return label;
    }));
    this.first.value = "";
    this.offerFirsts();
    this.outcome.textContent = "";
    openConfirm(this.dialog, () => this.nodes.length > 0);
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
    const isOpen = whileOpen(this.dialog);
    try {
      const body = { release: this.release, nodes: this.nodes, canary: this.first.value || null };
      await withDisabled([this.yes], () => renderings.change(request("/api/updates/rollouts", { method: "POST", body })));
      if (isOpen()) this.dialog.close();
      showOutcome("");
      reload();
    } catch (error) {
      if (!isOpen()) return showOutcome(error.message);
      this.outcome.dataset.state = "failed";
      this.outcome.textContent = error.message;
    }
  }
}

const begin = byId("begin") && new RolloutDialog(byId("begin"));

shown.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (button?.dataset.cancel) cancel(button);
  if (button?.dataset.begin) begin.ask(button.dataset);
});

wireUpload(() => reload());
const reloadSoon = coalesced(reload);
setInterval(() => document.visibilityState === "visible" && reloadSoon(), AGAIN_MS);
startFrame();
start();
