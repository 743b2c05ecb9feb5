// The stock calculator: asks the host, and shows salts, stocks and the resulting solution.

import { byId, make, showOutcome } from "./dom.js";
import { startFrame } from "./page_frame.js";
import { request, start } from "./connection.js";
import { withDisabled } from "./confirm_dialog.js";
import { t } from "./i18n.js";
import { valueOf, watchNumbers } from "./number_fields.js";

const form = byId("stock");
const result = byId("stock-result");
const outcome = form.querySelector(".outcome");
const NUMBERS = { batch: ["volume_l", "strength", "target_ph", "temp_c"], dose: ["volume_l", "target_ph", "temp_c"] };
const NAMES = { batch: ["recipe", "acid", "base"], dose: ["stock"] };

const isReport = () => form.elements.water.value === "report";

/** Show the fields of what is computed. */
function follow() {
  const kind = form.elements.kind.value;
  for (const part of form.querySelectorAll("[data-of]")) {
    part.hidden = part.dataset.of === "report" ? !isReport() : part.dataset.of !== kind;
  }
}

/** The water as the host takes it: its name, or the report. */
function water() {
  if (!isReport()) return form.elements.water.value;
  const filled = [...form.querySelectorAll("[data-report]")].filter((input) => input.value.trim());
  return filled.map((input) => `${input.dataset.report}=${valueOf(input)}`).join(" ") || "pH=7.5";
}

function query() {
  const { elements } = form;
  const kind = elements.kind.value;
  const found = new URLSearchParams({ water: water() });
  for (const name of NAMES[kind]) found.set(name, elements[name].value);
  for (const name of NUMBERS[kind]) {
    const { factor, offset } = elements[name].dataset;
    found.set(name, String(Number(((valueOf(elements[name]) - offset) / factor).toPrecision(8))));
  }
  return `/api/stock/${kind}?${found}`;
}

const labelOf = (input) => input.closest("label").firstElementChild.textContent;

/** The first shown field that is wrong, or undefined. */
function wrongField() {
  const shown = [...form.querySelectorAll("input[data-low]")].filter((input) => !input.closest("[hidden]"));
  return shown.find((input) => (input.value.trim() || input.required) && Number.isNaN(valueOf(input)));
}

function refuse(input, text) {
  showOutcome(outcome, "failed", input ? `${labelOf(input)}: ${text}` : text);
  result.hidden = true;
  if (!input) return;
  input.setAttribute("aria-invalid", "true");
  input.focus();
}

function fieldOf(name = "") {
  const [place, ion] = name.split(".");
  return (ion && form.querySelector(`[data-report="${ion}"]`)) || form.elements[place] || null;
}

async function compute() {
  const wrong = wrongField();
  if (wrong) return refuse(wrong, wrong.value.trim() ? wrong.validationMessage : t("must not be empty"));
  try {
    const found = await withDisabled(form.querySelectorAll("button"), () => request(query()));
    show(found.words);
    return showOutcome(outcome, "done", "");
  } catch (error) {
    return refuse(fieldOf(error.field), error.message);
  }
}

const cell = (textContent, className = "") => make("td", { textContent, className });
const rowHead = (textContent) => make("th", { scope: "row", textContent });

function show(words) {
  const { elements } = form;
  const what = elements.kind.value === "batch" ? elements.recipe : elements.stock;
  const volume = `${elements.volume_l.value} ${labelOf(elements.volume_l).split(", ")[1]}`;
  const [name, source] = [what, elements.water].map((select) => select.selectedOptions[0].textContent);
  byId("stock-result-title").textContent = t("{what} for {volume}, {water}", { what: name, volume, water: source });
  result.querySelector(".lines").replaceChildren(...words.lines.map((textContent) => make("li", { textContent })));
  result.querySelector(".notes").replaceChildren(...words.notes.map((textContent) => make("li", { textContent })));
  const salts = result.querySelector(".salts");
  salts.hidden = words.salts.length === 0;
  salts.tBodies[0].replaceChildren(...words.salts.map((one) => make("tr", {}, rowHead(one.salt), cell(one.formula), cell(one.grams, "figure"), cell(one.tank))));
  const ions = result.querySelector(".ions");
  result.querySelector("details").hidden = words.ions.length === 0;
  ions.tBodies[0].replaceChildren(...words.ions.map((one) => make("tr", {}, rowHead(one.ion), cell(one.wanted, "figure"), cell(one.got, "figure"))));
  result.hidden = false;
}

/** Take the volume, pH and kind of a link, such as that of the correction card. */
function takeLink() {
  const asked = new URLSearchParams(location.search);
  for (const name of ["kind", "volume_l", "target_ph"]) if (asked.has(name)) form.elements[name].value = asked.get(name);
}

takeLink();
watchNumbers(form);
follow();
form.addEventListener("input", (event) => {
  event.target.removeAttribute("aria-invalid");
  follow();
});
form.addEventListener("submit", (event) => {
  event.preventDefault();
  compute();
});
byId("print").addEventListener("click", () => window.print());
startFrame();
start();
