// The journal page: write, browse and export notes.

import { byId } from "./dom.js";
import { ZONE } from "./exports.js";
import { startFrame } from "./page_frame.js";
import { t } from "./i18n.js";
import { request, start } from "./connection.js";
import { LatestResponse, coalesced } from "./latest_response.js";
import { NoteForm } from "./note_form.js";
import { aboutText, headline, photoAlt, photoPath, whenText } from "./notes.js";
import { state } from "./state.js";
import { withDisabled, openConfirm } from "./confirm_dialog.js";
import { number } from "./format.js";

const SHOWN = 50;
const selects = ["of-site", "of-node", "of-kind"].map(byId).filter(Boolean);
const address = new URLSearchParams(location.search);
let shown = [];
const lists = new LatestResponse();
const yields = new LatestResponse();

function make(tag, className, text) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
}

function filter() {
  const query = new URLSearchParams();
  for (const select of selects) if (select.value) query.set(select.id.slice(3), select.value);
  return query;
}

async function load({ older = false } = {}) {
  const query = filter();
  query.set("limit", SHOWN);
  if (older && shown.length) query.set("to_unix_ms", shown[shown.length - 1].unix_ms + 1);
  if (!older) lists.restart(); // discard older notes of the previous list
  try {
    const answer = await lists.of(request(`/api/journal?${query}`));
    if (!answer) return;
    const known = new Set(older ? shown.map((note) => note.id) : []);
    shown = [...(older ? shown : []), ...answer.notes.filter((note) => !known.has(note.id))];
    byId("older").hidden = !answer.is_more;
    byId("trouble").hidden = true;
    render();
  } catch (error) {
    byId("trouble").textContent = error.message;
    byId("trouble").hidden = false;
  }
}

async function loadYields() {
  const query = filter();
  query.delete("kind");
  const answer = await yields.of(request(`/api/journal/yields?${query}`)).catch(() => null);
  if (!answer) return;
  const several = new Set(answer.yields.map(aboutText)).size > 1;
  byId("yields").hidden = answer.yields.length === 0;
  byId("no-yields").hidden = answer.yields.length > 0;
  byId("yields").tBodies[0].replaceChildren(...answer.yields.map((one) => yieldRow(one, several)));
  const crops = [...new Set(answer.yields.map((one) => one.crop).filter(Boolean))];
  byId("crops").replaceChildren(...crops.map((crop) => Object.assign(make("option"), { value: crop })));
}

function yieldRow(one, several) {
  const row = make("tr");
  const name = make("td", "", one.crop || t("No crop named"));
  if (several) name.append(make("small", "", aboutText(one)));
  if (one.weighed && one.weighed < one.harvests) {
    name.append(make("small", "", t("{weighed} of {harvests} harvests were weighed", one)));
  }
  const figure = (value) => (value === null ? "\u2014" : number(value, value % 1 ? 1 : 0));
  row.append(name, make("td", "", figure(one.weight_g)), make("td", "", figure(one.count)));
  return row;
}

function renderFiles() {
  for (const link of document.querySelectorAll("[data-format]")) {
    const query = filter();
    query.set("format", link.dataset.format);
    query.set("time_zone", ZONE);
    link.href = `/api/journal/export?${query}`;
  }
}

function card(note) {
  const item = make("li");
  const root = item.appendChild(make("article", "card"));
  const head = root.appendChild(make("header"));
  head.append(make("h3", "", headline(note)), make("span", "chip", aboutText(note)));
  const time = head.appendChild(make("time", "", whenText(note.unix_ms)));
  time.dateTime = new Date(note.unix_ms).toISOString();
  if (note.text) root.append(make("p", "text", note.text));
  if (note.photos.length) root.append(pictures(note));
  root.append(make("p", "small soft", byText(note)));
  if (note.may_change && document.body.dataset.role !== "viewer") root.append(buttons(note));
  return item;
}

function byText(note) {
  if (!note.changed_unix_ms) return t("By {name}", { name: note.by });
  return t("By {name}; changed {when} by {changer}", { name: note.by, when: whenText(note.changed_unix_ms), changer: note.changed_by });
}

function pictures(note) {
  const list = make("ul", "photos");
  note.photos.forEach((photo, index) => {
    const button = make("button");
    button.type = "button";
    const image = button.appendChild(make("img"));
    Object.assign(image, { src: photoPath(note, photo, "small"), alt: photoAlt(note, index), loading: "lazy", width: 116, height: 116 });
    button.addEventListener("click", () => enlarge(note, photo, index));
    list.appendChild(make("li")).append(button);
  });
  return list;
}

function enlarge(note, photo, index) {
  const dialog = byId("photo");
  Object.assign(dialog.querySelector("img"), {
    src: photoPath(note, photo, "full"), alt: photoAlt(note, index), width: photo.width_px, height: photo.height_px,
  });
  dialog.querySelector("img").style.height = "auto";
  dialog.querySelector("p").textContent = `${headline(note)}, ${whenText(note.unix_ms)}`;
  dialog.showModal();
}

function buttons(note) {
  const row = make("div", "row");
  const change = row.appendChild(make("button", "", t("Edit")));
  const remove = row.appendChild(make("button", "", t("Delete\u2026")));
  change.type = remove.type = "button";
  change.addEventListener("click", () => form.change(note));
  remove.addEventListener("click", () => askAndDelete(note, [change, remove]));
  return row;
}

function askAndDelete(note, buttons) {
  const dialog = byId("delete-sure");
  dialog.querySelector("p").textContent = note.photos.length
    ? t("{what}, with its photos ({count}). This cannot be undone.", { what: headline(note), count: note.photos.length })
    : t("{what}. This cannot be undone.", { what: headline(note) });
  dialog.onclose = async () => {
    if (dialog.returnValue !== "yes") return;
    try {
      await withDisabled(buttons, () => request(`/api/journal/${note.id}`, { method: "DELETE", body: {} }));
      if (form.note && form.note.id === note.id) form.clear();
      reload();
    } catch (error) {
      byId("trouble").textContent = error.message;
      byId("trouble").hidden = false;
    }
  };
  openConfirm(dialog);
}

function render() {
  byId("notes").replaceChildren(...shown.map(card));
  byId("none").hidden = shown.length > 0;
}

function reload() {
  return Promise.all([load(), loadYields()]);
}

const reloadSoon = coalesced(reload);

byId("older").addEventListener("click", ({ currentTarget }) => withDisabled([currentTarget], () => load({ older: true })));

const form = new NoteForm(byId("note"), reload);

/** The filters of node and site exclude each other. */
function narrowed(select) {
  const other = { "of-node": "of-site", "of-site": "of-node" }[select.id];
  if (other && select.value && byId(other)) byId(other).value = "";
}

for (const select of selects) {
  select.value = address.get(select.id.slice(3)) || "";
  if (select.selectedIndex < 0) select.value = "";
  select.addEventListener("change", () => {
    narrowed(select);
    history.replaceState(null, "", `?${filter()}`);
    form.form.elements.node.value = byId("of-node").value || form.form.elements.node.value;
    renderFiles();
    yields.restart();
    reload();
  });
}
const about = form.form.elements.node;
if (!about.value && state.nodes.has(address.get("node"))) about.value = address.get("node");
else if (!about.value && state.nodes.size === 1) [about.value] = state.nodes.keys();
startFrame((message) => message.type === "journal" && reloadSoon());
renderFiles();
reload();
start();
