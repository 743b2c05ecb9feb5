// The form to rename a site, for admins.

import { showOutcome } from "./dom.js";
import { t } from "./i18n.js";
import { request } from "./connection.js";
import { siteLink } from "./sites.js";
import { withDisabled } from "./confirm_dialog.js";

/** `act(value)` sends the request; resolves with the text to show, or navigates. */
function wire(form, act) {
  if (!form) return;
  const outcome = form.querySelector(".outcome");
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    showOutcome(outcome, "pending", t("Waiting for the host\u2026"));
    try {
      showOutcome(outcome, "done", await withDisabled(form.elements, () => act(form.elements.site.value.trim())));
    } catch (error) {
      showOutcome(outcome, "failed", t("Failed: {reason}", { reason: error.message }));
    }
  });
}

/** Rename a site; the address of its page changes. */
export function wireRename(form, site) {
  wire(form, async (name) => {
    await request(`/api/sites/${encodeURIComponent(site)}`, { method: "PUT", body: { name } });
    location.replace(siteLink(name));
    return t("Site renamed to {site}.", { site: name });
  });
}
