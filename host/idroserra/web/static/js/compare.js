// Compares two spans of nodes by the figures of the report.

import { byId, make, showOutcome } from "./dom.js";
import { startFrame } from "./page_frame.js";
import { request, start } from "./connection.js";
import { withDisabled } from "./confirm_dialog.js";
import { dayText } from "./format.js";
import { t } from "./i18n.js";
import { LatestResponse } from "./latest_response.js";

const OWN = "own";
const form = byId("compare");

/** The choice of a node and a span of it. */
class Side {
  constructor(root, name) {
    this.root = root;
    [this.node, this.span, this.from, this.to] = ["node", "span", "from", "to"].map((part) => form.elements[`${name}_${part}`]);
    this.newest = new LatestResponse();
    this.place = 0; // of the chosen span
    this.node.addEventListener("change", () => this.load());
    this.span.addEventListener("change", () => {
      this.place = this.span.selectedIndex;
      this.follow();
    });
  }

  /** Offer the spans of the node; `place`: the one to choose. */
  async load(place = this.place) {
    this.place = place;
    this.newest.restart();
    this.span.replaceChildren(); // those of the node before
    try {
      const found = await this.newest.of(request(`/api/nodes/${encodeURIComponent(this.node.value)}/spans`));
      if (!found) return;
      this.spans = found.spans;
      const options = found.spans.map((one, index) => new Option(`${one.name}, ${dayText(one.from_unix_ms)} \u2013 ${dayText(one.to_unix_ms)}`, index));
      this.span.replaceChildren(...options, new Option(t("Own dates"), OWN));
      this.span.selectedIndex = Math.max(0, Math.min(place, options.length - 1));
      this.follow();
    } catch (error) {
      showOutcome(form.querySelector(".outcome"), "failed", error.message);
    }
  }

  follow() {
    const isOwn = this.span.value === OWN;
    for (const label of this.root.querySelectorAll("[data-own]")) label.hidden = !isOwn;
    for (const input of [this.from, this.to]) input.required = isOwn;
  }

  /** [node, from, to] in Unix ms; own dates are whole days of this device. */
  get chosen() {
    if (this.span.value !== OWN) {
      const { from_unix_ms: from, to_unix_ms: to } = this.spans[Number(this.span.value)];
      return [this.node.value, from, to];
    }
    const to = new Date(`${this.to.value}T00:00`);
    to.setDate(to.getDate() + 1);
    return [this.node.value, new Date(`${this.from.value}T00:00`).getTime(), to.getTime()];
  }
}

function show({ sides, rows }) {
  const table = byId("compared").querySelector("table");
  const [, first, second] = table.tHead.rows[0].cells;
  first.textContent = sides[0].text;
  second.textContent = sides[1].text;
  const figure = (textContent) => make("td", { textContent, className: "figure" });
  table.tBodies[0].replaceChildren(...rows.map((row) => make("tr", { id: `figure-${row.key.replaceAll(" ", "-")}` }, make("th", { scope: "row", textContent: row.label }), ...[...row.values, row.difference].map(figure))));
  byId("compared").hidden = false;
}

async function compare(sides) {
  const outcome = form.querySelector(".outcome");
  const [[node, from, to], [other, otherFrom, otherTo]] = sides.map((side) => side.chosen);
  const query = new URLSearchParams({ node, from_unix_ms: from, to_unix_ms: to, other, other_from_unix_ms: otherFrom, other_to_unix_ms: otherTo });
  showOutcome(outcome, "pending", t("Computing\u2026"));
  try {
    show(await withDisabled(form.querySelectorAll("button"), () => request(`/api/compare?${query}`)));
    byId("export-compared").dataset.export = `/api/compare/export?${query}`;
    showOutcome(outcome, "done", "");
  } catch (error) {
    byId("compared").hidden = true;
    showOutcome(outcome, "failed", error.message);
  }
}

function wire() {
  const sides = [...form.querySelectorAll("[data-side]")].map((root) => new Side(root, root.dataset.side));
  const asked = new URLSearchParams(location.search).get("node");
  if (asked) for (const side of sides) side.node.value = asked;
  sides[0].load(1);
  sides[1].load(0);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    compare(sides);
  });
}

if (form) wire();
startFrame();
start();
