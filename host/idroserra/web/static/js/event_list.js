// The newest decisions, doses and refusals, with reasons.

import { helpLink } from "./help_link.js";
import { t } from "./i18n.js";
import { nowUnixMs, listen } from "./state.js";
import { request } from "./connection.js";
import { LatestResponse } from "./latest_response.js";
import { fullTime, timeText } from "./format.js";

const SHOWN = 60;
const WINDOW_MS = 7 * 86400e3;

export class EventList {
  constructor(root, node) {
    this.node = node;
    this.list = root.querySelector("ol");
    this.empty = root.querySelector(".empty");
    this.select = root.querySelector("select");
    this.events = [];
    this.received = []; // from the stream, maybe while the list is loading
    this.newest = new LatestResponse();
    this.select.addEventListener("change", () => {
      this.newest.restart();
      this.events = this.events.filter((event) => this.kinds.includes(event.kind));
      this.render();
      this.load();
    });
    listen((message) => {
      if (message.type === "event" && message.node === node) this.take(message);
      if (message.type === "nodes") this.load();
    });
  }

  get kinds() {
    return this.select.value.split(",");
  }

  async load() {
    const to = Math.round(nowUnixMs()) + 60_000;
    const path = `/api/nodes/${encodeURIComponent(this.node)}/events`;
    const query = `from_unix_ms=${to - WINDOW_MS}&to_unix_ms=${to}&kinds=${this.kinds}&limit=${SHOWN}`;
    try {
      const answer = await this.newest.of(request(`${path}?${query}`));
      if (!answer) return;
      this.events = answer.events.reverse();
      for (const event of this.received) this.add(event);
      this.empty.textContent = t("Nothing in the last seven days.");
    } catch (error) {
      this.empty.textContent = error.message;
    }
    this.render();
  }

  take(event) {
    this.received = [event, ...this.received].slice(0, SHOWN);
    if (this.add(event)) this.render();
  }

  /** Insert an event; returns false if it is known or filtered. */
  add(event) {
    if (!this.kinds.includes(event.kind)) return false;
    const same = (other) => other.unix_us === event.unix_us && other.kind === event.kind;
    if (this.events.some(same)) return false;
    this.events.unshift(event);
    this.events.sort((a, b) => b.unix_us - a.unix_us);
    this.events.length = Math.min(this.events.length, SHOWN);
    return true;
  }

  render() {
    const now = nowUnixMs();
    this.empty.hidden = this.events.length > 0;
    this.list.replaceChildren(...this.events.map((event) => item(event, now)));
  }
}

function item(event, now) {
  const entry = document.createElement("li");
  entry.dataset.kind = event.kind;
  if (event.level !== "plain") entry.dataset.level = event.level;
  const text = document.createElement("p");
  text.append(event.text, ...helpLink(event.detail?.reason?.code));
  const time = document.createElement("time");
  const unixMs = Math.floor(event.unix_us / 1000);
  time.dateTime = new Date(unixMs).toISOString();
  time.textContent = timeText(unixMs, now);
  time.title = fullTime(unixMs);
  entry.append(text, time);
  return entry;
}
