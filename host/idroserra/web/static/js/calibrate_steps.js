// The steps of a calibration: their order and texts. Without DOM.

import { mark, t } from "./i18n.js";
import { millilitres, number, plainName } from "./format.js";

const PUT_BACK = t("Rinse the probe and put it back into the tank.");

export const KINDS = {
  ph: { title: t("pH"), channel: "reservoir.ph", wanted: ["7.00", "4.01"], putBack: PUT_BACK, youNeed: t("You need: buffers pH 7.00 and 4.01, water to rinse.") },
  ec: { title: t("EC"), channel: "reservoir.ec_us_cm", wanted: ["dry", "1413"], putBack: PUT_BACK, youNeed: t("You need: standard 1413 \u00b5S/cm, water to rinse, a cloth.") },
  level: { title: t("Level"), channel: "reservoir.level_mm", wanted: [t("first depth"), t("second depth")], putBack: t("Restore the water level."), youNeed: t("You need: a ruler, and water to add or remove.") },
  pump: { title: t("Pump"), channel: null, wanted: [t("first run"), t("second run")], putBack: t("Put the tube back into the tank."), youNeed: t("You need: a measuring cylinder.") },
};

export const ENDED = ["done", "unconfirmed", "failed", "cancelled", "expired"];

/** The title of a calibration: "pH", "pump nutrient A". */
export function titleOf({ kind, actuator }) {
  return actuator ? t("Pump {name}", { name: plainName(actuator) }) : KINDS[kind].title;
}

/** A buffer, standard, run or depth in the format of the language: 7.00 or 7,00. */
export function referenceText(name) {
  if (name === "dry") return t("dry, in air");
  return name.replace(/\d+\.(\d+)/, (all, decimals) => number(Number(all), decimals.length));
}

/** The name of the step: hold, factory, point, run, running, measure, review, back, applying, end. */
export function stepOf(state, ui) {
  if (ENDED.includes(state.state)) return "end";
  if (state.state === "applying") return "applying";
  if (ui.isBack) return "back";
  if (!state.hold.is_held) return "hold";
  if (state.advice && !ui.isKept) return "factory";
  const isEnough = state.points.length >= KINDS[state.kind].wanted.length && !ui.wantsMore;
  if (state.points.length && (isEnough || ui.wantsReview) && !(state.run && state.run.state === "given")) return "review";
  if (state.kind !== "pump") return "point";
  if (state.run && state.run.state === "pending") return "running";
  return state.run && state.run.state === "given" ? "measure" : "run";
}

/** The next buffer or standard. */
export function nextReference(state) {
  const { wanted } = KINDS[state.kind];
  return wanted[Math.min(state.points.length, wanted.length - 1)];
}

function pointText(state, reference) {
  if (state.kind === "level") {
    const which = state.points.length ? t("Change the depth by at least 50 mm, and let the water settle.") : t("Let the water settle, and measure its depth with a ruler.");
    return [which, state.points.length ? "" : t("One depth corrects the zero only; two correct zero and slope.")];
  }
  if (reference === "dry") return [t("Rinse the cell, dab it dry and hold it in air."), t("No drop may remain between its plates.")];
  if (state.kind === "ec") return [t("Put the cell and the thermometer into standard {reference} \u00b5S/cm.", { reference }), t("Move it up and down to remove bubbles.")];
  return [t("Rinse the probe and put it into pH {reference}.", { reference: referenceText(reference) }), t("The thermometer too. Stir once, then wait.")];
}

