// Draw the icons of an installed page from its SVG: node icons.mjs FOLDER.
// Phones take PNG only. "maskable" has air around: some of them cut a circle out of it.

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { Resvg } from "@resvg/resvg-js";

const SVG = readFileSync(new URL("../idroserra/web/static/icon.svg", import.meta.url), "utf8");
const GREEN = "#0f6a53"; // the colour of its ground
const AIR = 5; // of 32 units, on each side

const folder = process.argv[2];
const padded = SVG.replace('viewBox="0 0 32 32"', `viewBox="${-AIR} ${-AIR} ${32 + 2 * AIR} ${32 + 2 * AIR}"`);

function draw(name, svg, width, background) {
  const image = new Resvg(svg, { fitTo: { mode: "width", value: width }, background });
  writeFileSync(`${folder}/${name}`, image.render().asPng());
}

mkdirSync(folder, { recursive: true });
draw("icon-192.png", SVG, 192);
draw("icon-512.png", SVG, 512);
draw("maskable-512.png", padded, 512, GREEN);
