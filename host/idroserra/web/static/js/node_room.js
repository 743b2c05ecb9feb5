// The frame of a node's rooms: state, stop, and the progress of an import.

import { renderAlarmBadge } from "./alarm_badge.js";
import { start } from "./connection.js";
import { byId } from "./dom.js";
import { number } from "./format.js";
import { t } from "./i18n.js";
import { listen, oncePerFrame, state } from "./state.js";
import { StopControl } from "./stop_control.js";
import { newestOf, renderConnection, renderStrip, healthOf } from "./strip.js";

export const name = document.querySelector("main").dataset.node;
const stop = new StopControl(byId("control"), name);

function renderImport(progress) {
  const root = byId("import");
  root.hidden = !progress;
  if (!progress) return;
  const share = progress.total_ms ? progress.done_ms / progress.total_ms : 0;
  const days = (ms) => number(ms / 86400e3, 1);
  root.querySelector("progress").value = share;
  root.querySelector("span").textContent =
    t("Loading history: {done} of {total} days. Live readings are not affected.", { done: days(progress.done_ms), total: days(progress.total_ms) });
  root.querySelector("b").textContent = `${Math.floor(share * 100)} %`;
}

function renderFrame(node) {
  renderStrip(byId("strip"), healthOf(node), newestOf([node]));
  renderConnection(byId("link"));
  renderAlarmBadge();
  renderImport(node.history_progress);
  stop.render(node.dosing);
}

/** Start a room: `render(node)` is called after each message, at most once per frame; `renderSlow(node)`
 * when the node has changed; `load()` at the start and when stored history may have changed unheard;
 * `onMessage(message)` for each message. */
export function startRoom({ render = () => {}, renderSlow = () => {}, load = () => {}, onMessage = () => {} }) {
  let isImporting = Boolean(state.nodes.get(name).history_progress);
  const renderAll = () => {
    const node = state.nodes.get(name);
    if (!node) return;
    renderFrame(node);
    render(node);
  };
  const renderSoon = oncePerFrame(renderAll);
  listen((message) => {
    if (!state.nodes.has(name)) { // forgotten: the host shows a page
      if (["gone", "nodes"].includes(message.type)) location.reload();
      return;
    }
    if (message.type === "outdated") byId("outdated").hidden = false;
    const node = state.nodes.get(name);
    if (message.type === "nodes" || (message.type === "node" && message.node === name)) renderSlow(node);
    if (message.type === "nodes" || (isImporting && !node.history_progress)) load();
    isImporting = Boolean(node.history_progress);
    onMessage(message);
    renderSoon();
  });
  document.querySelector(".rooms [aria-current]").scrollIntoView({ block: "nearest", inline: "center" });
  renderSlow(state.nodes.get(name));
  renderAll();
  load();
  start();
}
