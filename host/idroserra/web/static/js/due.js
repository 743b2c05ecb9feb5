// What is due, as a list by date: on the page of tasks, and as a card of a node.

import { request } from "./connection.js";
import { make, showOutcome } from "./dom.js";
import { dayText } from "./format.js";
import { t } from "./i18n.js";
import { LatestResponse } from "./latest_response.js";
import { nowUnixMs } from "./state.js";
import { withDisabled } from "./confirm_dialog.js";

const DAY_MS = 86400e3;
const SOON_DAYS = 14; // in a card

const mayAct = () => document.body.dataset.role !== "viewer";

/** Local days from today until `unixMs`, negative in the past. */
export function daysUntil(unixMs, nowMs) {
  const midnight = (at) => new Date(at).setHours(0, 0, 0, 0);
  return Math.round((midnight(unixMs) - midnight(nowMs)) / DAY_MS);
}

/** When a task is due, in words. */
export function whenText({ due_unix_ms: due, is_overdue: isOverdue }, nowMs) {
  if (due === null) return t("any time");
  const days = daysUntil(due, nowMs);
  if (isOverdue && days < 0) return t("overdue since {day}", { day: dayText(due) });
  if (days <= 0) return t("today");
  return days === 1 ? t("tomorrow") : dayText(due);
}

/** One task: when (none if it stands under its date), what, where, why, and a button if it is done here. */
export function taskItem(task, when, isOfOneNode, onDone) {
  const item = make("li", { className: "task" });
  item.dataset.kind = task.kind;
  item.dataset.node = task.node;
  if (task.is_overdue) item.dataset.level = "warn";
  const time = make("time", { textContent: when, hidden: !when });
  if (task.due_unix_ms !== null) time.dateTime = new Date(task.due_unix_ms).toISOString();
  const text = isOfOneNode ? task.text : t("{node}: {text}", { node: task.title, text: task.text });
  item.append(time, make("p", {}, make("a", { href: task.href, textContent: text }), make("small", { textContent: task.why })));
  if (task.kind === "water_change" && mayAct()) {
    const done = make("button", { type: "button", textContent: t("Done today") });
    done.setAttribute("aria-label", t("Done today: {what}", { what: text }));
    done.addEventListener("click", () => withDisabled([done], () => onDone(task)));
    item.append(done);
  }
  return item;
}

/** Write a water change into the journal, which sets the date of the next one. */
export async function noteDone(task, outcome) {
  showOutcome(outcome, "pending", t("Waiting for the host\u2026"));
  try {
    const body = { node: task.node, kind: "water_change", unix_ms: Math.round(nowUnixMs()) };
    await request("/api/journal", { method: "POST", body });
    showOutcome(outcome, "done", t("Noted in the journal: water changed at {node}.", { node: task.title }));
  } catch (error) {
    showOutcome(outcome, "failed", t("Failed: {reason}", { reason: error.message }));
  }
}

/** The tasks of the next two weeks and those without a date, as a card of a node. */
export class DueCard {
  constructor(root, node) {
    this.root = root;
    this.node = node;
    this.newest = new LatestResponse();
  }

  /** Load the tasks; the card is hidden without any, and stays as it is if they cannot be loaded. */
  async load() {
    const found = await this.newest.of(request(`/api/tasks?node=${encodeURIComponent(this.node)}`)).catch(() => null);
    if (!found) return;
    const now = nowUnixMs();
    const soon = found.tasks.filter(({ due_unix_ms: due }) => due === null || daysUntil(due, now) <= SOON_DAYS);
    this.root.hidden = soon.length === 0;
    const onDone = async (task) => {
      await noteDone(task, this.root.querySelector(".outcome"));
      await this.load();
    };
    this.root.querySelector("ol").replaceChildren(...soon.map((task) => taskItem(task, whenText(task, now), true, onDone)));
  }
}
