// The offline page: time of the last contact, and a retry every TRY_MS.

import { t } from "./i18n.js";
import { lastContactUnixMs } from "./pwa.js";
import { ageText, fullTime } from "./format.js";

const TRY_MS = 4_000;
const seen = document.getElementById("seen");
const outcome = document.querySelector(".outcome");

function render() {
  const unixMs = lastContactUnixMs();
  seen.textContent = unixMs === null ? t("No contact from this device yet.") : t("Last contact {time}, {ago}.", { time: fullTime(unixMs), ago: ageText(Date.now() - unixMs) });
}

async function retry() {
  render();
  const answer = await fetch("/api/session", { cache: "no-store" }).catch(() => null);
  outcome.textContent = answer ? t("The host is reachable again.") : t("No answer. Retrying.");
  if (answer) location.reload();
}

document.querySelector("button").addEventListener("click", retry);
setInterval(retry, TRY_MS);
retry();
