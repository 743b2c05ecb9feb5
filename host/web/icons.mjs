// Draws the PNG icons of the installed page from its SVG: node icons.mjs FOLDER.
// "maskable" has padding, because some phones crop icons to a circle.

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { Resvg } from "@resvg/resvg-js";

const SVG = readFileSync(new URL("../idroserra/web/static/icon.svg", import.meta.url), "utf8");
const GREEN = "#0f6a53"; // background colour
const PADDING = 5; // of 32 units, on each side

const folder = process.argv[2];
const padded = SVG.replace('viewBox="0 0 32 32"', `viewBox="${-PADDING} ${-PADDING} ${32 + 2 * PADDING} ${32 + 2 * PADDING}"`);

function draw(name, svg, width, background) {
  const image = new Resvg(svg, { fitTo: { mode: "width", value: width }, background });
  writeFileSync(`${folder}/${name}`, image.render().asPng());
}

mkdirSync(folder, { recursive: true });
draw("icon-192.png", SVG, 192);
draw("icon-512.png", SVG, 512);
draw("maskable-512.png", padded, 512, GREEN);
