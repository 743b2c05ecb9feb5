// What the page knows about the nodes, and the one place that changes it.

const boot = JSON.parse(document.getElementById("boot").textContent);

export const state = {
  nodes: new Map(boot.nodes.map((node) => [node.node, node])),
  digest: boot.digest,
  eventId: boot.event_id,
  hostReasons: boot.host_reasons,
  sites: boot.sites,
  alarms: boot.alarms,
  link: "connecting",
  lostUnixMs: null,
};

let offsetMs = boot.now_unix_ms - Date.now();
const listeners = new Set();

/** The host's wall time in ms: ages stay right on a phone with a wrong clock. */
export function nowUnixMs() {
  return Date.now() + offsetMs;
}

/** Call `listener(message)` after every message; `{type: "tick"}` once a second. Returns what ends
 * it. */
export function listen(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function tell(message) {
  for (const listener of listeners) listener(message);
}

/** A function that runs `work` once before the next frame, however often it is called. */
export function once(work) {
  let waiting = false;
  return () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      work();
    });
  };
}

/** `sinceUnixMs`: when the host was last heard, where it no longer is. */
export function setLink(link, sinceUnixMs = null) {
  if (link === "lost" && state.link !== "lost") state.lostUnixMs = sinceUnixMs;
  state.link = link;
  tell({ type: "link" });
}

export function setClock(unixMs) {
  offsetMs = unixMs - Date.now();
}

/** Take a snapshot of everything; `messages` of the stream came since it was asked for. */
export function replaceNodes(nodes, sites, messages) {
  state.nodes = new Map(nodes.map((node) => [node.node, node]));
  state.sites = sites;
  for (const message of messages) fold(message);
  tell({ type: "nodes" });
}

/** Fold one message of the live stream into the state, then tell everyone. */
export function apply(message) {
  fold(message);
  tell(message);
}

function fold(message) {
  const node = state.nodes.get(message.node);
  if (message.type === "record" && node) applyRecord(node, message);
  if (message.type === "node") {
    const old = node || { channels: {} };
    state.nodes.set(message.node, { ...old, ...message.changes });
  }
  if (message.type === "sites") state.sites = message.sites;
  if (message.type === "alarms") state.alarms = message.summary;
  if (message.type === "host") state.hostReasons = message.reasons;
  if (message.type === "gone") state.nodes.delete(message.node);
}

function applyRecord(node, record) {
  for (const [channel, value] of Object.entries(record.values)) {
    setChannel(node, channel, { value, fault: null, fault_text: null }, record.unix_ms);
  }
  for (const [channel, fault] of Object.entries(record.faults)) {
    const text = (record.fault_texts || {})[channel] || fault;
    setChannel(node, channel, { value: null, fault, fault_text: text }, record.unix_ms);
  }
}

function setChannel(node, channel, reading, unixMs) {
  const known = node.channels[channel];
  if (!known || (known.unix_ms !== null && known.unix_ms > unixMs)) return;
  Object.assign(known, reading, { unix_ms: unixMs });
}
