// The table of many nodes: sorted, searched and filtered, which the address keeps.
//
// By default the nodes that need attention come first, each group in natural order: a grower looks
// for trouble first, and then for a node by its name. Rows keep their places while the pointer or
// the focus is in the table, so that none moves away under a tap.

import { append, make, placed, setText } from "./dom.js";
import { COLUMNS, compared, headingOf } from "./fleet_columns.js";
import { LastNights } from "./last_nights.js";
import { t, tn } from "./i18n.js";
import { naturally } from "./natural.js";
import { nowUnixMs } from "./state.js";
import { LEVELS } from "./strip.js";

const DEFAULT = { sort: "state", down: false, level: "", find: "" };

export class FleetTable {
  constructor(root) {
    this.root = root;
    this.tools = root.querySelector("form");
    this.head = root.querySelector("thead tr");
    this.body = root.querySelector("tbody");
    this.rows = new Map();
    this.nodes = [];
    this.nights = new LastNights(() => this.draw());
    this.order = [];
    this.wanted = this.ofAddress();
    const { find, level, sort } = this.tools.elements;
    [find.value, level.value] = [this.wanted.find, this.wanted.level];
    find.addEventListener("input", () => this.want({ find: find.value }));
    level.addEventListener("change", () => this.want({ level: level.value }));
    sort.addEventListener("change", () => this.want({ sort: sort.value, down: false }));
    this.tools.addEventListener("submit", (event) => event.preventDefault());
    this.head.addEventListener("click", ({ target }) => this.clicked(target.closest("button")));
    for (const event of ["pointerleave", "focusout"]) this.body.addEventListener(event, () => requestAnimationFrame(() => this.draw()));
  }

  ofAddress() {
    const query = new URLSearchParams(location.search);
    const sort = query.get("sort") || DEFAULT.sort;
    return {
      sort: COLUMNS.some(({ name }) => name === sort) ? sort : DEFAULT.sort, down: query.has("down"),
      level: LEVELS.includes(query.get("level")) ? query.get("level") : "", find: query.get("find") || "",
    };
  }

  want(changes) {
    Object.assign(this.wanted, changes);
    const { sort, down, level, find } = this.wanted;
    const query = new URLSearchParams();
    if (sort !== DEFAULT.sort) query.set("sort", sort);
    if (down) query.set("down", "");
    if (level) query.set("level", level);
    if (find) query.set("find", find);
    history.replaceState(null, "", query.size ? `?${query}` : location.pathname);
    this.draw(true);
  }

  clicked(button) {
    if (!button) return;
    const { sort, down } = this.wanted;
    this.want({ sort: button.dataset.sort, down: sort === button.dataset.sort && !down });
  }

  render(nodes, hasSites) {
    this.nodes = nodes;
    const shownColumns = COLUMNS.filter((one) => (!one.isOfSites || hasSites) && (!one.isOptional || nodes.some((node) => one.key in node.channels)));
    const names = shownColumns.map((one) => `${one.name}:${headingOf(one, nodes)}`).join();
    if (this.names !== names) this.makeHead(names, shownColumns);
    this.draw();
  }

  makeHead(names, columns) {
    [this.names, this.columns] = [names, columns];
    this.rows.clear();
    this.body.replaceChildren();
    this.order = [];
    this.head.replaceChildren(...columns.map((one) => {
      const cell = make("th", { scope: "col" }, make("button", { type: "button", textContent: headingOf(one, this.nodes) }));
      cell.setAttribute("role", "columnheader");
      cell.firstChild.dataset.sort = one.name;
      cell.dataset.column = one.name;
      return cell;
    }));
    this.tools.elements.sort.replaceChildren(...columns.map((one) => new Option(t("Sort by {what}", { what: headingOf(one, this.nodes) }), one.name)));
  }

