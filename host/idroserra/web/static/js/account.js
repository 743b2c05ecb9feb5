// The account page: log out, language and units, password.

import { showOutcome } from "./dom.js";
import { renderAlarmBadge } from "./alarm_badge.js";
import { t } from "./i18n.js";
import { request } from "./connection.js";
import { withDisabled } from "./confirm_dialog.js";

renderAlarmBadge();

async function leave(path, button) {
  try {
    const { log_out_url: atProvider } = await withDisabled([button], () => request(path, { method: "DELETE", body: {} }));
    location.replace(atProvider || "/login");
  } catch (error) {
    showOutcome(document.getElementById("out-outcome"), "failed", error.message);
  }
}

for (const [id, path] of [["out", "/api/session"], ["out-all", "/api/session/all"]]) {
  const button = document.getElementById(id);
  button.addEventListener("click", () => leave(path, button));
  button.disabled = false;
}

const form = document.getElementById("password");
const outcome = form?.querySelector(".outcome");
form?.addEventListener("submit", async (event) => {
  event.preventDefault();
  const { password, new_password: wanted, again } = form.elements;
  if (wanted.value !== again.value) return showOutcome(outcome, "failed", t("The two new passwords differ."));
  showOutcome(outcome, "pending", t("One moment\u2026"));
  try {
    const body = { password: password.value, new_password: wanted.value };
    await withDisabled(form.elements, () => request("/api/account/password", { method: "PUT", body }));
    form.reset();
    showOutcome(outcome, "done", t("Changed. You are logged out everywhere else."));
  } catch (error) {
    showOutcome(outcome, "failed", error.message);
  }
});

const speech = document.getElementById("speech");
speech.addEventListener("submit", async (event) => {
  event.preventDefault();
  try {
    const body = Object.fromEntries(new FormData(speech));
    await withDisabled(speech.elements, () => request("/api/account/preferences", { method: "PUT", body }));
    location.reload(); // every text of the page changes
  } catch (error) {
    showOutcome(speech.querySelector(".outcome"), "failed", error.message);
  }
});
