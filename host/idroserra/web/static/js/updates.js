// The page of updates: drawn by the host, and drawn again while something is under way.

import { keepFrame } from "./frame.js";
import { request, start } from "./link.js";

const AGAIN_MS = 4_000;
const byId = (id) => document.getElementById(id);
const shown = byId("updates");

function say(text) {
  byId("trouble").textContent = text;
  byId("trouble").dataset.state = "failed";
  byId("trouble").hidden = !text;
}

/** Put the host's newest picture in place of this one. */
async function reload() {
  const answer = await fetch(location.pathname, { headers: { Accept: "text/html" } }).catch(() => null);
  if (!answer || !answer.ok) return; // the strip says that the host is away
  const newest = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("updates");
  if (newest && newest.innerHTML !== shown.innerHTML) shown.replaceChildren(...newest.childNodes);
}

async function cancel(button) {
  button.disabled = true;
  try {
    await request(`/api/updates/rollouts/${button.dataset.cancel}/cancel`, { method: "POST", body: {} });
    say("");
  } catch (error) {
    say(error.message);
  }
  await reload();
}

shown.addEventListener("click", (event) => {
  const button = event.target.closest("[data-cancel]");
  if (button) cancel(button);
});

setInterval(() => document.visibilityState === "visible" && reload(), AGAIN_MS);
keepFrame();
start();