  /** Render the rows; `isAsked`: sort them even while the pointer or the focus is in the table. */
  draw(isAsked = false) {
    if (!this.columns) return;
    const { sort, down, level } = this.wanted;
    const now = nowUnixMs();
    const cells = new Map(this.nodes.map((node) => [node.node, this.cellsOf(node, now)]));
    const found = this.nodes.filter((node) => this.matches(node, cells.get(node.node), level));
    const column = COLUMNS.find(({ name }) => name === sort);
    const valueOf = (node) => (cells.get(node.node)[sort] || column.of(node, now, this.nights.of(node.node))).sort;
    const sorted = found.sort((a, b) => compared(valueOf(a), valueOf(b), down) || naturally(a.title, b.title));
    const nodes = isAsked || !this.isInUse ? sorted : this.inPlace(sorted);
    this.order = nodes.map(({ node }) => node);
    placed(this.body, this.rows, nodes, ({ node }) => node, (node) => this.makeRow(node), (row, node) => this.renderRow(row, node, cells.get(node.node)));
    this.renderTools(sort, down);
  }

  get isInUse() {
    return this.body.matches(":hover") || this.body.contains(document.activeElement);
  }

  /** The nodes in the order of now; new ones follow. */
  inPlace(nodes) {
    const at = new Map(this.order.map((name, index) => [name, index]));
    const place = ({ node }) => at.get(node) ?? Infinity;
    return [...nodes].sort((a, b) => place(a) - place(b) || 0);
  }

  cellsOf(node, now) {
    return Object.fromEntries(this.columns.map((one) => [one.name, one.of(node, now, this.nights.of(node.node))]));
  }

  matches(node, cells, level) {
    if (level && LEVELS.indexOf(node.state.level) < LEVELS.indexOf(level)) return false;
    const text = `${node.title} ${node.node} ${node.site} ${cells.crop.text}`.toLowerCase();
    return this.wanted.find.toLowerCase().split(/\s+/).every((word) => text.includes(word));
  }

  makeRow(node) {
    const row = make("tr");
    row.setAttribute("role", "row");
    row.dataset.node = node.node;
    for (const { name, key, heading } of this.columns) {
      const cell = append(row, name === "node" ? "th" : "td");
      if (name === "node") cell.scope = "row";
      cell.setAttribute("role", name === "node" ? "rowheader" : "cell");
      cell.dataset.column = name;
      if (!key) continue;
      const display = node.channels[key]?.display;
      [cell.dataset.label, cell.dataset.unit] = [heading ? t(heading) : display?.label || "", display?.unit || ""];
    }
    this.nights.watch(row);
    return row;
  }

  renderRow(row, node, cells) {
    row.dataset.level = node.state.level;
    this.columns.forEach(({ name }, index) => renderCell(row.children[index], cells[name]));
  }

  renderTools(sort, down) {
    for (const cell of this.head.children) {
      const isSorted = cell.dataset.column === sort;
      if (isSorted) cell.setAttribute("aria-sort", down ? "descending" : "ascending");
      else cell.removeAttribute("aria-sort");
    }
    this.tools.elements.sort.value = sort;
    const { length } = this.order;
    const all = tn("{count} node", "{count} nodes", this.nodes.length);
    setText(this.tools.querySelector("[role=status]"), length === this.nodes.length ? all : t("{count} of {all}", { count: length, all }));
  }
}

/** Change a cell only where what it shows has changed. */
function renderCell(cell, { text, level = "", look = "", title = "", icon, href }) {
  if (cell.title !== title) cell.title = title;
  const shown = [text, level, look].join("\n");
  if (cell.shown === shown) return;
  cell.shown = shown;
  if (level) cell.dataset.level = level;
  else delete cell.dataset.level;
  cell.dataset.state = look;
  const words = href ? make("a", { href, textContent: text }) : make("span", { textContent: text });
  cell.replaceChildren(...(icon ? [iconOf(icon)] : []), words);
}

const SVG = "http://www.w3.org/2000/svg";

function iconOf(href) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("aria-hidden", "true");
  svg.appendChild(document.createElementNS(SVG, "use")).setAttribute("href", href);
  return svg;
}
