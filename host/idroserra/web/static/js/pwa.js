// The installable page: service worker, offline page, and time of the last contact.

import { language } from "./i18n.js";

const LAST_CONTACT = "idroserra_seen_unix_ms";
const CACHED = "idroserra_offline";
const EVERY_MS = 10_000;
let notedMs = 0;

/** Store the time of the last contact, which the offline page shows. */
export function rememberContact(unixMs) {
  if (Date.now() - notedMs < EVERY_MS) return;
  notedMs = Date.now();
  try {
    localStorage.setItem(LAST_CONTACT, String(Math.round(unixMs)));
  } catch {
    // Blocked or full: the offline page shows no later time.
  }
}

export const lastContactUnixMs = () => Number(localStorage.getItem(LAST_CONTACT)) || null;

/** Register the worker, and cache the offline page in the language of the user. */
export async function install() {
  if (!("serviceWorker" in navigator)) return; // plain HTTP beyond this machine
  try {
    await navigator.serviceWorker.register("/worker.js");
    const wanted = `${language} ${import.meta.url}`;
    if (localStorage.getItem(CACHED) === wanted) return;
    await navigator.serviceWorker.ready;
    const [name] = (await caches.keys()).filter((one) => one.startsWith("offline")).slice(-1);
    if (name) await (await caches.open(name)).add("/offline");
    localStorage.setItem(CACHED, wanted);
  } catch {
    // Private window or untrusted certificate: the page works without a worker.
  }
}
