"""Chromium for the page tests, and tabs that record errors and requests to other hosts."""

import shutil
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import expect

from support.programs import not_tried

FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--no-first-run",
]
DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
SMALLEST = {"width": 360, "height": 740}
PATIENCE_MS = 60_000  # also enough for a loaded machine
expect.set_options(timeout=PATIENCE_MS)

# Message of playwright when a page may not install its service worker.
_BLOCKED = "Service Worker registration blocked by Playwright"
# Every visible text with less contrast than WCAG AA requires, as "text ratio".
_LOW_CONTRAST = """() => {
  const canvas = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
  const known = new Map();
  const rgba = (colour) => {
    if (!known.has(colour)) {
      canvas.clearRect(0, 0, 1, 1);
      canvas.fillStyle = colour;
      canvas.fillRect(0, 0, 1, 1);
      known.set(colour, [...canvas.getImageData(0, 0, 1, 1).data]);
    }
    return known.get(colour);
  };
  const light = ([r, g, b]) => {
    const part = (v) => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
    return 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
  };
  const behind = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const colour = rgba(getComputedStyle(e).backgroundColor);
      if (colour[3] > 250) return colour;
    }
    return [255, 255, 255, 255];
  };
  const low = [];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const text = walk.currentNode.textContent.trim();
    const element = walk.currentNode.parentElement;
    if (!text || !element.checkVisibility() || element.closest("script,noscript,option,:disabled"))
      continue;
    const [a, b] = [light(rgba(getComputedStyle(element).color)), light(behind(element))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) low.push(`${text.slice(0, 40)} ${ratio.toFixed(2)}`);
  }
  return low;
}"""


# Resolves once the page has been rendered at a width: charts follow it in the next frame.
_RENDERED = """async (width) => {
  const frame = () => new Promise((resolve) => requestAnimationFrame(resolve));
  do await frame(); while (innerWidth !== width);
  await frame();
}"""


def launch(playwright):
    """Return a headless Chromium: of the system, else Playwright's own if it is installed.

    Its shell starts no window of its own and takes half the CPU time."""
    found = shutil.which("chromium-headless-shell") or shutil.which("chromium")
    if found is None and Path(playwright.chromium.executable_path).exists():
        found = playwright.chromium.executable_path
    return playwright.chromium.launch(
        executable_path=found or not_tried("chromium is not installed"), args=FLAGS)


def resize(page, size):
    """Resize the window, and wait until the page has been rendered in it."""
    page.set_viewport_size(size)
    page.evaluate(_RENDERED, size["width"])


class MonitoredTab:
    """One tab. check() fails on console errors, requests elsewhere, overflow and low contrast.

    `worker`: whether the page may install its service worker, as in the walks and where the host
    goes away. Without, a page takes a tenth less CPU time, and playwright's route() sees every
    request."""

    def __init__(self, browser, url, size, scheme, session=None, locale="en-GB", worker=False,
                 serial=None, bypass_csp=False):
        """`serial`: the script of a serial port; one on a socket of the test needs bypass_csp."""
        self._host = urlsplit(url).netloc
        self._url = url
        self._context = browser.new_context(
            viewport=size, color_scheme=scheme, locale=locale, timezone_id="Europe/Rome",
            has_touch=size["width"] < 500, service_workers="allow" if worker else "block",
            bypass_csp=bypass_csp)
        if serial is not None:
            self._context.add_init_script(serial)
        if session is not None:
            name, value = session
            self._context.add_cookies([{
                "name": name, "value": value, "url": url, "httpOnly": True, "sameSite": "Strict"}])
        self.page = self._context.new_page()
        self.page.set_default_timeout(PATIENCE_MS)
        self.troubles = []
        self.page.on("console", self._on_console)
        self.page.on("pageerror", lambda error: self.troubles.append(f"error: {error}"))
        self.page.on("request", self._on_request)

    def open(self, path):
        """Open `path`, wait until the live stream is connected, and return the page."""
        self.page.goto(f"{self._url}{path}")
        expect(self.page.locator("#link")).to_have_attribute("data-state", "live")
        return self.page

    def check(self):
        """Fail on errors, overflow and low contrast."""
        assert self.troubles == []
        width = self.page.viewport_size["width"]
        assert self.page.evaluate("document.documentElement.scrollWidth") <= width
        assert self.page.evaluate(_LOW_CONTRAST) == []

    def close(self):
        """Close the tab."""
        self._context.close()

    def _on_console(self, message):
        if message.type in ("error", "warning") and _BLOCKED not in message.text:
            self.troubles.append(f"{message.type}: {message.text}")

    def _on_request(self, request):
        parts = urlsplit(request.url)
        if parts.scheme not in ("data", "blob") and parts.netloc != self._host:
            self.troubles.append(f"request to another host: {request.url}")
