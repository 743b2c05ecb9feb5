// Notes on the charts: a line through every panel, a flag on the first, and a tooltip.

import { t, tn } from "./i18n.js";
import { request } from "./connection.js";
import { oneLine, whenText } from "./notes.js";
import { colour } from "./chart_panels.js";

const REACH_PX = 8;
const FLAG = "M0 0H9L6 4L9 8H0Z";
const MOST = 500;

/** The notes of a time range about a node and its site, oldest first. */
export async function loadNotes(node, [from, to], signal) {
  const query = `node=${encodeURIComponent(node)}&from_unix_ms=${from}&to_unix_ms=${to}&limit=${MOST}`;
  return (await request(`/api/journal?${query}`, { signal })).notes.reverse();
}

/** Draw a dotted line for each note, with a flag if `hasFlag`. Returns the number of notes. */
export function drawNotes(plot, notes, hasFlag) {
  const { ctx, bbox } = plot;
  const ratio = devicePixelRatio;
  const places = notes.map((note) => plot.valToPos(note.unix_ms, "x", true)).filter((x) => x >= bbox.left && x <= bbox.left + bbox.width);
  ctx.save();
  ctx.strokeStyle = ctx.fillStyle = colour("--note");
  ctx.lineWidth = ratio;
  for (const x of places) {
    ctx.globalAlpha = 0.6;
    ctx.setLineDash([2 * ratio, 3 * ratio]);
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
    if (!hasFlag) continue;
    ctx.globalAlpha = 1;
    ctx.setTransform(ratio, 0, 0, ratio, x, bbox.top);
    ctx.fill(new Path2D(FLAG));
    ctx.resetTransform();
  }
  ctx.restore();
  return places.length;
}

/** Notes within reach of the pointer, nearest first. */
export function notesAt(plot, notes, left) {
  return notes
    .map((note) => [Math.abs(plot.valToPos(note.unix_ms, "x") - left), note])
    .filter(([distance]) => distance <= REACH_PX)
    .sort((a, b) => a[0] - b[0])
    .map(([, note]) => note);
}

/** The tooltip of the notes under the pointer. */
export function noteLines(notes) {
  const [first] = notes;
  const lines = [oneLine(first, 160), t("{when}, by {name}", { when: whenText(first.unix_ms), name: first.by })];
  if (first.photos.length) lines.push(tn("1 photo", "{count} photos", first.photos.length));
  if (notes.length > 1) lines.push(tn("and 1 more note here", "and {count} more notes here", notes.length - 1));
  return lines;
}
