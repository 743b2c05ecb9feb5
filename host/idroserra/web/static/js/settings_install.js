// Installation of a board at this browser: the host decides, this page shows its steps.

import { byId, make, showOutcome } from "./dom.js";
import { t, tn } from "./i18n.js";
import { request, start } from "./connection.js";
import { number } from "./format.js";
import { startFrame } from "./page_frame.js";
import { state } from "./state.js";
import { SerialLine } from "./serial_line.js";

const STEPS = ["connect", "work", "board", "write", "values", "done"];
const AGAIN_MS = 1_000;
const form = (step) => byId(`step-${step}`).querySelector("form");
let port = null; // kept for the next attempt
let line = null;
let isToldEnd = false;

function show(step) {
  for (const one of STEPS) byId(`step-${one}`).hidden = one !== step;
}

function showWork(text, percent) {
  show("work");
  byId("work-text").textContent = text;
  const bar = byId("step-work").querySelector("progress");
  if (percent === undefined) bar.removeAttribute("value");
  else bar.value = percent;
}

function fail(text, detail = "") {
  isToldEnd = true;
  showOutcome(byId("install-outcome"), "failed", text);
  const more = byId("install-detail");
  more.hidden = !detail;
  more.querySelector("code").textContent = detail;
  show("connect");
  form("connect").querySelector("[type=submit]").textContent = port ? t("Try again") : t("Connect\u2026");
}

async function connect(noReset) {
  isToldEnd = false;
  byId("install-outcome").hidden = byId("install-detail").hidden = true;
  if (line) await line.over;
  try {
    const known = await navigator.serial.getPorts();
    if (!port || !known.includes(port)) port = await navigator.serial.requestPort();
  } catch {
    return fail(t("No port was chosen. If the list was empty: another cable, or the driver of the USB chip is missing."));
  }
  try {
    const { ticket } = await request("/api/install", { method: "POST", body: {} });
    showWork(t("Connecting to the host\u2026"));
    const url = new URL(`/api/install/line?${new URLSearchParams({ ticket, reset: noReset ? "0" : "1" })}`, location.href);
    url.protocol = url.protocol.replace("http", "ws");
    line = new SerialLine(port, { onMessage: take, onEnd });
    await line.open(url);
  } catch (error) {
    line = null;
    if (error.name === "NetworkError" || error.name === "InvalidStateError") {
      port = null;
      return fail(t("The port cannot be opened. Close the program that uses it, such as a serial monitor, or unplug the board and plug it in again. On Linux your user needs the group dialout."));
    }
    return fail(error.message);
  }
  return undefined;
}

function onEnd() {
  if (!isToldEnd) fail(t("The connection to the host was lost. Check the network and try again: what is on the board already is not written again."));
}

const TAKES = {
  say: ({ text }) => showWork(text),
  progress: ({ what, done, total }) => showWork(what === "MicroPython" ? t("Writing MicroPython") : what === "download" ? t("Downloading MicroPython") : t("Copying the firmware"), total ? (100 * done) / total : undefined),
  ask: (question) => ASKS[question.step](question),
  failed: ({ text, detail }) => fail(text, detail),
  done: ({ node }) => finish(node),
};

const take = (message) => TAKES[message.t](message);

