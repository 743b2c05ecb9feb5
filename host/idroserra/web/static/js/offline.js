// No host: when it was last heard, and a look every few seconds whether it is back.

import { t } from "./i18n.js";
import { lastSeenUnixMs } from "./installed.js";
import { ageText, fullTime } from "./words.js";

const TRY_MS = 4_000;
const seen = document.getElementById("seen");
const outcome = document.querySelector(".outcome");

function render() {
  const unixMs = lastSeenUnixMs();
  seen.textContent = unixMs === null ? t("This device has not heard it yet.") : t("Last seen {time}, {ago}.", { time: fullTime(unixMs), ago: ageText(Date.now() - unixMs) });
}

async function look() {
  render();
  const answer = await fetch("/api/session", { cache: "no-store" }).catch(() => null);
  outcome.textContent = answer ? t("It is back.") : t("Still no answer. Trying again.");
  if (answer) location.reload();
}

document.querySelector("button").addEventListener("click", look);
setInterval(look, TRY_MS);
look();
