// Doses on the chart: marks and tooltip.

import { t, tn } from "./i18n.js";
import { colour } from "./chart_panels.js";
import { fullTime, millilitres, plainName } from "./format.js";

const REACH_PX = 9;

/** The colour and shape of a doser, in the order of the node. */
export function markStyle(dosers, actuator) {
  const index = Math.max(0, dosers.indexOf(actuator));
  return { colour: colour(`--d${(index % 4) + 1}`), shape: index % 4 };
}

/** SVG path of a shape around 0,0: down, up, diamond, square. */
export const SHAPES = ["M-5 -4H5L0 5Z", "M-5 4H5L0 -5Z", "M0 -6L5 0L0 6L-5 0Z", "M-4 -4H4V4H-4Z"];

/** The dosers with marks on a panel: pH dosers on pH, the others on EC. */
export function dosersOfPanel(quantity, dosers) {
  if (quantity === "doses") return dosers;
  if (quantity === "ph") return dosers.filter((name) => name.startsWith("ph"));
  if (quantity === "ec_us_cm") return dosers.filter((name) => !name.startsWith("ph"));
  return [];
}

/** Draw the marks of `doses` on a panel: in lanes, or along its lower edge. */
export function drawDoses(plot, panel, doses, dosers) {
  const shown = dosersOfPanel(panel.quantity, dosers);
  if (!shown.length) return 0;
  const { ctx, bbox } = plot;
  const ratio = devicePixelRatio;
  const inLanes = panel.quantity === "doses";
  const [left, right] = [bbox.left, bbox.left + bbox.width];
  const places = doses
    .filter((dose) => shown.includes(dose.actuator))
    .map((dose) => [plot.valToPos(dose.unixMs, "x", true), dose.actuator])
    .filter(([x]) => x >= left && x <= right);
  const size = ratio * Math.min(0.95, Math.max(0.5, (plot.over.clientWidth / 14) * (shown.length / places.length)));
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  if (inLanes) drawLanes(plot, panel);
  for (const [x, actuator] of places) {
    const y = inLanes ? plot.valToPos(dosers.indexOf(actuator), "y", true) : bbox.top + bbox.height - 8 * ratio;
    drawShape(ctx, x, y, markStyle(dosers, actuator), size);
  }
  ctx.restore();
  return places.length;
}

function drawLanes(plot, panel) {
  const { ctx, bbox } = plot;
  ctx.fillStyle = colour("--grid");
  panel.dosers.forEach((_, index) => {
    ctx.fillRect(bbox.left, Math.round(plot.valToPos(index, "y", true)), bbox.width, 1);
  });
}

function drawShape(ctx, x, y, style, size) {
  ctx.save();
  ctx.translate(x, y);
  ctx.scale(size, size);
  ctx.globalAlpha = 0.85;
  ctx.fillStyle = style.colour;
  ctx.fill(new Path2D(SHAPES[style.shape]));
  ctx.restore();
}

/** Doses within reach of the pointer at (left, top) CSS px of the plot, nearest first. */
export function dosesAt(plot, panel, doses, dosers, { left, top }) {
  const shown = dosersOfPanel(panel.quantity, dosers);
  const inLanes = panel.quantity === "doses";
  const lane = inLanes ? dosers[Math.round(plot.posToVal(top, "y"))] : null;
  if (!inLanes && plot.over.clientHeight - top > 22) return [];
  if (!inLanes && !shown.length) return [];
  return doses
    .filter((dose) => (inLanes ? dose.actuator === lane : shown.includes(dose.actuator)))
    .map((dose) => [Math.abs(plot.valToPos(dose.unixMs, "x") - left), dose])
    .filter(([distance]) => distance <= REACH_PX)
    .sort((a, b) => a[0] - b[0])
    .map(([, dose]) => dose);
}

/** The tooltip of the doses under the pointer. */
export function tipLines(doses) {
  const [first] = doses;
  const lines = [t("{what}: {volume}", { what: plainName(first.actuator), volume: millilitres(first.volumeUl) }), fullTime(first.unixMs), first.reason];
  if (doses.length > 1) {
    const total = doses.reduce((sum, dose) => sum + dose.volumeUl, 0);
    lines.push(tn("1 dose here, {total} in all", "{count} doses here, {total} in all", doses.length, { total: millilitres(total) }));
  }
  return lines.filter(Boolean);
}
