// What a node does now: readings, dosing decisions, last night, crop.

import { renderAdvice } from "./advice.js";
import { renderDecisions } from "./decisions.js";
import { byId, setText } from "./dom.js";
import { DueCard } from "./due.js";
import { t } from "./i18n.js";
import { NightLine } from "./night_line.js";
import { name, startRoom } from "./node_room.js";
import { followOldAnchor } from "./room_links.js";
import { state } from "./state.js";
import { TileChanges } from "./tile_changes.js";
import { endedKeys, historyKeys, renderSmall, seedSparks, syncTiles, tileKeys } from "./tiles.js";

const RENEW_MS = 60e3;

const tiles = new Map();
const seeded = new Set();
const changes = new TileChanges(document.querySelectorAll("[data-change]"), name);
const due = new DueCard(byId("due"), name);
const night = new NightLine(byId("night"), name);
let renewedMs = Date.now();

function renderTiles(node) {
  const keys = tileKeys(node);
  syncTiles(byId("tiles"), tiles, keys, node);
  byId("tiles").append(byId("small-tile"));
  changes.offer(tiles, node);
  for (const tile of tiles.values()) tile.render(node);
  renderSmall(byId("small"), node);
  const fresh = keys.filter((key) => !seeded.has(key));
  if (!fresh.length) return;
  for (const key of fresh) seeded.add(key);
  seedSparks(node, fresh, tiles).then(() => render(state.nodes.get(name)));
}

/** Once a minute, let the next render load the channels that are read from their history. */
function renewHistory() {
  if (document.hidden || Date.now() - renewedMs < RENEW_MS) return;
  renewedMs = Date.now();
  for (const key of historyKeys(state.nodes.get(name))) seeded.delete(key);
}

function renderCrop({ recipe: run }) {
  const root = byId("growing");
  root.hidden = !run;
  if (!run) return;
  const isOpen = run.state === "running" || run.state === "held";
  setText(root.querySelector("p"), isOpen
    ? t("{recipe}, day {day} of {days}. Stage {stage} of {stages}: {stage_name}, day {stage_day} of {stage_days}", { recipe: run.recipe, ...run.at })
    : `${run.text}.`);
}

function render(node) {
  if (!node) return;
  renderTiles(node);
  renderAdvice(byId("advice"), node.advice);
  renderDecisions(byId("decided"), node.decisions);
  renderCrop(node);
}

followOldAnchor(name);
startRoom({
  render,
  renderSlow: (node) => changes.render(node),
  load() {
    night.load();
    due.load();
  },
  onMessage(message) {
    if (message.type === "record" && message.node === name) for (const tile of tiles.values()) tile.record(message);
    if (message.type === "tick") renewHistory();
    if (message.type === "nodes") for (const key of endedKeys(tiles)) seeded.delete(key);
  },
});
