// The service worker: shows the offline page while the host is not reachable. It never caches
// readings. The host defines STATIC above.

const CACHE = `offline${STATIC}`;
const CACHED = ["/icon.svg", "/css/base.css", "/css/layout.css", "/css/components.css", "/css/node.css", "/css/records.css", "/vendor/uPlot.min.css", "/js/early_submit.js", "/js/steady_press.js", "/js/offline.js", "/js/i18n.js", "/js/pwa.js", "/js/format.js"];

self.addEventListener("install", (event) => {
  const wanted = ["/offline", ...["it", "zh"].map((language) => `${STATIC}/words/${language}.json`), ...CACHED.map((path) => STATIC + path)];
  event.waitUntil(caches.open(CACHE).then((cache) => cache.addAll(wanted)).then(() => self.skipWaiting()));
});

self.addEventListener("activate", (event) => {
  const others = caches.keys().then((names) => Promise.all(names.filter((name) => name !== CACHE).map((name) => caches.delete(name))));
  event.waitUntil(others.then(() => self.clients.claim()));
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const { pathname, origin } = new URL(request.url);
  if (origin !== location.origin) return;
  if (request.mode === "navigate") event.respondWith(fetch(request).catch(() => caches.match("/offline")));
  else if (pathname.startsWith(`${STATIC}/`)) event.respondWith(fetch(request).catch(() => kept(request)));
});

async function kept(request) {
  return (await caches.match(request)) || Response.error();
}
