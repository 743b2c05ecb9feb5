// When pH is to be calibrated again.

import { t, tn } from "./i18n.js";

const SOON_DAYS = 7;

function dueText(days) {
  if (days < 0) return ["warn", tn("pH has been due for {count} day", "pH has been due for {count} days", -days)];
  if (days === 0) return ["warn", t("pH is due today")];
  return [days <= SOON_DAYS ? "note" : "ok", tn("pH is due in {count} day", "pH is due in {count} days", days)];
}

/** Show it in a chip; nothing where no calibration is known. */
export function renderDue(chip, days) {
  chip.hidden = days === null;
  if (days !== null) [chip.dataset.level, chip.textContent] = dueText(days);
}
