// Draws the stages of a recipe over days, with bars of pH, EC and light.

import { append, make } from "./dom.js";
import { t, tn } from "./i18n.js";

/** Fill `list` with `stages` of the host; `day` (from 1) marks today. */
export function drawTimeline(list, stages, day = null) {
  list.replaceChildren(...stages.map((stage) => stageOf(stage, day)));
}

/** Draw every timeline of the page that carries its stages. */
export function drawTimelines() {
  for (const list of document.querySelectorAll("ol.timeline[data-stages]")) drawTimeline(list, JSON.parse(list.dataset.stages));
}

function stageOf(stage, day) {
  const item = make("li", { title: stage.text });
  item.style.flexGrow = stage.days;
  const last = stage.first_day + stage.days - 1;
  const days = stage.days === 1 ? t("day {first}", { first: stage.first_day }) : t("days {first} to {last}", { first: stage.first_day, last });
  item.append(make("b", { textContent: stage.name }), make("span", { className: "days", textContent: days }));
  const bars = append(item, "dl");
  for (const bar of stage.bars) bars.append(barOf(bar));
  if (day !== null && day >= stage.first_day && day <= last) {
    item.setAttribute("aria-current", "step");
    const left = tn("today: day {day}, 1 day left", "today: day {day}, {count} days left", last - day + 1, { day });
    const mark = item.appendChild(make("span", { className: "today" }, make("i"), make("small", { textContent: left })));
    mark.firstChild.style.marginInlineStart = `${((day - stage.first_day + 0.5) / stage.days) * 100}%`;
  }
  return item;
}

function barOf(bar) {
  const row = make("div", { className: `bar-${bar.name}` });
  const length = make("i");
  length.style.height = `${Math.max(4, bar.ratio * 100)}%`;
  row.append(make("dt", { textContent: bar.label }), make("dd", {}, make("small", { textContent: bar.text }), make("span", { className: "track" }, length)));
  return row;
}
