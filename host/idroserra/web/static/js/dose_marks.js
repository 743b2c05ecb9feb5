// Doses on the chart: marks and tooltip.

import { t, tn } from "./i18n.js";
import { colour } from "./chart_panels.js";
import { fullTime, millilitres, plainName } from "./format.js";

const REACH_PX = 16;
const MARK_PX = 20; // a mark with its count

/** The colour and shape of a doser, in the order of the node. */
export function markStyle(dosers, actuator) {
  const index = Math.max(0, dosers.indexOf(actuator));
  return { colour: colour(`--d${(index % 4) + 1}`), shape: index % 4 };
}

/** SVG path of a shape around 0,0: down, up, diamond, square. */
export const SHAPES = ["M-5 -4H5L0 5Z", "M-5 4H5L0 -5Z", "M0 -6L5 0L0 6L-5 0Z", "M-4 -4H4V4H-4Z"];

/** Draw `doses` in the lanes of their panel: those of one place as one mark with their count.
 * Returns the numbers of doses and of marks. */
export function drawDoses(plot, panel, doses) {
  const { ctx, bbox } = plot;
  const ratio = devicePixelRatio;
  const groups = panel.dosers.map((name) => groupsOf(plot, doses.filter((dose) => dose.actuator === name)));
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  drawLanes(plot, panel);
  groups.forEach((lane, index) => {
    const y = plot.valToPos(index, "y", true);
    for (const { x, count } of lane) {
      drawShape(ctx, x, y, markStyle(panel.dosers, panel.dosers[index]), ratio);
      if (count > 1) drawCount(ctx, x, y, count);
    }
  });
  ctx.restore();
  const all = groups.flat();
  return { doses: all.reduce((sum, { count }) => sum + count, 0), groups: all.length };
}

/** The marks of a lane, left to right: { x, count } in canvas pixels, none over another. */
function groupsOf(plot, doses) {
  const { left, width } = plot.bbox;
  const places = doses.map((dose) => plot.valToPos(dose.unixMs, "x", true)).filter((x) => x >= left && x <= left + width).sort((a, b) => a - b);
  const groups = [];
  for (const x of places) {
    const last = groups[groups.length - 1];
    if (last && x - last.x < MARK_PX * devicePixelRatio) last.count += 1;
    else groups.push({ x, count: 1 });
  }
  return groups;
}

function drawCount(ctx, x, y, count) {
  ctx.font = `${9 * devicePixelRatio}px ${colour("--font")}`;
  ctx.textBaseline = "middle";
  ctx.fillStyle = colour("--ink");
  ctx.fillText(String(count), x + 6 * devicePixelRatio, y);
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

/** Doses within reach of the pointer at (left, top) CSS px of their panel, nearest first. */
export function dosesAt(plot, panel, doses, { left, top }) {
  const lane = panel.dosers[Math.round(plot.posToVal(top, "y"))];
  return doses
    .filter((dose) => dose.actuator === lane)
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
