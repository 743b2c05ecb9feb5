// One's own page: log out, and change the password.

import { renderBell } from "./bell.js";
import { t } from "./i18n.js";
import { request } from "./link.js";
import { alone } from "./sure.js";

renderBell();

function say(outcome, state, text) {
  outcome.dataset.state = state;
  outcome.textContent = text;
}

async function leave(path, button) {
  try {
    await alone([button], () => request(path, { method: "DELETE", body: {} }));
    location.replace("/login");
  } catch (error) {
    say(document.getElementById("out-outcome"), "failed", error.message);
  }
}

document.getElementById("out").addEventListener("click", ({ currentTarget }) => leave("/api/session", currentTarget));
document.getElementById("out-all").addEventListener("click", ({ currentTarget }) => leave("/api/session/all", currentTarget));

const form = document.getElementById("password");
const outcome = form.querySelector(".outcome");
form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const { password, new_password: wanted, again } = form.elements;
  if (wanted.value !== again.value) return say(outcome, "failed", t("The two new passwords differ."));
  say(outcome, "pending", t("One moment\u2026"));
  try {
    const body = { password: password.value, new_password: wanted.value };
    await alone(form.elements, () => request("/api/account/password", { method: "PUT", body }));
    form.reset();
    say(outcome, "done", t("Changed. You are logged out everywhere else."));
  } catch (error) {
    say(outcome, "failed", error.message);
  }
});

const speech = document.getElementById("speech");
speech.addEventListener("submit", async (event) => {
  event.preventDefault();
  try {
    const body = Object.fromEntries(new FormData(speech));
    await alone(speech.elements, () => request("/api/account/preferences", { method: "PUT", body }));
    location.reload(); // every text of the page changes
  } catch (error) {
    say(speech.querySelector(".outcome"), "failed", error.message);
  }
});
