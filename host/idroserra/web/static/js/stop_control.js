// The stop of a node and its dosing state, shown in every room.

import { command, follow, stopNode } from "./commands.js";
import { withDisabled } from "./confirm_dialog.js";
import { make } from "./dom.js";
import { t } from "./i18n.js";
import { wireStopKey } from "./stop_key.js";

const AGAIN_MS = 3_000;

/** The stop button, and the resume button once the node reports that it is stopped. */
export class StopControl {
  constructor(root, node) {
    this.node = node;
    [this.stop, this.resume] = root.querySelectorAll("button");
    this.line = root.querySelector("[data-dosing]");
    this.outcome = root.querySelector(".outcome");
    this.stop.addEventListener("click", () => this.sendStop());
    this.resume.addEventListener("click", () => this.sendResume());
    if (document.body.dataset.role !== "viewer") wireStopKey(this.stop);
  }

  async sendStop() {
    setTimeout(() => (this.stop.disabled = false), AGAIN_MS); // can be repeated
    await withDisabled([this.stop, this.resume], () => stopNode(this.node, this.outcome));
  }

  async sendResume() {
    const texts = [t("Resuming dosing\u2026"), t("Confirmed: dosing is enabled again")];
    // A stop does not wait for the answer to a resume.
    await withDisabled([this.resume], () => follow(this.outcome, ...texts, () => command(this.node, "resume", {})));
  }

  /** The state of dosing, with a link to what holds it; the bar itself has Resume. */
  showLine({ text, href }) {
    if (this.line.dataset.text === text + href) return;
    this.line.dataset.text = text + href;
    const isHere = !href || href.endsWith("#control");
    this.line.replaceChildren(isHere ? text : make("a", { href, textContent: text }));
  }

  render(dosing) {
    this.line.dataset.level = dosing.level;
    this.showLine(dosing);
    this.resume.hidden = !["stopped", "latched"].includes(dosing.state);
  }
}
