// The page of tasks: what is due, grouped by day.

import { request, start } from "./connection.js";
import { daysUntil, noteDone, taskItem } from "./due.js";
import { byId, make } from "./dom.js";
import { dayText, longDay } from "./format.js";
import { t } from "./i18n.js";
import { LatestResponse } from "./latest_response.js";
import { startFrame } from "./page_frame.js";
import { nowUnixMs } from "./state.js";

const EVERY_MS = 300_000;
const newest = new LatestResponse();
const chosen = byId("of-node");
let loadedMs = 0;

function heading({ due_unix_ms: due, is_overdue: isOverdue }) {
  if (due === null) return t("Any time");
  const days = daysUntil(due, nowUnixMs());
  if (isOverdue && days < 0) return t("Overdue");
  if (days <= 0) return t("Today");
  return days === 1 ? t("Tomorrow") : longDay(due);
}

async function load() {
  loadedMs = Date.now();
  try {
    const found = await newest.of(request(`/api/tasks?${chosen.value}`));
    if (found) render(found.tasks);
  } catch (error) {
    byId("agenda").replaceChildren(make("p", { className: "outcome", textContent: error.message }));
    byId("agenda").firstElementChild.dataset.state = "failed";
  }
}

async function onDone(task) {
  await noteDone(task, byId("tasks-outcome"));
  await load();
}

function render(tasks) {
  const isOfOneNode = chosen.value.startsWith("node=");
  const groups = new Map();
  for (const task of tasks) {
    const name = heading(task);
    if (!groups.has(name)) groups.set(name, []);
    const when = name === t("Overdue") ? t("since {day}", { day: dayText(task.due_unix_ms) }) : "";
    groups.get(name).push(taskItem(task, when, isOfOneNode, onDone));
  }
  byId("agenda").replaceChildren(...[...groups].map(([name, items]) =>
    make("section", { className: "card" }, make("h2", { textContent: name }), make("ol", { className: "lines" }, ...items))));
  byId("no-tasks").hidden = tasks.length > 0;
}

chosen.value = location.search.slice(1);
if (chosen.selectedIndex < 0) chosen.value = "";
chosen.addEventListener("change", () => {
  history.replaceState(null, "", chosen.value ? `?${chosen.value}` : location.pathname);
  newest.restart();
  load();
});
startFrame(({ type }) => {
  if (type === "nodes" || (type === "tick" && Date.now() - loadedMs > EVERY_MS)) load();
});
load();
start();
