// Where a node stands, and what a site is called: two forms of one field, for admins.

import { t } from "./i18n.js";
import { request } from "./link.js";
import { siteLink } from "./sites.js";
import { alone } from "./sure.js";

/** `act(value)` asks the host; it resolves with what to say, or leads elsewhere. */
function wire(form, act) {
  if (!form) return;
  const outcome = form.querySelector(".outcome");
  const say = (how, text) => {
    outcome.dataset.state = how;
    outcome.textContent = text;
  };
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    say("pending", t("Asking the host\u2026"));
    try {
      say("done", await alone(form.elements, () => act(form.elements.site.value.trim())));
    } catch (error) {
      say("failed", t("Not done: {reason}", { reason: error.message }));
    }
  });
}

/** Move a node to another site. */
export function wireMove(form, node) {
  wire(form, async (site) => {
    await request(`/api/nodes/${encodeURIComponent(node)}/site`, { method: "PUT", body: { site } });
    return t("Confirmed: {node} stands at {site}.", { node, site });
  });
}

/** Call a site otherwise; its page has another address then. */
export function wireRename(form, site) {
  wire(form, async (name) => {
    await request(`/api/sites/${encodeURIComponent(site)}`, { method: "PUT", body: { name } });
    location.replace(siteLink(name));
    return t("Confirmed: the site is called {site}.", { site: name });
  });
}
