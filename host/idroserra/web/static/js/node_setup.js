// The set-up of a node: restored backup, calibration, settings.

import { renderDue } from "./calibrate_due.js";
import { byId } from "./dom.js";
import { name, startRoom } from "./node_room.js";
import { RestoredPanel } from "./restored.js";
import { SettingForm } from "./setting_forms.js";

const restored = new RestoredPanel(byId("restored"), name);
const settings = new SettingForm(byId("settings"), name);

startRoom({
  renderSlow(node) {
    renderDue(byId("probes").querySelector(".due"), node.calibration_due_days);
    restored.render(node);
    settings.render(node);
  },
});