const ASKS = {
  board({ chip, features, flash_mb, boards, releases, proposed }) {
    show("board");
    const size = flash_mb ? t("{mb} MB of flash", { mb: flash_mb }) : "";
    byId("chip-text").textContent = [chip, size, features].filter(Boolean).join(", ");
    const { board, micropython } = form("board").elements;
    const [wasBoard, was] = [board.value, micropython.value];
    board.replaceChildren(...boards.map((one) => new Option(one, one)));
    if (boards.includes(wasBoard)) board.value = wasBoard;
    const choices = [...releases.map((one) => new Option(t("{version}, the host downloads it", { version: one }), one)), new Option(t("a file of mine"), "file"), new Option(t("keep what is on the board"), "")];
    micropython.replaceChildren(...choices);
    micropython.value = was && choices.some(({ value }) => value === was) ? was : proposed || "file";
    askForFile();
  },
  write({ board, version, micropython, micropython_bytes, files, bytes, kept, erases }) {
    show("write");
    byId("is-erased").hidden = !erases;
    byId("is-kept").hidden = erases;
    const lines = [t("Board {board}, version {version}", { board, version })];
    if (micropython_bytes) lines.push(t("MicroPython: {size} kB to write", { size: number(micropython_bytes / 1e3, 0) }));
    else lines.push(t("MicroPython {version} stays", { version: micropython }));
    lines.push(tn("{count} file to copy, {size} kB", "{count} files to copy, {size} kB", files, { size: number(bytes / 1e3, 0) }));
    if (kept) lines.push(tn("{count} file is there already", "{count} files are there already", kept));
    byId("step-write").querySelector("ul").replaceChildren(...lines.map((textContent) => make("li", { textContent })));
  },
  values({ node, ssid, broker, has_password, tls, field, why, detail }) {
    show("values");
    const fields = form("values").elements;
    if (!fields.node.value) fields.node.value = node;
    if (!fields.ssid.value) fields.ssid.value = ssid;
    if (!fields.broker.value) fields.broker.value = broker;
    fields.password.placeholder = has_password ? t("as on the board") : "";
    byId("broker-password").hidden = tls;
    const outcome = form("values").querySelector(".outcome");
    outcome.hidden = !why;
    if (why) showOutcome(outcome, "failed", why);
    outcome.title = detail || "";
    if (field) fields[field].focus();
  },
};

function answer(values, text) {
  line.send({ t: "answer", ...values });
  showWork(text);
}

function askForFile() {
  const { micropython, file, erase } = form("board").elements;
  const isWanted = micropython.value === "file";
  erase.disabled = !micropython.value; // it is erased too
  byId("own-file").hidden = !isWanted;
  file.required = isWanted;
}

/** The board starts: show its state until it is online. */
function finish(node) {
  isToldEnd = true;
  form("values").reset(); // no password stays in the page
  show("done");
  byId("done-title").textContent = t("{node} is installed", { node });
  byId("done-text").textContent = t("The board starts and joins the Wi-Fi. It appears here within a minute.");
  byId("done-link").hidden = true;
  const timer = setInterval(() => {
    const found = state.nodes.get(node);
    if (byId("step-done").hidden) clearInterval(timer);
    if (!found || !found.online) return;
    clearInterval(timer);
    byId("done-text").textContent = t("It reports to this host and is adopted.");
    Object.assign(byId("done-link"), { hidden: false, href: `/nodes/${encodeURIComponent(node)}`, textContent: t("Open {node}", { node }) });
  }, AGAIN_MS);
}

if (!("serial" in navigator)) {
  byId("unsupported").hidden = false;
  show("");
}
form("connect").addEventListener("submit", (event) => {
  event.preventDefault();
  connect(event.target.elements.no_reset.checked);
});
form("board").elements.micropython.addEventListener("change", askForFile);
form("board").addEventListener("submit", async (event) => {
  event.preventDefault();
  const { board, micropython, file, erase } = event.target.elements;
  if (micropython.value === "file") line.sendFile(new Uint8Array(await file.files[0].arrayBuffer()));
  answer({ board: board.value, micropython: micropython.value, erase: erase.checked }, t("Reading the board\u2026"));
});
form("write").addEventListener("submit", (event) => {
  event.preventDefault();
  answer({}, t("Writing\u2026"));
});
form("values").addEventListener("submit", (event) => {
  event.preventDefault();
  const { elements } = event.target;
  const texts = ["node", "ssid", "password", "broker", "broker_password"].map((name) => [name, elements[name].value]);
  const ticks = ["open", "replace"].map((name) => [name, elements[name].checked]);
  answer(Object.fromEntries([...texts, ...ticks]), t("Writing and verifying\u2026"));
});
byId("another").addEventListener("click", () => location.reload());
startFrame();
start();
