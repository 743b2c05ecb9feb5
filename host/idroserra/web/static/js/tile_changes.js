// The setpoints of a tile, changed in a dialog where they are read.

import { make } from "./dom.js";
import { t } from "./i18n.js";
import { SetpointForm } from "./setpoints.js";

const ICON = '<svg aria-hidden="true"><use href="#i-change"/></svg>';

export class TileChanges {
  constructor(dialogs, node) {
    this.changes = [...dialogs].map((dialog) => {
      const form = new SetpointForm(dialog.querySelector(".setpoints"), node);
      dialog.addEventListener("close", () => form.discard());
      return { channels: dialog.dataset.change.split(" "), dialog, form };
    });
  }

  /** Give each tile of a setpoint its button. */
  offer(tiles, node) {
    for (const { channels, dialog, form } of this.changes) {
      for (const tile of channels.map((key) => tiles.get(key)).filter(Boolean)) {
        if (!tile.change) tile.change = this.button(tile, dialog);
        tile.change.hidden = !form.isKnown(node);
      }
    }
  }

  button(tile, dialog) {
    const button = make("button", { type: "button", className: "change", innerHTML: ICON }, make("span", { textContent: t("Change\u2026") }));
    button.setAttribute("aria-haspopup", "dialog");
    button.setAttribute("aria-label", t("Change the setpoints of {what}", { what: dialog.querySelector("h2").textContent }));
    button.addEventListener("click", () => dialog.showModal());
    tile.root.querySelector("h3").append(button);
    return button;
  }

  render(node) {
    for (const { form } of this.changes) form.render(node);
  }
}
