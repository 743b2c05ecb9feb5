// Number fields with a comma or a point: `<input data-low data-high data-decimals>`. The number
// field of the browser uses the language of the browser, not that of the page.

import { t } from "./i18n.js";
import { number } from "./format.js";

/** The number of a text, or NaN. */
export function parsed(text) {
  const plain = text.trim().replace("\u2212", "-").replace(",", ".");
  return /^-?(\d+\.?\d*|\.\d+)$/.test(plain) ? Number(plain) : NaN;
}

/** The number in a field, NaN if invalid or out of range. */
export function valueOf(input) {
  const value = parsed(input.value);
  return value >= Number(input.dataset.low) && value <= Number(input.dataset.high) ? value : NaN;
}

/** Write a number into a field, without trailing zeros. */
export function put(input, value) {
  input.value = plainNumber(value, Number(input.dataset.decimals)).replace("\u2212", "-");
  check(input);
}

/** A number with at most `decimals`, without trailing zeros. */
export function plainNumber(value, decimals) {
  const plain = String(Number(value.toFixed(decimals)));
  return number(Number(plain), (plain.split(".")[1] || "").length);
}

function check(input) {
  const is = input.value === "" || !Number.isNaN(valueOf(input));
  const [low, high] = [input.dataset.low, input.dataset.high].map((bound) => plainNumber(Number(bound), 4));
  input.setCustomValidity(is ? "" : t("A number from {low} to {high}", { low, high }));
}

/** Validate the number fields of a form on input. */
export function watchNumbers(form) {
  for (const input of form.querySelectorAll("input[data-low]")) {
    if (input.value) put(input, parsed(input.value));
    input.addEventListener("input", () => check(input));
  }
}
