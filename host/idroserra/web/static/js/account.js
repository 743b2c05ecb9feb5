// One's own page: log out, and change the password.

import { renderBell } from "./bell.js";
import { request } from "./link.js";

renderBell();

function say(outcome, state, text) {
  outcome.dataset.state = state;
  outcome.textContent = text;
}

async function leave(path) {
  try {
    await request(path, { method: "DELETE", body: {} });
    location.replace("/login");
  } catch (error) {
    say(document.getElementById("out-outcome"), "failed", error.message);
  }
}

document.getElementById("out").addEventListener("click", () => leave("/api/session"));
document.getElementById("out-all").addEventListener("click", () => leave("/api/session/all"));

const form = document.getElementById("password");
const outcome = form.querySelector(".outcome");
form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const { password, new_password: wanted, again } = form.elements;
  if (wanted.value !== again.value) return say(outcome, "failed", "The two new passwords differ.");
  say(outcome, "pending", "One moment\u2026");
  try {
    await request("/api/account/password", { method: "PUT", body: { password: password.value, new_password: wanted.value } });
    form.reset();
    say(outcome, "done", "Changed. You are logged out everywhere else.");
  } catch (error) {
    say(outcome, "failed", error.message);
  }
});
