// Addresses within a node's rooms.

// Room of each part of a node that had an anchor on the node's one page.
const ROOM_OF = {
  history: "charts", happened: "log", why: "log", "recent-notes": "log", recipe: "crop", preview: "crop",
  set: "water", "by-hand": "water", bottles: "water", balance: "water", probes: "water", correct: "water", run: "water",
  restored: "setup", move: "setup",
};

export const roomPath = (node, room) => `/nodes/${encodeURIComponent(node)}/${room}`;

/** Go to the room of an old address such as /nodes/idro-a#bottles. */
export function followOldAnchor(node) {
  const room = ROOM_OF[location.hash.slice(1)];
  if (room) location.replace(`${roomPath(node, room)}${location.hash}`);
}
