// The page as an app: its worker, the page for no host in this language, and when it last heard.

import { language } from "./i18n.js";

const SEEN = "idroserra_seen_unix_ms";
const SAID = "idroserra_offline";
const EVERY_MS = 10_000;
let notedMs = 0;

/** Note that the host was heard just now: the page for no host tells when. */
export function noteSeen(unixMs) {
  if (Date.now() - notedMs < EVERY_MS) return;
  notedMs = Date.now();
  localStorage.setItem(SEEN, String(Math.round(unixMs)));
}

export const lastSeenUnixMs = () => Number(localStorage.getItem(SEEN)) || null;

/** Install the worker, and keep the page for no host as this person reads it. */
export async function install() {
  if (!("serviceWorker" in navigator)) return; // plain HTTP beyond this machine
  try {
    await navigator.serviceWorker.register("/worker.js");
    const wanted = `${language} ${import.meta.url}`;
    if (localStorage.getItem(SAID) === wanted) return;
    await navigator.serviceWorker.ready;
    const [name] = (await caches.keys()).filter((one) => one.startsWith("offline")).slice(-1);
    if (name) await (await caches.open(name)).add("/offline");
    localStorage.setItem(SAID, wanted);
  } catch {
    // A private window, or a certificate the browser does not trust: the page works without.
  }
}
