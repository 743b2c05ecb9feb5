// The state of the page, and the only functions that change it.

const boot = JSON.parse(document.getElementById("boot").textContent);

export const state = {
  nodes: new Map(boot.nodes.map((node) => [node.node, node])),
  digest: boot.digest,
  eventId: boot.event_id,
  hostReasons: boot.host_reasons,
  sites: boot.sites,
  alarms: boot.alarms,
  connection: "connecting",
  lostUnixMs: null,
};

const LATE_MS = 5_000;
let offsetMs = boot.now_unix_ms - Date.now();
const listeners = new Set();

/** The host's wall time in ms: ages stay right on a phone with a wrong clock. */
export function nowUnixMs() {
  return Date.now() + offsetMs;
}

/** Call `listener(message)` after each message, and with `{type: "tick"}` once a second. Returns a
 * function that removes the listener. */
export function listen(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function publish(message) {
  for (const listener of listeners) listener(message);
}

/** A function that runs `work` at most once per frame. */
export function oncePerFrame(work) {
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

/** `sinceUnixMs`: time of the last contact, if the connection is lost. */
export function setConnection(connection, sinceUnixMs = null) {
  if (connection === "lost" && state.connection !== "lost") state.lostUnixMs = sinceUnixMs;
  state.connection = connection;
  publish({ type: "connection" });
}

/** Take in the host's time from a message. One that was long on its way tells a time that is late: the
 * message with the shortest way counts, unless a clock was set since. */
export function setClock(unixMs) {
  const foundMs = unixMs - Date.now();
  if (foundMs > offsetMs || foundMs < offsetMs - LATE_MS) offsetMs = foundMs;
}

/** Replace all nodes and sites; `messages` arrived since the snapshot was requested. */
export function replaceNodes(nodes, sites, messages) {
  state.nodes = new Map(nodes.map((node) => [node.node, node]));
  state.sites = sites;
  for (const message of messages) merge(message);
  publish({ type: "nodes" });
}

/** Apply one message of the live stream, then call the listeners. */
export function apply(message) {
  merge(message);
  publish(message);
}

function merge(message) {
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
