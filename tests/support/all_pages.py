"""Opens, checks and photographs every page in each language, size and palette.

The pages come from the role matrix, so new pages are included.
"""

import itertools
from pathlib import Path

from playwright.sync_api import expect

from idro.protocol.reason import Reason
from idroserra.auth.roles import MATRIX, Role
from support.pages import DESKTOP, PATIENCE_MS, SMALLEST, MonitoredTab, resize

ROOT = Path(__file__).resolve().parents[2]
AXE = ROOT / "host" / "web" / "node_modules" / "axe-core" / "axe.min.js"
LOCALES = {"en": "en-GB", "it": "it-IT", "zh": "zh-CN"}
SIZES = {"phone": SMALLEST, "desktop": DESKTOP}
SCHEMES = ("light", "dark")
NODE = "idro-a"
# Addresses of pages with parameters.
_ADDRESSES = {"/nodes/{node}/charts": f"/nodes/{NODE}/charts?range=1h",
              "/sites/{site}": "/sites/test", "/recipes/{name}": "/recipes/lettuce"}
_NO_PAGES = ("/api", "/static", "/metrics", "/authority.crt", "/manifest", "/worker.js",
             "/docs")
# Browser messages caused by _no_session() and by the page of an unknown node.
_EXPECTED = ("ERR_FAILED", "status of 404")
ALL_LOOKS = tuple(itertools.product(SIZES, SCHEMES))
TWO_LOOKS = (("phone", "light"), ("desktop", "dark"))
_RUN = """() => axe.run(document, {
  resultTypes: ["violations"],
  runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"],
}).then(({violations}) => violations
  .filter(({impact}) => impact === "serious" || impact === "critical")
  .flatMap(({id, nodes}) => nodes.map((node) => `${id}: ${node.html.slice(0, 160)}`)))"""
# Events of a healthy greenhouse in its last hour: minutes ago, kind, detail.
HEALTHY_EVENTS = (
    (50, "decided", {"loop": "pH", "reason": Reason("mixing", left_ms=240_000)}),
    (40, "dosed", {"actuator": "ph_down", "volume_ul": 2_500, "on_ms": 2_500, "by": "control",
                   "reason": Reason(
                       "ph_high_dose", actuator="ph_down", milli_ph=6_040, target_milli_ph=5_900,
                       ul_per_ph=12_000, drift_milli_ph_per_h=20)}),
    (30, "dosed", {"actuator": "nutrient_a", "volume_ul": 12_500, "on_ms": 9_000,
                   "by": "control",
                   "reason": Reason("ec_dose", ec_us_cm=1_480, target_us_cm=1_600)}),
    (20, "refused", {"actuator": "nutrient_b", "by": "control",
                     "reason": Reason("b_after", left_ms=40_000)}),
)


def pages():
    """Return {name: (path, role)} of every page."""
    found = {"missing": ("/nodes/nowhere", Role.ADMIN)}
    for rule in MATRIX:
        if rule.method != "GET" or rule.path.startswith(_NO_PAGES) or (
                rule.path.endswith(".svg")):
            continue
        path = _ADDRESSES.get(rule.path, rule.path.replace("{node}", NODE))
        if "{" in path:
            continue
        name = rule.path.strip("/").replace("/", "-").replace("{", "").replace("}", "")
        found[name or "overview"] = (path, Role.ANYONE if rule.role is Role.ANYONE else Role.ADMIN)
    return found


def axe_violations(page):
    """Return the serious accessibility violations on an open page with axe loaded."""
    return page.evaluate(_RUN)


class PageChecker:
    """Opens and checks pages of a host, as an admin or without a session, in one language."""

    def __init__(self, browser, host, language):
        self._tabs = {
            Role.ADMIN: MonitoredTab(browser, host.url, DESKTOP, "light",
                                host.session_of(Role.ADMIN, "ada"), LOCALES[language],
                                worker=True),
            Role.ANYONE: MonitoredTab(
                browser, host.url, DESKTOP, "light", None, LOCALES[language]),
        }
        self._url = host.url
        self._language = language
        # The log-in, set-up and offline pages would redirect; this keeps each open.
        self._tabs[Role.ANYONE].page.route("**/api/session", self._no_session)

    def _no_session(self, route):
        if route.request.frame.url.endswith("/offline"):
            route.abort()
        else:
            route.fulfill(json={"user": None, "role": None, "needs_setup": None})

    def open(self, path, role):
        """Open a page, wait until it is loaded and live, and return the tab."""
        tab = self._tabs[role]
        tab.page.goto(f"{self._url}{path}", wait_until="load")
        if tab.page.locator("#link").count():
            expect(tab.page.locator("#link")).to_have_attribute("data-state", "live")
        tab.page.wait_for_load_state("load", timeout=PATIENCE_MS)
        return tab

    def check(self, tab, looks, picture=None):
        """Return the errors of an open page: overflow in each size, axe in each (size, palette).

        picture: (folder, name such as "it-node") to save a screenshot of each look."""
        page, wrong = tab.page, []
        assert page.locator("html").get_attribute("lang").split("-")[0] == self._language
        page.evaluate(AXE.read_text("utf-8"))
        for size, viewport in SIZES.items():
            resize(page, viewport)
            wide = page.evaluate("document.documentElement.scrollWidth") - viewport["width"]
            if wide > 0:
                wrong.append(f"{size}: {wide} px wider than the screen")
        for size, scheme in looks:
            resize(page, SIZES[size])
            page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            wrong += [f"{size} {scheme}: {found}" for found in axe_violations(page)]
            if picture is not None:
                folder, name = picture
                folder.mkdir(parents=True, exist_ok=True)
                page.screenshot(path=str(folder / f"{name}-{size}-{scheme}.png"), full_page=True)
        wrong += [error for error in tab.troubles if not any(part in error for part in _EXPECTED)]
        tab.troubles.clear()
        return wrong

    def close(self):
        for tab in self._tabs.values():
            tab.close()


def populate_host(host, wait):
    """Add a healthy node with an hour of history and doses, and a faulty one; return both."""
    node = host.node(NODE)
    for minutes_ago, kind, detail in (
        *HEALTHY_EVENTS,
        (9, "fault_began", {"channel": "air.rh_pct", "fault": "crc"}),
        (8, "fault_ended", {"channel": "air.rh_pct", "fault": "crc", "lasted_ms": 61_000}),
    ):
        node.tell(kind, detail, minutes_ago * 60_000)
    node.live(60)
    faulty = host.node("serra-nord")
    faulty.read(faults={"reservoir.ph": "in_air"})
    faulty.tell("latched", {"reason": Reason("latch_no_effect")})  # an alarm without delay
    host.settle(NODE, 66)
    wait(lambda: host.client.get("/api/alarms").json()["alarms"], 60, "an alarm")
    return node, faulty
