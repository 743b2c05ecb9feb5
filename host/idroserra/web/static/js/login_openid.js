// The page that an OpenID provider returns to: ends the log-in that this browser began.

import { t } from "./i18n.js";
import { ask, pageOfHost } from "./log_in_request.js";

const root = document.getElementById("returned");
const outcome = root.querySelector(".outcome");
const asked = new URLSearchParams(location.search);

function showOutcome(text, state = "failed") {
  outcome.dataset.state = state;
  outcome.textContent = text;
  root.querySelector(".row").hidden = state !== "failed";
}

/** What the provider says in place of a code. Only a known form of it is shown: anybody can write the address. */
function refusal() {
  const code = asked.get("error") || "";
  if (code === "access_denied") return t("The log-in was cancelled, or you are not let in there.");
  return t("The log-in provider did not log you in ({code}).", { code: /^[a-z_]{1,40}$/.test(code) ? code : "?" });
}

history.replaceState(null, "", location.pathname); // a code stays in no history
if (asked.has("error")) {
  showOutcome(refusal());
} else if (!asked.get("state") || !asked.get("code")) {
  showOutcome(t("This page ends a log-in; there is none here."));
} else {
  showOutcome(t("One moment\u2026"), "pending");
  try {
    const body = { state: asked.get("state"), code: asked.get("code"), iss: asked.get("iss") };
    const { next } = await ask("/api/session/openid/return", body);
    location.replace(pageOfHost(next));
  } catch (error) {
    showOutcome(error.message);
  }
}
