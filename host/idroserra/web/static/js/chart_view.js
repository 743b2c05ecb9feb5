// What the charts show beside their range: panels, a second node, two dates, the whole screen.
// The choice is part of the address.

import { make } from "./dom.js";
import { allPanels } from "./chart_panels.js";
import { naturally } from "./natural.js";
import { roomPath } from "./room_links.js";
import { state } from "./state.js";
import { setQuery } from "./time_range.js";

const query = () => new URLSearchParams(location.search);

export class ChartView {
  constructor(root, stack, range) {
    [this.root, this.stack, this.range] = [root, stack, range];
    this.hidden = new Set((query().get("hide") || "").split(",").filter(Boolean));
    this.other = query().get("with");
    this.channels = root.querySelector("#channels ul");
    this.compare = root.querySelector("#compare");
    this.channels.addEventListener("change", ({ target }) => this.toggle(target));
    this.compare.addEventListener("change", () => this.overlay(this.compare.value));
    root.querySelector("#dates form").addEventListener("submit", (event) => this.showDates(event));
    this.wireFull(root.querySelector("#full"));
  }

  /** Fill the lists, and show the choice. */
  render(node) {
    this.fillChannels(allPanels(node));
    this.fillNodes(node);
    const lacksDli = "light" in node.outputs && !("light.dli_mol_per_m2" in node.channels);
    this.root.querySelector("#no-dli").hidden = !lacksDli;
    this.root.querySelector("#no-dli a").href = roomPath(node.node, "crop");
    this.apply();
  }

  apply() {
    this.stack.setView({ hidden: this.hidden, other: state.nodes.get(this.other) || null });
  }

  fillChannels(panels) {
    const shape = panels.map((panel) => panel.quantity).join();
    if (this.shape === shape) return;
    this.shape = shape;
    this.channels.replaceChildren(...panels.map((panel) => {
      const box = make("input", { type: "checkbox", value: panel.quantity, checked: !this.hidden.has(panel.quantity) });
      const label = make("label", { className: "check" });
      label.append(box, panel.title);
      const item = make("li");
      item.append(label);
      return item;
    }));
  }

  fillNodes(node) {
    const others = [...state.nodes.values()].filter((other) => other.node !== node.node).sort((a, b) => naturally(a.title, b.title));
    const shape = JSON.stringify(others.map((other) => [other.node, other.title]));
    this.compare.closest("label").hidden = !others.length;
    if (this.others === shape) return;
    this.others = shape;
    this.compare.replaceChildren(this.compare.options[0], ...others.map((other) => make("option", { value: other.node, textContent: other.title })));
    this.compare.value = others.some((other) => other.node === this.other) ? this.other : "";
  }

  toggle({ value, checked }) {
    if (checked) this.hidden.delete(value);
    else this.hidden.add(value);
    setQuery({ hide: [...this.hidden].join() });
    this.apply();
  }

  overlay(name) {
    this.other = name;
    setQuery({ with: name });
    this.apply();
  }

  /** Show whole days from one date to another, of this device's time zone. */
  showDates(event) {
    event.preventDefault();
    const { from, to } = event.target.elements;
    const [first, last] = [from.value, to.value].sort();
    const end = new Date(`${last}T00:00`);
    end.setDate(end.getDate() + 1);
    this.stack.move(() => this.range.fix(new Date(`${first}T00:00`).getTime(), end.getTime()));
    this.root.querySelector("#dates").open = false;
  }

  wireFull(button) {
    button.hidden = !document.fullscreenEnabled;
    button.addEventListener("click", () => {
      if (document.fullscreenElement) document.exitFullscreen();
      else this.root.requestFullscreen();
    });
    document.addEventListener("fullscreenchange", () => button.setAttribute("aria-pressed", String(Boolean(document.fullscreenElement))));
  }
}
