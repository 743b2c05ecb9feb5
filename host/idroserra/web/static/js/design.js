// The design system: swatches, a dialog, and a chart of made-up readings.

import { drawBands } from "./bands.js";
import { align, options, uPlot } from "./chart_panels.js";
import { start } from "./connection.js";
import { append, byId } from "./dom.js";
import { startFrame } from "./page_frame.js";

const END_MS = Date.UTC(2026, 0, 2);
const MINUTES = 1440;
const panel = { quantity: "ph", title: "pH", unit: "", factor: 1, offset: 0, decimals: 2, channels: ["reservoir.ph"], overlay: [], dosers: [] };

/** A day of pH, as columns of the series API. */
function columns() {
  return Array.from({ length: MINUTES / 10 }, (_, index) => {
    const ph = 5.85 + 0.12 * Math.sin(index / 12);
    return [END_MS - (MINUTES - index * 10) * 60e3, ph - 0.02, ph, ph + 0.02];
  });
}

function drawChart(root) {
  const bounds = [END_MS - MINUTES * 60e3, END_MS];
  const bands = [{ from: bounds[0], to: bounds[1], low: 5.7, high: 6, isKnown: true }];
  const holder = append(root, "div", "panel");
  const choice = { width: root.clientWidth, syncKey: "design", bandsOf: () => bands, bounds: () => bounds, hooks: { drawClear: [(plot) => drawBands(plot, bands)] } };
  return new uPlot(options(panel, choice), align(panel, { "reservoir.ph": columns() }, 3600e3), holder);
}

for (const swatch of document.querySelectorAll("[data-colour]")) swatch.style.background = `var(${swatch.dataset.colour})`;
for (const bar of document.querySelectorAll("[data-gap]")) bar.style.inlineSize = `var(--gap-${bar.dataset.gap})`;
for (const box of document.querySelectorAll("[data-radius]")) box.style.borderRadius = `var(--radius-${box.dataset.radius})`;
for (const line of document.querySelectorAll("[data-text]")) line.style.fontSize = `var(--text-${line.dataset.text})`;
byId("open-dialog").addEventListener("click", () => byId("dialog").showModal());
document.querySelector("#forms form").addEventListener("submit", (event) => event.preventDefault());
const plot = drawChart(byId("plot"));
new ResizeObserver(() => plot.setSize({ width: byId("plot").clientWidth, height: plot.height })).observe(byId("plot"));
startFrame();
start();
