// A small chart of one result over the calibrations, with the accepted band.

import { make } from "./dom.js";
import { dayText, number } from "./format.js";

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 320, HEIGHT = 120, LEFT = 40, RIGHT = 8, TOP = 8, BOTTOM = 20;

function draw(tag, attributes, parent, text = "") {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.textContent = text;
  parent.append(element);
  return element;
}

/** A figure of `points` [[unix_ms, value], ...], oldest first; low and high: accepted range. */
export function trendOf(title, points, { low, high, decimals }) {
  const figure = document.createElement("figure");
  const [, newest] = points[points.length - 1];
  const caption = document.createElement("figcaption");
  caption.append(title, " ", make("b", { textContent: number(newest, decimals) }));
  const svg = draw("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": `${title}: ${points.map(([at, value]) => `${dayText(at)} ${number(value, decimals)}`).join(", ")}` }, figure);
  figure.prepend(caption);
  const [from, to] = [points[0][0], points[points.length - 1][0]];
  const margin = (high - low) / 10;
  const values = points.map(([, value]) => value);
  const [bottom, top] = [Math.min(low, ...values) - margin, Math.max(high, ...values) + margin];
  const x = (at) => LEFT + ((at - from) / Math.max(1, to - from)) * (WIDTH - LEFT - RIGHT);
  const y = (value) => TOP + ((top - value) / (top - bottom)) * (HEIGHT - TOP - BOTTOM);
  draw("rect", { class: "band", x: LEFT, width: WIDTH - LEFT - RIGHT, y: y(high), height: y(low) - y(high) }, svg);
  for (const limit of [low, high]) {
    draw("text", { x: LEFT - 6, y: y(limit) + 4, "text-anchor": "end" }, svg, number(limit, 0));
  }
  draw("text", { x: LEFT, y: HEIGHT - 4 }, svg, dayText(from));
  draw("text", { x: WIDTH - RIGHT, y: HEIGHT - 4, "text-anchor": "end" }, svg, dayText(to));
  draw("polyline", { points: points.map(([at, value]) => `${x(at)},${y(value)}`).join(" ") }, svg);
  for (const [at, value] of points) draw("circle", { cx: x(at), cy: y(value), r: 3.5 }, svg);
  return figure;
}
