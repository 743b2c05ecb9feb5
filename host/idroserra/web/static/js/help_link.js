// Links to the help on the code of a reason.

import { make } from "./dom.js";
import { t } from "./i18n.js";

/** The children to append after the text of a reason: a link to its help, none without a code. */
export function helpLink(code) {
  return !code || code === "sentence" ? [] : helpAddress(`/help/reasons#${code}`);
}

/** The same for an address of the help. */
export function helpAddress(href) {
  const link = make("a", { className: "why", href, textContent: "?" });
  link.setAttribute("aria-label", t("What it means"));
  return ["\u00a0", link];
}
