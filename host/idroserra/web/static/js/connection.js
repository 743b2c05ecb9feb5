// The connection to the host: requests, and the live stream.

import { confirmPassword } from "./confirm_password.js";
import "./exports.js";
import { timeText } from "./format.js";
import { t } from "./i18n.js";
import { install, rememberContact } from "./pwa.js";
import { LatestResponse } from "./latest_response.js";
import { apply, nowUnixMs, replaceNodes, setClock, setConnection, state, publish } from "./state.js";

const READ_MS = 30_000;
const CHANGE_MS = 20_000;
// A browser opens six connections to a host: one is for the stream, one stays free for actions.
const MOST_READS = 4;
let reads = 0;
const unreadable = new Map(); // path of a request: why the database could not be read for it
const waiting = [];

/** Fetch JSON. Rejects with an Error whose message can be shown. `body` may be a function, which is
 * called for each attempt; `lostText` is the message without a response. Reads are queued, so that
 * they never delay an action such as a stop; actions, and requests with `isUrgent`, are not. */
export async function request(path, options = {}) {
  const { answer, content } = await queued(path, options);
  const [place] = path.split("?");
  if (answer.ok) {
    if (unreadable.delete(place)) showHistoryTrouble();
    return content;
  }
  if (answer.status === 401) toLogin();
  if (content.needs_password) {
    await confirmPassword((password) => request("/api/session/confirm", { method: "POST", body: { password } }), confirmAtProvider);
    return request(path, options);
  }
  if (content.detail) {
    unreadable.set(place, content);
    showHistoryTrouble();
    throw new HistoryUnreadable(t("No history: see the top of the page."));
  }
  const why = content.words || content.error || t("The host responded with status {status}.", { status: answer.status });
  throw Object.assign(new Error(why), { field: content.field, status: answer.status });
}

/** Go to the provider to confirm who it is; it returns to this page. */
async function confirmAtProvider() {
  const next = location.pathname + location.search + location.hash;
  const { url } = await request("/api/session/openid", { method: "POST", body: { next, confirm: true } });
  location.assign(url);
}

/** The database cannot be read; the page says it once, at its top. */
export class HistoryUnreadable extends Error {}

/** Show why the database cannot be read, if it cannot. */
function showHistoryTrouble() {
  const root = document.getElementById("history-trouble");
  const [trouble] = unreadable.values();
  if (!root) return;
  root.hidden = !trouble;
  if (!trouble) return;
  const what = trouble.words || trouble.error;
  root.querySelector("strong").textContent = t("{what} (since {time})", { what, time: timeText(trouble.since_unix_ms, nowUnixMs()) });
  root.querySelector("code").textContent = trouble.detail;
}

/** The response is missing or incomplete. */
export class Unanswered extends Error {}

async function queued(path, options) {
  const { method = "GET", isUrgent = method !== "GET" } = options;
  if (isUrgent) return fetched(path, options);
  if (reads < MOST_READS) reads += 1;
  else await new Promise((resolve) => waiting.push(resolve));
  try {
    return await fetched(path, options);
  } finally {
    const next = waiting.shift();
    if (next) next();
    else reads -= 1;
  }
}

async function fetched(path, { method = "GET", body, signal, lostText, timeoutMs = method === "GET" ? READ_MS : CHANGE_MS }) {
  const text = lostText || unansweredText(method);
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
    throw new Unanswered(text);
  } finally {
    clearTimeout(timer);
    if (signal) signal.removeEventListener("abort", end);
  }
}

/** The message for a request without a response. */
function unansweredText(method) {
  if (method === "GET") return t("The host does not answer: check the network.");
  if (!navigator.onLine) return t("The host does not answer: check the network, nothing was sent.");
  return t("No answer from the host: the result is unknown. Check before you try again.");
}

function parsedOr(text, otherwise) {
  try {
    return JSON.parse(text);
  } catch {
    return otherwise;
  }
}

/** The session has ended: go to the log-in page and return here. */
function toLogin() {
  location.assign(`/login?next=${encodeURIComponent(location.pathname + location.search)}`);
}

const SILENCE_MS = 12_000;
const AGAIN_MS = 5_000;
const snapshots = new LatestResponse();
const recordings = new Set(); // messages since each snapshot request
let source = null;
let receivedMs = 0;
let currentMs = Date.now(); // last time the page was up to date
let askedMs = 0;
let missed = null; // {sinceMs} if messages were missed and no snapshot has arrived

function open() {
  if (source) return;
  source = new EventSource(`/api/live?after=${encodeURIComponent(state.eventId)}`);
  receivedMs = Date.now();
  source.onmessage = (event) => {
    state.eventId = event.lastEventId;
    receive(JSON.parse(event.data));
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
  setConnection("lost", nowUnixMs() - (Date.now() - currentMs));
}

function receive(message) {
  receivedMs = Date.now();
  if (message.type === "logged_out") return toLogin();
  if (message.unix_ms_now) setClock(message.unix_ms_now);
  if (message.type === "hello" && message.digest !== state.digest) publish({ type: "outdated" });
  if (message.missed || message.type === "missed") {
    missed = { sinceMs: Date.now() };
    if (message.alarms) take({ type: "alarms", summary: message.alarms });
    if (message.host) take({ type: "host", reasons: message.host });
    refresh();
  }
  if (!missed) setCurrent();
  if (!["hello", "missed", "heartbeat"].includes(message.type)) take(message);
}

function setCurrent() {
  currentMs = Date.now();
  rememberContact(currentMs);
  if (state.connection !== "live") setConnection("live");
}

function take(message) {
  for (const messages of recordings) messages.push(message);
  apply(message);
}

/** Request a snapshot. Messages that arrive meanwhile may be newer and are applied again. */
async function refresh() {
  const [pending, messages] = [missed, []];
  askedMs = Date.now();
  recordings.add(messages);
  try {
    const found = await snapshots.of(Promise.all(["/api/nodes", "/api/sites"].map((path) => request(path, { isUrgent: true }))));
    if (!found) return;
    replaceNodes(found[0].nodes, found[1].sites, messages);
    if (missed !== pending) return;
    missed = null;
    if (pending) setCurrent();
  } catch {
    // watch() requests it again.
  } finally {
    recordings.delete(messages);
  }
}

/** One EventSource per tab, closed while the tab is hidden. */
export function start() {
  install();
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) return close();
    if (Date.now() - currentMs > SILENCE_MS) lose();
    open();
    return refresh();
  });
  window.addEventListener("pagehide", close);
  setInterval(() => {
    if (!document.hidden) watch();
    publish({ type: "tick" });
  }, 1000);
  if (!document.hidden) open();
}

function watch() {
  const now = Date.now();
  if (source && now - receivedMs > SILENCE_MS) {
    lose();
    close();
  }
  if (!source) open();
  if (missed && now - missed.sinceMs > SILENCE_MS) lose();
  if (missed && !recordings.size && now - askedMs > AGAIN_MS) refresh();
}
