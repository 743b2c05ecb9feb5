// What frames a page of all greenhouses: the strip, the link, the bell.

import { renderBell } from "./bell.js";
import { overall } from "./overview.js";
import { listen, once, state } from "./state.js";
import { newestOf, renderLink, renderStrip, verdictOf, withHost } from "./strip.js";

const byId = (id) => document.getElementById(id);

function renderFrame() {
  const nodes = [...state.nodes.values()];
  renderStrip(byId("strip"), state.link === "lost" ? verdictOf({}) : withHost(overall(nodes)), newestOf(nodes));
  renderLink(byId("link"));
  renderBell();
}

/** Draw it, and again after each message; `onMessage` gets the message first. */
export function keepFrame(onMessage = () => {}) {
  const renderSoon = once(renderFrame);
  listen((message) => {
    if (message.type === "outdated") byId("outdated").hidden = false;
    onMessage(message);
    renderSoon();
  });
  renderFrame();
}
