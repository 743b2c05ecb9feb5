// The frame of pages about all greenhouses: status strip, connection, alarm badge.

import { byId } from "./dom.js";
import { renderAlarmBadge, withAlarms } from "./alarm_badge.js";
import { overall } from "./overview.js";
import { listen, oncePerFrame, state } from "./state.js";
import { newestOf, renderConnection, renderStrip, healthOf, withHost } from "./strip.js";


function renderFrame(ownHealth) {
  const nodes = [...state.nodes.values()];
  const health = ownHealth || (() => withHost(withAlarms(overall(nodes))));
  renderStrip(byId("strip"), state.connection === "lost" ? healthOf({}) : health(), newestOf(nodes));
  if (ownHealth) byId("strip").querySelector(".age").textContent = ""; // that of the nodes of this host
  renderConnection(byId("link"));
  renderAlarmBadge();
}

/** Render it now and after each message; `onMessage` is called first. `ownHealth()`: what the strip
 * shows instead of the nodes of this host. */
export function startFrame(onMessage = () => {}, ownHealth = null) {
  const renderSoon = oncePerFrame(() => renderFrame(ownHealth));
  listen((message) => {
    if (message.type === "outdated") byId("outdated").hidden = false;
    onMessage(message);
    renderSoon();
  });
  renderFrame(ownHealth);
}
