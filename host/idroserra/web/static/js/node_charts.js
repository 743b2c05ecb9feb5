// The history of a node.

import { Stack, spanText } from "./chart.js";
import { ChartView } from "./chart_view.js";
import { byId } from "./dom.js";
import { setSpan } from "./exports.js";
import { name, startRoom } from "./node_room.js";
import { nowUnixMs, state } from "./state.js";
import { Range, RANGES } from "./time_range.js";

// A longer range while history is being loaded.
const range = new Range(nowUnixMs, state.nodes.get(name).history_progress ? "14d" : "24h");
const stack = new Stack(byId("stack"), state.nodes.get(name), range);
const view = new ChartView(byId("history"), stack, range);
let cursorUnixMs = null;

function renderRange() {
  for (const button of byId("ranges").children) {
    button.setAttribute("aria-pressed", String(range.follows && button.dataset.range === range.name));
  }
  for (const id of ["export-history", "export-setpoints"]) setSpan(byId(id), ...(stack.shownBounds || range.bounds));
  byId("now").hidden = range.follows;
  byId("later").disabled = range.follows;
  byId("span").textContent = spanText(stack.shownBounds || range.bounds, cursorUnixMs);
}

function wireRange() {
  byId("ranges").addEventListener("click", (event) => {
    const { range: wanted } = event.target.dataset;
    if (wanted in RANGES) stack.move(() => range.follow(wanted));
  });
  byId("earlier").addEventListener("click", () => stack.move(() => range.pan(-0.5)));
  byId("later").addEventListener("click", () => stack.move(() => range.pan(0.5)));
  byId("now").addEventListener("click", () => stack.move(() => range.follow(range.name)));
  stack.root.addEventListener("shown", () => {
    renderRange();
    byId("no-data").hidden = !stack.shownBounds || stack.doses.length > 0 || stack.panels.some((panel) => panel.root.dataset.points > 0);
  });
  stack.root.addEventListener("cursor", (event) => {
    cursorUnixMs = event.detail;
    renderRange();
  });
  stack.root.addEventListener("trouble", (event) => {
    byId("trouble").textContent = event.detail;
    byId("trouble").hidden = !event.detail;
  });
}

wireRange();
renderRange();
startRoom({
  renderSlow(node) {
    stack.setNode(node);
    view.render(node);
  },
});
