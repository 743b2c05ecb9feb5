// The nodes in the settings: adopt, name, move, forget.

import { byId, make, showOutcome } from "./dom.js";
import { nowUnixMs } from "./state.js";
import { t } from "./i18n.js";
import { request, start } from "./connection.js";
import { ageText, dayText } from "./format.js";
import { LatestResponse } from "./latest_response.js";
import { startFrame } from "./page_frame.js";
import { openDialog, wireDialog } from "./settings_form.js";

const AGAIN_MS = 4_000;
const lists = new LatestResponse();
const [adopt, change, forget] = ["adopt", "change", "forget"].map(byId);
const isAdmin = adopt !== null;
let current = { nodes: [], retired: [], site: "" };
let chosen = ""; // the node of the open dialog

const path = (node, leaf) => `/api/nodes/${encodeURIComponent(node)}/${leaf}`;
const nameOf = (one) => one.title || one.node;
const LEVELS = { online: "ok", offline: "warn", new: "note", waiting: "warn" };

function stateText(one) {
  if (one.state === "online") return t("online");
  if (one.state === "new") return t("has not connected yet");
  const ago = one.last_seen_unix_ms === null ? "" : ageText(nowUnixMs() - one.last_seen_unix_ms);
  if (one.state === "waiting") return ago ? t("waiting, last message {ago}", { ago }) : t("waiting");
  return ago ? t("no contact, last message {ago}", { ago }) : t("no contact");
}

function button(text, act, what) {
  const made = make("button", { type: "button", textContent: text, ariaLabel: `${text} ${what}` });
  made.addEventListener("click", act);
  return made;
}

function askToAdopt(node, site) {
  chosen = node;
  openDialog(adopt, node ? t("Adopt {node}?", { node }) : t("Adopt a node"), { node, site });
  adopt.querySelector("[name=node]").readOnly = Boolean(node);
}

function waitingRow(one) {
  const about = [one.board, stateText(one)].filter(Boolean).join(", ");
  const name = make("b", { textContent: one.node }, make("small", { textContent: about }));
  const row = make("li", {}, name, ...(isAdmin ? [button(t("Adopt\u2026"), () => askToAdopt(one.node, one.site), one.node)] : []));
  row.dataset.node = one.node;
  return row;
}

function keyCell(one) {
  if (!one.newer_key) return make("td", { textContent: one.key });
  return make("td", { textContent: one.key }, make("small", { textContent: t("{key} as soon as the board uses it", { key: one.newer_key }) }));
}

function knownRow(one) {
  const link = make("a", { href: `/nodes/${encodeURIComponent(one.node)}`, textContent: nameOf(one) });
  const first = make("td", {}, link, ...(one.title ? [make("small", { textContent: one.node })] : []));
  const stated = make("span", { textContent: stateText(one) });
  stated.dataset.level = LEVELS[one.state];
  const cells = [first, make("td", {}, stated), make("td", { textContent: one.site }), make("td", { textContent: one.board || "" }), make("td", { textContent: one.version || "" }), keyCell(one)];
  ["", "", t("Site"), t("Board"), t("Version"), t("Key")].forEach((label, index) => label && (cells[index].dataset.label = label));
  if (isAdmin) cells.push(make("td", {}, make("div", { className: "row" }, ...actions(one))));
  const row = make("tr", {}, ...cells);
  row.dataset.node = one.node;
  return row;
}

function actions(one) {
  const askToChange = () => {
    chosen = one.node;
    openDialog(change, t("Name and site of {node}", { node: one.node }), { title: one.title, site: one.site });
  };
  const askToForget = () => {
    chosen = one.node;
    openDialog(forget, t("Forget {node}?", { node: nameOf(one) }));
  };
  return [button(t("Change\u2026"), askToChange, one.node), button(t("Forget\u2026"), askToForget, one.node)];
}

function render(answer) {
  current = answer;
  const waiting = answer.nodes.filter((one) => one.state === "waiting");
  const known = answer.nodes.filter((one) => one.state !== "waiting");
  byId("waiting").hidden = waiting.length === 0;
  replaceChanged(byId("waiting").querySelector("ul"), waiting.map(waitingRow));
  replaceChanged(byId("known").tBodies[0], known.map(knownRow));
  byId("known").hidden = known.length === 0;
  byId("no-nodes").hidden = known.length > 0;
  byId("retired").hidden = answer.retired.length === 0;
  byId("retired").querySelector("ul").replaceChildren(...answer.retired.map((one) => make("li", { textContent: t("{key} of {node}, since {day}", { key: one.key, node: one.node, day: dayText(one.unix_ms) }) })));
}

/** Replace the rows whose text changed; the focus stays where it is. */
function replaceChanged(parent, rows) {
  rows.forEach((row, index) => {
    const old = parent.children[index];
    if (!old) parent.append(row);
    else if (old.textContent !== row.textContent || old.dataset.node !== row.dataset.node) old.replaceWith(row);
  });
  while (parent.children.length > rows.length) parent.lastElementChild.remove();
}

async function load() {
  const answer = await lists.of(request("/api/settings/nodes"));
  if (answer) render(answer);
}

/** Send requests one after the other, then reload. */
async function send(done, ...requests) {
  for (const [place, method, body] of requests) await lists.change(request(place, { method, body }));
  showOutcome(byId("nodes-outcome"), "done", done);
  await load();
}

/** Read the key file that provisioning wrote; the key stays in the form. */
async function readKeyFile(input) {
  const outcome = adopt.querySelector(".outcome");
  const { node, key } = adopt.querySelector("form").elements;
  outcome.textContent = "";
  try {
    const found = JSON.parse(await input.files[0].text());
    if (typeof found.key !== "string" || typeof found.node !== "string") throw new Error("no key");
    if (chosen && found.node !== chosen) return showOutcome(outcome, "failed", t("This file has the key of {other}, not of {node}.", { other: found.node, node: chosen }));
    node.value = found.node;
    key.value = found.key;
  } catch {
    showOutcome(outcome, "failed", t("This is not a key file: choose the one that was written when the board was set up."));
  }
}

wireDialog(adopt, async (form) => {
  const { node, key, title, site } = form.elements;
  const name = node.value;
  const more = title.value.trim() ? [[path(name, "title"), "PUT", { title: title.value.trim() }]] : [];
  await send(t("{node} is adopted: the host now confirms its records and may command it.", { node: name }), [path(name, "key"), "PUT", { key: key.value.toLowerCase() }], [path(name, "site"), "PUT", { site: site.value.trim() }], ...more);
});
wireDialog(change, ({ elements: { title, site } }) => send(t("{node} changed.", { node: chosen }), [path(chosen, "title"), "PUT", { title: title.value.trim() }], [path(chosen, "site"), "PUT", { site: site.value.trim() }]));
wireDialog(forget, () => send(t("{node} is forgotten.", { node: chosen }), [`/api/nodes/${encodeURIComponent(chosen)}`, "DELETE", {}]));
if (isAdmin) {
  adopt.querySelector("[name=file]").addEventListener("change", ({ target }) => target.files.length && readKeyFile(target));
  adopt.addEventListener("close", () => adopt.querySelector("form").reset()); // no key stays in the page
  byId("adopt-other").addEventListener("click", () => askToAdopt("", current.site));
}

const loadOrSay = () => load().catch((error) => showOutcome(byId("nodes-outcome"), "failed", error.message));
setInterval(() => document.visibilityState === "visible" && loadOrSay(), AGAIN_MS);
startFrame();
start();
loadOrSay();
