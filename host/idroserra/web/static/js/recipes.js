// The recipe library: timelines, clone, delete, import, differences.

import { byId, make, showOutcome } from "./dom.js";
import { startFrame } from "./page_frame.js";
import { request, start } from "./connection.js";
import { openConfirm, withDisabled } from "./confirm_dialog.js";
import { t } from "./i18n.js";
import { changeRows, stageRows } from "./recipe_diff.js";
import { drawTimelines } from "./recipe_timeline.js";

const path = (name) => `/api/recipes/${encodeURIComponent(name)}`;
let chosen = ""; // the recipe that a dialog is about

/** A dialog with a form whose errors are shown in it. `send(form)` returns the address to open. */
function wireDialog(dialog, send) {
  const form = dialog.querySelector("form");
  const outcome = dialog.querySelector(".outcome");
  dialog.querySelector(".cancel").addEventListener("click", () => dialog.close());
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    try {
      location.assign(await withDisabled(form.querySelectorAll("button"), () => send(form)));
    } catch (error) {
      showOutcome(outcome, "failed", error.message);
    }
  });
}

function openDialog(dialog) {
  dialog.querySelector("form").reset();
  dialog.querySelector(".outcome").textContent = "";
  dialog.showModal();
}

function wireActions() {
  for (const button of document.querySelectorAll("[data-clone]")) {
    button.addEventListener("click", () => {
      chosen = button.dataset.clone;
      byId("clone-title").textContent = t("Clone {recipe}", { recipe: chosen });
      openDialog(byId("clone"));
    });
  }
  for (const button of document.querySelectorAll("[data-delete]")) {
    button.addEventListener("click", () => {
      chosen = button.dataset.delete;
      byId("delete-title").textContent = t("Delete {recipe}?", { recipe: chosen });
      byId("delete").querySelector("p").textContent = t("Its stages go with it: {stages} ({days} days). Past crops keep their history. Export the file first to keep a copy.", button.dataset);
      openConfirm(byId("delete"));
    });
  }
  byId("delete").addEventListener("close", () => byId("delete").returnValue === "yes" && remove());
  byId("import").addEventListener("click", () => openDialog(byId("import-file")));
}

async function remove() {
  try {
    await request(path(chosen), { method: "DELETE", body: {} });
    location.reload();
  } catch (error) {
    showOutcome(byId("recipes-outcome"), "failed", error.message);
  }
}

async function clone(form) {
  const name = form.elements.name.value;
  await request(`${path(chosen)}/clone`, { method: "POST", body: { name } });
  return `/recipes/${encodeURIComponent(name)}`;
}

async function importFile(form) {
  const toml = await form.elements.file.files[0].text();
  const { name } = await request("/api/recipes", { method: "POST", body: { toml } });
  return `/recipes/${encodeURIComponent(name)}`;
}

/** The rows and heads of the chosen comparison. */
async function differences(before, after) {
  const [kind, name] = [after.slice(0, after.indexOf(":")), after.slice(after.indexOf(":") + 1)];
  if (kind === "node") {
    const found = await request(`/api/nodes/${encodeURIComponent(name)}/recipe/start?recipe=${encodeURIComponent(before)}`);
    return [[t("Setpoint"), t("Now at {node}", { node: name }), t("{recipe}, stage {stage}", { recipe: before, stage: found.stage })], changeRows(found.changes)];
  }
  const found = await request(`${path(before)}/diff?other=${encodeURIComponent(name)}`);
  return [[t("Stage"), t("Setpoint"), before, name], stageRows(found.stages)];
}

function wireDiff() {
  const root = byId("diff");
  const form = root.querySelector("form");
  const table = root.querySelector("table");
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    try {
      const asking = () => differences(form.elements.before.value, form.elements.after.value);
      const [heads, rows] = await withDisabled(form.querySelectorAll("button"), asking);
      table.tHead.rows[0].replaceChildren(...heads.map((text) => make("th", { scope: "col", textContent: text })));
      table.tBodies[0].replaceChildren(...rows);
      table.hidden = rows.length === 0;
      showOutcome(root.querySelector(".outcome"), "done", rows.length ? "" : t("No differences."));
    } catch (error) {
      table.hidden = true;
      showOutcome(root.querySelector(".outcome"), "failed", error.message);
    }
  });
}

drawTimelines();
wireActions();
wireDialog(byId("clone"), clone);
wireDialog(byId("import-file"), importFile);
wireDiff();
startFrame();
start();
