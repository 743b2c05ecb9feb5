// Talking to the host: plain requests with one clear message each, and the live stream.

import { confirmPassword } from "./again.js";
import "./exports.js";
import { t } from "./i18n.js";
import { install, noteSeen } from "./installed.js";
import { Newest } from "./newest.js";
import { apply, nowUnixMs, replaceNodes, setClock, setLink, state, tell } from "./state.js";

const READ_MS = 30_000;
const CHANGE_MS = 20_000;
// A browser has six connections to a host: one is the stream's, one is left for what is to be done.
const MOST_READS = 4;
let reads = 0;
const waiting = [];

/** Fetch JSON. Rejects with an Error whose message can be shown as it is. `body` may be a function,
 * which is called each time it is sent. Charts and lists wait their turn, so that none of them holds
 * up a stop; what is to be done, and what `isUrgent`, does not. */
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

/** No answer came, or not all of it. */
export class Unanswered extends Error {}

async function asked(path, options) {
  const { method = "GET", isUrgent = method !== "GET" } = options;
  if (isUrgent) return sent(path, options);
  if (reads < MOST_READS) reads += 1;
  else await new Promise((resolve) => waiting.push(resolve));
  try {
    return await sent(path, options);
  } finally {
    const next = waiting.shift();
    if (next) next();
    else reads -= 1;
  }
}

async function sent(path, { method = "GET", body, signal, timeoutMs = method === "GET" ? READ_MS : CHANGE_MS }) {
  const words = unansweredWords(method);
  const ending = new AbortController();
  const end = () => ending.abort();
  const timer = setTimeout(end, timeoutMs);
  if (signal && signal.aborted) end();
  if (signal) signal.addEventListener("abort", end);
  try {
    const answer = await fetch(path, {
      method,
      signal: ending.signal,
      headers: method === "GET" ? {} : { "Content-Type": "application/json" },
      body: body === undefined ? undefined : JSON.stringify(typeof body === "function" ? body() : body),
    });
    return { answer, content: parsedOr(await answer.text(), {}) };
  } catch (error) {
    if (signal && signal.aborted) throw error;
    throw new Unanswered(words);
  } finally {
    clearTimeout(timer);
    if (signal) signal.removeEventListener("abort", end);
  }
}

/** What to say where no answer comes to what is asked now. */
function unansweredWords(method) {
  if (method === "GET") return t("The host does not answer: check the network.");
  if (!navigator.onLine) return t("The host does not answer: check the network, nothing was sent.");
  return t("No answer came from the host: whether it was done is not known. Look before you ask again.");
}

function parsedOr(text, otherwise) {
  try {
    return JSON.parse(text);
  } catch {
    return otherwise;
  }
}

/** The session has ended: log in, and come back here. */
function toLogin() {
  location.assign(`/login?next=${encodeURIComponent(location.pathname + location.search)}`);
}

const SILENCE_MS = 12_000;
const AGAIN_MS = 5_000;
const snapshots = new Newest();
const keeping = new Set(); // lists of messages, each of those since a snapshot was asked for
let source = null;
let heardMs = 0;
let trueMs = Date.now(); // when what is shown was the newest there was
let askedMs = 0;
let hole = null; // since when something was missed that no snapshot has brought yet

function open() {
  if (source) return;
  source = new EventSource(`/api/live?after=${encodeURIComponent(state.eventId)}`);
  heardMs = Date.now();
  source.onmessage = (event) => {
    state.eventId = event.lastEventId;
    hear(JSON.parse(event.data));
  };
  source.onerror = () => {
    lose();
    if (source && source.readyState === EventSource.CLOSED) {
      close();
      request("/api/session", { isUrgent: true }).then(({ user }) => user || toLogin(), () => {});
    }
  };
}

function close() {
  if (source) source.close();
  source = null;
}

function lose() {
  setLink("lost", nowUnixMs() - (Date.now() - trueMs));
}

function hear(message) {
  heardMs = Date.now();
  if (message.type === "logged_out") return toLogin();
  if (message.unix_ms_now) setClock(message.unix_ms_now);
  if (message.type === "hello" && message.digest !== state.digest) tell({ type: "outdated" });
  if (message.missed || message.type === "missed") {
    hole = { sinceMs: Date.now() };
    if (message.alarms) take({ type: "alarms", summary: message.alarms });
    if (message.host) take({ type: "host", reasons: message.host });
    refresh();
  }
  if (!hole) isTrue();
  if (!["hello", "missed", "heartbeat"].includes(message.type)) take(message);
}

function isTrue() {
  trueMs = Date.now();
  noteSeen(trueMs);
  if (state.link !== "live") setLink("live");
}

function take(message) {
  for (const messages of keeping) messages.push(message);
  apply(message);
}

/** Ask for everything. What the stream tells meanwhile may be newer, and is told again. */
async function refresh() {
  const [mends, messages] = [hole, []];
  askedMs = Date.now();
  keeping.add(messages);
  try {
    const found = await snapshots.of(Promise.all(["/api/nodes", "/api/sites"].map((path) => request(path, { isUrgent: true }))));
    if (!found) return;
    replaceNodes(found[0].nodes, found[1].sites, messages);
    if (hole !== mends) return;
    hole = null;
    if (mends) isTrue();
  } catch {
    // What was missed is asked for again by watch().
  } finally {
    keeping.delete(messages);
  }
}

/** One EventSource a tab, closed while the tab is hidden: a browser allows six per host. */
export function start() {
  install();
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) return close();
    if (Date.now() - trueMs > SILENCE_MS) lose();
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
  const now = Date.now();
  if (source && now - heardMs > SILENCE_MS) {
    lose();
    close();
  }
  if (!source) open();
  if (hole && now - hole.sinceMs > SILENCE_MS) lose();
  if (hole && !keeping.size && now - askedMs > AGAIN_MS) refresh();
}
