// What the host says of a valid board: its drawing, what to buy, what to wire.

import { byId, make } from "./dom.js";
import { t } from "./i18n.js";

let shown = ""; // the address of the drawing

/** Draw a valid board; the drawing of the last one stays beside a conflict. */
export function showDrawing(answer) {
  const root = byId("drawing-title").closest("section");
  const link = root.querySelector("a");
  byId("drawing-old").hidden = answer.ok || !shown;
  byId("drawing-none").hidden = answer.ok || Boolean(shown);
  if (!answer.ok) return;
  const before = shown;
  shown = URL.createObjectURL(new Blob([answer.svg], { type: "image/svg+xml" }));
  link.href = shown;
  link.querySelector("img").src = shown;
  link.hidden = false;
  if (before) URL.revokeObjectURL(before);
}

export function showLists(answer) {
  for (const one of document.querySelectorAll("[data-valid]")) one.hidden = !answer.ok;
  byId("wiring-warnings").replaceChildren(...(answer.warnings || []).map((textContent) => make("li", { textContent })));
  if (!answer.ok) return;
  const cell = (textContent, label = "") => {
    const made = make("td", { textContent });
    if (label) made.dataset.label = label;
    return made;
  };
  const bought = [...answer.parts, ...answer.components].map((one) => make("tr", {}, cell(one.pieces), make("td", { textContent: one.name }, ...(one.text ? [make("small", { textContent: one.text })] : []))));
  byId("shopping").tBodies[0].replaceChildren(...bought);
  byId("supplies").replaceChildren(...answer.supplies.map((one) => make("li", { textContent: supplyText(one) })));
  const wires = answer.wires.map((one) => make("tr", {}, make("td", { textContent: one.place }), make("td", { textContent: one.title }, ...one.details.map((textContent) => make("small", { textContent }))), cell(one.fit, t("Fit"))));
  byId("wires").tBodies[0].replaceChildren(...wires);
}

function supplyText({ name, total_ma: total, rating_ma: rating }) {
  if (rating === null) return t("{name}: {total} mA, its rating is not stated", { name, total });
  return t("{name}: {total} mA of {rating} mA", { name, total, rating });
}
