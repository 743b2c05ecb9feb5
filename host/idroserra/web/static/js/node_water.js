// Water and dosing: setpoints of the solution, correction, bottles, balance, outputs by hand.

import { renderAdvice } from "./advice.js";
import { BalancePanel } from "./balance.js";
import { BottlesPanel } from "./bottles.js";
import { renderDue } from "./calibrate_due.js";
import { DoseForm } from "./commands.js";
import { CorrectionPanel } from "./correction.js";
import { byId } from "./dom.js";
import { RunForm } from "./manual_run.js";
import { name, startRoom } from "./node_room.js";
import { SettingForm } from "./setting_forms.js";

const correction = new CorrectionPanel(byId("correct"), byId("correct-sure"), name);
const settings = new SettingForm(byId("settings"), name);
const dose = new DoseForm(byId("dose"), byId("dose-sure"), name);
const run = new RunForm(byId("run"), byId("run-sure"), name);
const bottles = new BottlesPanel(byId("bottles"), byId("bottle"), name);
const balance = new BalancePanel(byId("balance"), name);

startRoom({
  render(node) {
    renderAdvice(byId("advice"), node.advice);
    correction.render(node);
    renderDue(byId("probes").querySelector(".due"), node.calibration_due_days);
  },
  renderSlow(node) {
    settings.render(node);
    dose.render(node);
    run.render(node);
  },
  load: () => balance.load(),
  onMessage: ({ type }) => type === "tick" && bottles.tick(),
});
bottles.load();
