// Talking to the host: plain requests with one clear message each, and the live stream.

import { confirmPassword } from "./again.js";
import "./exports.js";
import { t } from "./i18n.js";
import { install, noteSeen } from "./installed.js";
import { apply, replaceNodes, setClock, setLink, state, tell } from "./state.js";

/** Fetch JSON. Rejects with an Error whose message can be shown as it is. */
export async function request(path, options = {}) {
  const { answer, content } = await asked(path, options);
  if (answer.ok) return content;
  if (answer.status === 401) toLogin();
  if (content.needs_password) {
    await confirmPassword((password) => request("/api/session/confirm", { method: "POST", body: { password } }));
    return request(path, options);
  }
  throw new Error(content.words || content.error || t("The host answered {status}.", { status: answer.status }));
}

async function asked(path, { method = "GET", body, signal }) {
  let answer;
  try {
    answer = await fetch(path, {
      method,
      signal,
      headers: method === "GET" ? {} : { "Content-Type": "application/json" },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error(t("The host does not answer: check the network, nothing was sent."));
  }
  return { answer, content: await answer.json().catch(() => ({})) };
}

/** The session has ended: log in, and come back here. */
function toLogin() {
  location.assign(`/login?next=${encodeURIComponent(location.pathname + location.search)}`);
}

const SILENCE_MS = 12_000;
let source = null;
let heardMs = 0;

function open() {
  if (source) return;
  source = new EventSource(`/api/live?after=${encodeURIComponent(state.eventId)}`);
  heardMs = Date.now();
  source.onmessage = (event) => {
    state.eventId = event.lastEventId;
    hear(JSON.parse(event.data));
  };
  source.onerror = () => {
    setLink("lost");
    if (source && source.readyState === EventSource.CLOSED) {
      close();
      request("/api/session").then(({ user }) => user || toLogin(), () => {});
    }
  };
}

function close() {
  if (source) source.close();
  source = null;
}

function hear(message) {
  heardMs = Date.now();
  noteSeen(heardMs);
  if (message.unix_ms_now) setClock(message.unix_ms_now);
  if (state.link !== "live") setLink("live");
  if (message.type === "logged_out") return toLogin();
  if (message.type === "hello") {
    if (message.digest !== state.digest) tell({ type: "outdated" });
    if (message.missed) refresh();
    return;
  }
  if (message.type === "missed") refresh();
  else if (message.type !== "heartbeat") apply(message);
}

async function refresh() {
  const asked = [request("/api/nodes"), request("/api/sites")];
  const [nodes, sites] = await Promise.all(asked).catch(() => []);
  if (nodes) replaceNodes(nodes.nodes, sites.sites);
}

/** One EventSource a tab, closed while the tab is hidden: a browser allows six per host. */
export function start() {
  install();
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) return close();
    open();
    return refresh();
  });
  window.addEventListener("pagehide", close);
  setInterval(() => {
    if (!document.hidden) watch();
    tell({ type: "tick" });
  }, 1000);
  if (!document.hidden) open();
}

function watch() {
  if (source && Date.now() - heardMs > SILENCE_MS) {
    setLink("lost");
    close();
  }
  if (!source) open();
}
