// Last night in one line for the rows in sight, a few at a time: each costs the host a summary.

import { request, Unanswered } from "./connection.js";
import { ZONE } from "./exports.js";
import { nowUnixMs } from "./state.js";
import { lastNight } from "./summary.js";

const AT_ONCE = 10;
const AGAIN_MS = 15 * 60e3;

export class LastNights {
  /** `changed()` is called after each answer. */
  constructor(changed) {
    this.changed = changed;
    this.known = new Map(); // node: {level, summary}
    this.waiting = new Set();
    this.isWanted = false; // by a tab that is shown again
    this.seen = new IntersectionObserver((entries) => {
      for (const { target, isIntersecting } of entries) {
        if (isIntersecting && !this.known.has(target.dataset.node)) this.waiting.add(target.dataset.node);
      }
      this.load();
    });
    setInterval(() => {
      for (const name of this.known.keys()) this.waiting.add(name);
      this.load();
    }, AGAIN_MS);
    document.addEventListener("visibilitychange", () => {
      this.isWanted = true;
      this.load();
    });
  }

  of(node) {
    return this.known.get(node);
  }

  watch(row) {
    this.seen.observe(row);
  }

  async load() {
    if (this.isLoading) return;
    this.isLoading = true;
    this.isWanted = false;
    const failed = [];
    while (this.waiting.size && !document.hidden) {
      const names = [...this.waiting].slice(0, AT_ONCE);
      for (const name of names) this.waiting.delete(name);
      failed.push(...await this.ask(names));
      this.changed();
    }
    // Asked for again when the tab is shown again, or with the next rows in sight.
    for (const name of failed) this.waiting.add(name);
    this.isLoading = false;
    if (this.isWanted) this.load(); // shown again meanwhile
  }

  /** Ask for nights; one that cannot be read costs no other. The names of those not read. */
  async ask(names) {
    const [from, to] = lastNight(nowUnixMs());
    const query = new URLSearchParams({ nodes: names.join(), from_unix_ms: from, to_unix_ms: to, time_zone: ZONE });
    try {
      const { nights } = await request(`/api/nights?${query}`);
      for (const [name, night] of Object.entries(nights)) this.known.set(name, night);
      return [];
    } catch (error) {
      if (names.length === 1 || error instanceof Unanswered) return names;
      const failed = [];
      for (const name of names) failed.push(...await this.ask([name]));
      return failed;
    }
  }
}
