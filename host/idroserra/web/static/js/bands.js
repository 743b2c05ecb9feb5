// The setpoint bands of a chart: each as it was at its time, lighter before setpoints are known.

import { colour } from "./chart_panels.js";

/** The bands of a channel within [from, to): { from, to, low, high, isKnown }, by `scale`. */
export function bandsOf(setpoints, channel, [from, to], scale) {
  const known = setpoints.known_from_unix_ms;
  const steps = setpoints.bands[channel] || [];
  return steps.flatMap((step, index) => {
    if (step.low === null) return [];
    const ends = [index ? step.from_unix_ms : from, index + 1 < steps.length ? steps[index + 1].from_unix_ms : to];
    const [low, high] = [scale(step.low), scale(step.high)];
    const cut = Math.min(Math.max(ends[0], known), ends[1]);
    return [[ends[0], cut, false], [cut, ends[1], true]]
      .filter(([begin, end]) => begin < end)
      .map(([begin, end, isKnown]) => ({ from: begin, to: end, low, high, isKnown }));
  });
}

/** Draw bands behind the data of a uPlot chart. */
export function drawBands(plot, bands) {
  const { ctx, bbox } = plot;
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  ctx.fillStyle = colour("--accent");
  ctx.strokeStyle = colour("--accent");
  ctx.setLineDash([4, 4]);
  for (const band of bands) drawOne(plot, band);
  ctx.restore();
}

function drawOne(plot, band) {
  const { ctx } = plot;
  const [left, right] = [plot.valToPos(band.from, "x", true), plot.valToPos(band.to, "x", true)];
  const [top, bottom] = [plot.valToPos(band.high, "y", true), plot.valToPos(band.low, "y", true)];
  ctx.globalAlpha = band.isKnown ? 0.1 : 0.04;
  ctx.fillRect(left, top, right - left, bottom - top);
  if (!band.isKnown) return;
  ctx.globalAlpha = 0.5;
  ctx.beginPath();
  for (const y of [top, bottom]) {
    ctx.moveTo(left, y);
    ctx.lineTo(right, y);
  }
  ctx.stroke();
}
