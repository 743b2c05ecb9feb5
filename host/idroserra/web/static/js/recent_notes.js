// The newest notes on the node page.

import { make } from "./dom.js";
import { request } from "./connection.js";
import { coalesced } from "./latest_response.js";
import { oneLine, whenText } from "./notes.js";
import { listen } from "./state.js";

const SHOWN = 3;

export class RecentNotes {
  constructor(root, node) {
    this.node = node;
    this.list = root.querySelector("ol");
    this.empty = root.querySelector(".none");
    const loadSoon = coalesced(() => this.load());
    listen((message) => {
      const mine = message.type === "journal" && (!message.node || message.node === node);
      if (mine || message.type === "nodes") loadSoon();
    });
    loadSoon();
  }

  async load() {
    const answer = await request(`/api/journal?node=${encodeURIComponent(this.node)}&limit=${SHOWN}`).catch(() => null);
    if (!answer) return;
    this.empty.hidden = answer.notes.length > 0;
    this.list.replaceChildren(...answer.notes.map((note) => {
      const item = document.createElement("li");
      const time = make("time", { textContent: whenText(note.unix_ms) });
      item.append(time, " ", oneLine(note));
      return item;
    }));
  }
}
