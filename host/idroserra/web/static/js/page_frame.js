// The frame of pages about all greenhouses: status strip, connection, alarm badge.

import { byId } from "./dom.js";
import { renderAlarmBadge, withAlarms } from "./alarm_badge.js";
import { overall } from "./overview.js";
import { listen, oncePerFrame, state } from "./state.js";
import { newestOf, renderConnection, renderStrip, healthOf, withHost } from "./strip.js";


function renderFrame() {
  const nodes = [...state.nodes.values()];
  renderStrip(byId("strip"), state.connection === "lost" ? healthOf({}) : withHost(withAlarms(overall(nodes))), newestOf(nodes));
  renderConnection(byId("link"));
  renderAlarmBadge();
}

/** Render it now and after each message; `onMessage` is called first. */
export function startFrame(onMessage = () => {}) {
  const renderSoon = oncePerFrame(renderFrame);
  listen((message) => {
    if (message.type === "outdated") byId("outdated").hidden = false;
    onMessage(message);
    renderSoon();
  });
  renderFrame();
}
