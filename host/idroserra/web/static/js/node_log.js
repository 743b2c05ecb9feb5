// What a node did: summary, events and reasons, journal.

import { byId } from "./dom.js";
import { EventList } from "./event_list.js";
import { name, startRoom } from "./node_room.js";
import { RecentNotes } from "./recent_notes.js";
import { roomPath } from "./room_links.js";
import { SummaryPanel } from "./summary.js";

const events = new EventList(byId("why"), name);
const summary = new SummaryPanel(byId("happened"), name, (from, to) => location.assign(`${roomPath(name, "charts")}?range=24h&from=${from}&to=${to}`));

new RecentNotes(byId("recent-notes"), name);
startRoom({ load: () => summary.load() });
events.load();
