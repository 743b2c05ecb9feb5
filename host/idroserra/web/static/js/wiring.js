// The page that puts a board together: each change is checked by the host, as `board check` does.

import { byId, make, setText, showOutcome } from "./dom.js";
import { t, tn } from "./i18n.js";
import { request, start } from "./connection.js";
import { withDisabled } from "./confirm_dialog.js";
import { LatestResponse } from "./latest_response.js";
import { startFrame } from "./page_frame.js";
import { openDialog, wireDialog } from "./settings_form.js";
import { WiringForm } from "./wiring_form.js";
import { showDrawing, showLists } from "./wiring_result.js";

const CHECK_MS = 300;
const data = JSON.parse(byId("wiring-data").textContent);
const draftKey = () => `wiring ${location.search}`;
const checks = new LatestResponse();
let { opened, digest } = data;
let table = structuredClone(data.board);
let answer = null; // of the newest check
let timer = 0;

/** The choices are kept in this tab, so that a reload or a log-in loses none. */
function remember() {
  try {
    sessionStorage.setItem(draftKey(), JSON.stringify({ table, digest }));
  } catch {
    // Without storage a reload begins again.
  }
}

function recall() {
  try {
    const found = JSON.parse(sessionStorage.getItem(draftKey()));
    if (!found || JSON.stringify(found.table) === JSON.stringify(data.board)) return;
    ({ table, digest } = found);
    byId("restored").hidden = false;
  } catch {
    // None.
  }
}

function forget() {
  sessionStorage.removeItem(draftKey());
  byId("restored").hidden = true;
}

function onInput() {
  remember();
  byId("kept").hidden = true;
  setValid(false);
  clearTimeout(timer);
  timer = setTimeout(check, CHECK_MS);
}

async function check() {
  try {
    const found = await checks.of(request("/api/boards/check", { method: "POST", body: { board: table } }));
    if (found) show(found);
  } catch (error) {
    showOutcome(byId("verdict"), "failed", error.message);
  }
}

/** Ask the host for a change, such as a part with free pins. The form waits meanwhile. */
async function change(wanted) {
  clearTimeout(timer);
  byId("kept").hidden = true;
  try {
    const asking = () => checks.change(request("/api/boards/check", { method: "POST", body: { board: table, change: wanted } }));
    const found = await withDisabled(byId("wiring-form").querySelectorAll("button, input, select"), asking);
    table = found.board;
    form.render(table);
    remember();
    show(found);
  } catch (error) {
    form.render(table);
    showOutcome(byId("kept"), "failed", error.message);
    await check();
  }
}

function show(found) {
  answer = found;
  const error = found.error;
  const isEmpty = error?.key === "sensor" && !table.sensor?.length;
  form.markWrong(isEmpty ? "" : error?.key, error?.why);
  setValid(found.ok);
  byId("show").hidden = !error || isEmpty;
  if (found.ok) {
    const words = { channels: tn("{count} channel", "{count} channels", found.channels.length), outputs: tn("{count} output", "{count} outputs", found.outputs.length) };
    showOutcome(byId("verdict"), "done", t("Valid: {channels}, {outputs}", words));
  } else if (isEmpty) showOutcome(byId("verdict"), "pending", t("Add the first sensor."));
  else showOutcome(byId("verdict"), "failed", [form.place(error.key) || error.part || error.key, error.why].filter(Boolean).join(": "));
  showDrawing(found);
  showLists(found);
}

function setValid(isValid) {
  for (const id of ["keep", "download", "print"]) byId(id).disabled = !isValid;
}

async function keep(replaced) {
  const { name } = table.board;
  const body = replaced ? { toml: answer.toml, digest: replaced } : { toml: answer.toml };
  const kept = await request(`/api/boards/${encodeURIComponent(name)}`, { method: "PUT", body });
  forget();
  ({ digest } = kept);
  opened = name;
  history.replaceState(null, "", `/settings/boards/edit?board=${encodeURIComponent(name)}`);
  setText(document.querySelector("h1"), name);
  const about = t("Kept on this host. A node can now be set up with {name}.", { name });
  const nodes = kept.nodes.length ? ` ${t("These nodes have the wiring of before until they are set up again: {nodes}.", { nodes: kept.nodes.join(", ") })}` : "";
  showOutcome(byId("kept"), "done", about + nodes);
}

async function askToKeep() {
  const { name } = table.board;
  try {
    await withDisabled([byId("keep")], async () => {
      if (name === opened) return keep(digest);
      const { boards } = await request("/api/boards", { isUrgent: true });
      const there = boards.find((one) => one.name === name && one.is_kept);
      if (!there) return keep("");
      replacing = there.digest;
      return openDialog(byId("replace"), t("Replace {name}?", { name }));
    });
  } catch (error) {
    showOutcome(byId("kept"), "failed", error.message);
  }
}

function download() {
  const link = make("a", { href: URL.createObjectURL(new Blob([answer.toml], { type: "application/toml" })), download: `${table.board.name}.toml` });
  link.click();
  URL.revokeObjectURL(link.href);
}

let replacing = "";
const form = new WiringForm(byId("wiring-form"), data.forms, onInput, change);
recall();
form.render(table, { isFirst: true });
wireDialog(byId("replace"), () => keep(replacing));
byId("keep").addEventListener("click", askToKeep);
byId("download").addEventListener("click", download);
byId("print").addEventListener("click", () => window.print());
byId("show").addEventListener("click", () => form.show(answer.error.key));
byId("restored").querySelector("button").addEventListener("click", () => {
  forget();
  location.reload();
});
startFrame();
start();
check();
