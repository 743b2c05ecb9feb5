// Export links: time zone, range and site are added when a link is used.

import { nowUnixMs } from "./state.js";

export const ZONE = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";

/** Set the time range of an export link. */
export function setSpan(link, from, to) {
  link.dataset.from = Math.round(from);
  link.dataset.to = Math.round(to);
}

function address(link) {
  const url = new URL(link.dataset.export, location.origin);
  const { searchParams: query } = url;
  const { from, to, days } = link.dataset;
  const now = Math.round(nowUnixMs());
  if (days) [["from_unix_ms", now - days * 86400e3], ["to_unix_ms", now]].forEach(([name, value]) => query.set(name, value));
  if (from) [["from_unix_ms", from], ["to_unix_ms", to]].forEach(([name, value]) => query.set(name, value));
  query.set("time_zone", ZONE);
  const site = document.getElementById("of-site");
  if (site && site.value) query.set("site", site.value);
  return `${url.pathname}${url.search}`;
}

// Before the browser follows the link, by pointer, keyboard or context menu.
for (const kind of ["pointerdown", "focusin", "click"]) {
  document.addEventListener(kind, ({ target }) => {
    const link = target.closest && target.closest("a[data-export]");
    if (link) link.href = address(link);
  }, true);
}