/** [instruction, further sentences ...]. */
export function stepTexts(step, state, reference) {
  const kind = KINDS[state.kind];
  switch (step) {
    case "hold":
      return state.hold.reason
        ? [t("Dosing cannot be held, so nothing can be calibrated."), t("The node reports: {reason}", { reason: state.hold.reason.text })]
        : [t("Waiting for the node to hold dosing\u2026"), ""];
    case "factory":
      return [t("Restore the factory values first."), `${state.advice.text}.`];
    case "point":
      return pointText(state, reference);
    case "run":
      return state.points.length
        ? [t("Empty the cylinder and run the pump again."), t("Two runs show the repeatability.")]
        : [t("Fill the tube of {name} completely and hold its end in a measuring cylinder.", { name: plainName(state.actuator) }), t("A run is a manual dose: the node's limits apply, and it uses the budget.")];
    case "running":
      return [t("The pump is running. Hold the tube still."), ""];
    case "measure":
      return [t("Read the cylinder."), t("The pump ran for {seconds} s.", { seconds: number(state.run.on_ms / 1000, 2) })];
    case "review":
      return [t("Check the result, then apply it."), t("Nothing has changed yet.")];
    case "back":
      return [kind.putBack, t("Dosing resumes four minutes after you apply the calibration.")];
    case "applying":
      return [t("Sent. Waiting for confirmation by the node\u2026"), t("All settings become active together, or none.")];
    default:
      return endTexts(state, kind);
  }
}

function endTexts(state, kind) {
  const endReason = [state.reason ? `${state.reason.text}.` : "", kind.putBack];
  switch (state.state) {
    case "done":
      return [t("Active: confirmed by the node."), t("Dosing resumes automatically in four minutes.")];
    case "unconfirmed":
      return [t("Sent, but not confirmed."), ...endReason];
    case "failed":
      return [t("Nothing was changed."), ...endReason];
    case "expired":
      return [t("Expired, nothing was changed."), ...endReason];
    default:
      return [t("Cancelled, nothing was changed."), kind.putBack, t("Dosing resumes automatically in four minutes.")];
  }
}

/** The live reading: [number, unit and temperature], or the fault. */
export function readingOf({ kind, reading }) {
  if (!reading) return ["\u2014", t("waiting for a reading")];
  if (reading.value === null) return [t("No reading"), reading.fault_text || reading.fault];
  const [decimals, unit] = { ph: [3, "pH"], ec: [0, "\u00b5S/cm"], level: [1, "mm"] }[kind];
  const words = reading.temp_c === null ? unit : t("{unit} at {temp} \u00b0C", { unit, temp: number(reading.temp_c, 1) });
  return [number(reading.value, decimals), words];
}

const RESULTS = [ // result, label, decimals, unit
  ["slope_pct", mark("Slope"), 1, "%"], ["offset_mv", mark("Offset"), 1, "mV"],
  ["residual_ph", mark("Largest deviation"), 3, "pH"],
  ["cell", mark("Cell constant"), 3, ""], ["zero_uv", mark("Signal at 0 mm"), 0, "\u00b5V"],
  ["uv_per_mm", mark("Signal per millimetre"), 0, "\u00b5V"], ["ul_per_s", mark("Flow"), 0, "\u00b5l/s"],
  ["apart_pct", mark("Points differ by"), 1, "%"],
];

/** Rows [label, before, after] of the results; `isShort`: settings only. */
export function resultRows(results, isShort = false) {
  return RESULTS.filter(([name]) => name in results && !(isShort && ["residual_ph", "apart_pct"].includes(name))).map(([name, label, decimals, unit]) => {
    const text = (value) => (value === undefined ? "\u2014" : `${number(value, decimals)} ${unit}`.trim());
    return [t(label), text(results[`old_${name}`]), text(results[name])];
  });
}

/** One line for a past calibration. */
export function pastText({ results }) {
  return resultRows(results, true).map(([label, , after]) => `${label} ${after}`).join(", ");
}

/** The points of a calibration, in one line. */
export function pointsText(state) {
  if (!state.points.length) return "";
  const texts = state.points.map(({ reference, true_value: value }) => (state.kind === "pump" ? `${referenceText(reference)}: ${millilitres(value * 1000)}` : referenceText(reference)));
  return t("Points: {points}.", { points: texts.join(", ") });
}
