// The due date of the pH calibration.

import { t, tn } from "./i18n.js";

const SOON_DAYS = 7;

function dueText(days) {
  if (days < 0) return ["warn", tn("pH calibration overdue by {count} day", "pH calibration overdue by {count} days", -days)];
  if (days === 0) return ["warn", t("pH calibration due today")];
  return [days <= SOON_DAYS ? "note" : "ok", tn("pH calibration due in {count} day", "pH calibration due in {count} days", days)];
}

/** Show the due date in a chip; hidden if unknown. */
export function renderDue(chip, days) {
  chip.hidden = days === null;
  if (days !== null) [chip.dataset.level, chip.textContent] = dueText(days);
}
