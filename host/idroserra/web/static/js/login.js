// Log-in with name and password, with the link of a demo, and creation of the first admin.

import { t } from "./i18n.js";

const login = document.getElementById("login");
const setup = document.getElementById("setup");
const form = login || setup;
const outcome = form.querySelector(".outcome");

const WAIT_MS = 20_000;

async function ask(path, body) {
  let answer;
  try {
    answer = await fetch(path, {
      method: body ? "POST" : "GET",
      headers: body ? { "Content-Type": "application/json" } : {},
      body: body ? JSON.stringify(body) : undefined,
      signal: AbortSignal.timeout?.(WAIT_MS),
    });
  } catch {
    throw new Error(t("The host does not answer: check the network."));
  }
  const content = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(content.words || content.error || t("The host responded with status {status}.", { status: answer.status }));
  return content;
}

/** The page to open after log-in: of this host only, as the browser reads the address. */
function onward() {
  const next = new URLSearchParams(location.search).get("next") || "/";
  try {
    const page = new URL(next, location.origin);
    return page.origin === location.origin ? page.href : "/";
  } catch {
    return "/"; // not an address
  }
}

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
  const button = form.querySelector("button");
  button.disabled = true;
  showOutcome(t("One moment\u2026"), "pending");
  try {
    await ask(path, body);
    location.replace(onward());
  } catch (error) {
    showOutcome(error.message);
    button.disabled = false;
  }
}

const secret = takeSecret();
const session = await ask("/api/session").catch(() => ({}));
if (session.user) location.replace(onward());
else if (login && secret) enter("/api/session/link", { token: secret });
else if (login && session.needs_setup) location.replace("/setup");
else if (setup && session.needs_setup === false) location.replace("/login");

if (setup && secret) {
  form.elements.token.value = secret;
  form.querySelector(".token").hidden = true;
  form.elements.name.focus();
  for (const link of document.querySelectorAll(".languages a")) link.hash = secret;
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const { name, password, again, token } = form.elements;
  if (login) return enter("/api/session", { name: name.value, password: password.value });
  if (password.value !== again.value) return showOutcome(t("The two passwords differ."));
  return enter("/api/setup", { token: token.value.trim(), name: name.value, password: password.value });
});
