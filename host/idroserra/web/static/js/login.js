// Log-in with name and password, with the link of a demo, and creation of the first admin.

import { t } from "./i18n.js";
import { ask, pageOfHost } from "./log_in_request.js";

const login = document.getElementById("login");
const setup = document.getElementById("setup");
const form = login || setup;
const outcome = form.querySelector(".outcome");

const onward = () => pageOfHost(new URLSearchParams(location.search).get("next"));

/** Return the secret after # and remove it from address and history. */
function takeSecret() {
  const secret = location.hash.slice(1);
  if (secret) history.replaceState(null, "", location.pathname + location.search);
  return secret;
}

function showOutcome(text, state = "failed") {
  outcome.dataset.state = state;
  outcome.textContent = text;
}

async function enter(path, body) {
  await busy(async () => {
    await ask(path, body);
    location.replace(onward());
  });
}

/** Run what opens the next page, with the buttons disabled; they return if it fails. */
async function busy(run) {
  const buttons = form.querySelectorAll("button");
  for (const button of buttons) button.disabled = true;
  showOutcome(t("One moment\u2026"), "pending");
  try {
    await run();
  } catch (error) {
    showOutcome(error.message);
    for (const button of buttons) button.disabled = false;
  }
}

const secret = takeSecret();
if (setup && secret) {
  form.elements.token.value = secret;
  form.querySelector(".token").hidden = true;
  form.elements.name.focus();
  for (const link of document.querySelectorAll(".languages a")) link.hash = secret;
}

const provider = document.getElementById("provider");
if (provider) {
  provider.addEventListener("click", () => busy(async () => {
    const { url } = await ask("/api/session/openid", { next: onward() });
    location.assign(url);
  }));
  // Back from the provider by the browser's own button: the page is as it was left.
  addEventListener("pageshow", (event) => {
    if (event.persisted) location.reload();
  });
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const { name, password, again, token } = form.elements;
  if (login) return enter("/api/session", { name: name.value, password: password.value });
  if (password.value !== again.value) return showOutcome(t("The two passwords differ."));
  return enter("/api/setup", { token: token.value.trim(), name: name.value, password: password.value });
});

// After the handlers: a click before this answer must not be lost.
const session = await ask("/api/session").catch(() => ({}));
if (session.user) location.replace(onward());
else if (login && secret) enter("/api/session/link", { token: secret });
else if (login && session.needs_setup) location.replace("/setup");
else if (setup && session.needs_setup === false) location.replace("/login");
