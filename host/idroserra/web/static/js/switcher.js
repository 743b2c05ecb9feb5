// Finds a node by name or site: the combobox with a list of WAI-ARIA, in a popover of the header.

import { make } from "./dom.js";
import { t, tn } from "./i18n.js";
import { naturally } from "./natural.js";
import { state } from "./state.js";

const EDGE_PX = 8;
const WIDTH_PX = 360;

/** The address of another node: the same room of it. */
function addressOf(node) {
  const [, , room] = /^\/nodes\/([^/]+)(\/.*)?$/.exec(location.pathname) || [];
  return `/nodes/${encodeURIComponent(node)}${room || ""}`;
}

function choices() {
  const nodes = [...state.nodes.values()].map(({ node, title, site, state: { level, text } }) => ({
    name: title, also: node === title ? "" : node, site, level, text, href: addressOf(node),
  }));
  const sites = state.sites.length < 2 ? [] : state.sites.map(({ site, level, nodes: { length } }) => ({
    name: site, also: "", site: "", level, text: tn("{count} node", "{count} nodes", length), href: `/sites/${encodeURIComponent(site)}`,
  }));
  const byName = (a, b) => naturally(a.name, b.name);
  return [...sites.sort(byName), ...nodes.sort(byName)];
}

class Switcher {
  constructor(button, root) {
    this.button = button;
    this.root = root;
    this.input = root.querySelector("input");
    this.list = root.querySelector("ul");
    this.status = root.querySelector("p");
    root.addEventListener("toggle", ({ newState }) => this.toggled(newState === "open"));
    this.input.addEventListener("input", () => this.filter());
    this.input.addEventListener("keydown", (event) => this.keyed(event));
    this.list.addEventListener("click", ({ target }) => this.go(target.closest("li")));
  }

  toggled(isOpen) {
    this.button.setAttribute("aria-expanded", String(isOpen));
    this.input.setAttribute("aria-expanded", String(isOpen));
    if (!isOpen) return this.list.replaceChildren();
    this.place();
    this.known = choices();
    this.input.value = "";
    this.filter();
    return this.input.focus();
  }

  /** Below the button, inside the window. */
  place() {
    const { left, bottom } = this.button.getBoundingClientRect();
    const most = document.documentElement.clientWidth - WIDTH_PX - EDGE_PX;
    this.root.style.left = `${Math.max(EDGE_PX, Math.min(left, most))}px`;
    this.root.style.top = `${bottom + 4}px`;
    this.root.style.maxHeight = `${Math.max(160, innerHeight - bottom - 4 - EDGE_PX)}px`;
  }

  filter() {
    const words = this.input.value.toLowerCase().split(/\s+/).filter(Boolean);
    const found = this.known.filter(({ name, also, site }) => words.every((word) => `${name} ${also} ${site}`.toLowerCase().includes(word)));
    this.list.replaceChildren(...found.map((one, index) => this.option(one, index)));
    this.status.textContent = found.length ? tn("{count} match", "{count} matches", found.length) : t("No match.");
    this.select(words.length ? 0 : found.findIndex(({ href }) => href === location.pathname));
  }

  option({ name, also, site, level, text, href }, index) {
    const option = make("li", { id: `switch-${index}`, role: "option" }, make("b", { textContent: name }));
    if (also) option.append(make("span", { textContent: also }));
    if (site && state.sites.length > 1) option.append(make("span", { textContent: site }));
    if (level !== "ok" || !site) option.append(make("small", { textContent: text }));
    Object.assign(option.dataset, { href, level });
    option.setAttribute("aria-selected", "false");
    return option;
  }

  get selected() {
    return this.list.querySelector("[aria-selected=true]");
  }

  select(index) {
    const old = this.selected;
    if (old) old.setAttribute("aria-selected", "false");
    const option = this.list.children[index];
    if (!option) return this.input.removeAttribute("aria-activedescendant");
    option.setAttribute("aria-selected", "true");
    this.input.setAttribute("aria-activedescendant", option.id);
    return option.scrollIntoView({ block: "nearest" });
  }

  keyed(event) {
    const last = this.list.children.length - 1;
    const at = [...this.list.children].indexOf(this.selected);
    const moves = { ArrowDown: at < last ? at + 1 : 0, ArrowUp: at > 0 ? at - 1 : last, PageDown: Math.min(last, at + 10), PageUp: Math.max(0, at - 10) };
    if (event.key in moves) this.select(moves[event.key]);
    else if (event.key === "Enter") this.go(this.selected);
    else return;
    event.preventDefault();
  }

  go(option) {
    if (option) location.assign(option.dataset.href);
  }
}

export const wireSwitcher = (button, root) => new Switcher(button, root);
