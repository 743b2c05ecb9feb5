// Rows of a table that says which setpoints differ, in words.

import { make } from "./dom.js";
import { t } from "./i18n.js";

const words = (text) => text || t("not set");

/** One row for each change: label, before, after; `first`: cells before them. */
export function changeRows(changes, first = []) {
  return changes.map((change) => make("tr", {},
    ...first.map((text) => make("td", { textContent: text })),
    make("th", { scope: "row", textContent: change.label }),
    make("td", { textContent: words(change.before) }), make("td", { textContent: words(change.after) })));
}

/** The rows of the stages of two recipes. */
export function stageRows(stages) {
  return stages.flatMap((stage) => changeRows(stage.changes, [stageName(stage)]));
}

/** A change in one line. */
export const changeText = (change) => `${change.label}: ${words(change.before)} \u2192 ${words(change.after)}`;

export function stageName(stage) {
  const names = [...new Set([stage.before, stage.after].filter(Boolean))];
  return `${stage.number}. ${names.join(" \u2192 ")}`;
}
