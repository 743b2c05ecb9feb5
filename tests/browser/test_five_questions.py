"""A grower's five questions, each answered from the overview within three clicks.

The answers are visible on a phone and on a desktop, those of the state without scrolling."""

import re
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import expect

from idro.protocol.reason import Reason
from idroserra.calibration.reference_solutions import buffer_ph
from support.calibration_cups import Cups
from support.pages import DESKTOP, PHONE
from support.paho_node import now_unix_ms
from support.real_host import Host
from support.wait import wait_until
from support.wheel import built_site

MOST_CLICKS = 3
ZONE = ZoneInfo("Europe/Rome")  # of the tabs
SIZES = pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])


class Walk:
    """A person on the page, from the overview on, and the clicks so far."""

    def __init__(self, watched):
        self._watched = watched
        self.page = watched.open("/")
        self.clicks = 0

    def click(self, target):
        """Click a link or a button that can be seen."""
        target.click()
        self.clicks += 1

    def to_node(self):
        """Open the node by its name."""
        self.click(self.page.locator("#nodes").get_by_role("link", name="idro-a", exact=True))

    def reads_state(self, text):
        """The state says so, without scrolling."""
        expect(self.page.locator("#strip").get_by_text(text)).to_be_in_viewport()

    def reads(self, where, *texts):
        """An element that is shown has each text."""
        element = self.page.locator(where).first
        for text in texts:
            expect(element).to_contain_text(text)
        expect(element).to_be_visible()

    def ends(self, clicks):
        """End the walk: the clicks are counted, and there was no error on the way."""
        assert self.clicks == clicks <= MOST_CLICKS
        self._watched.check()


@pytest.fixture
def walk(host, tab):
    """Return walk(size), beside a second node that is well."""
    host.node("idro-b").read()
    return lambda size: Walk(tab(size))


@pytest.fixture
def persons(walk):
    """Return persons(), which yields one on a phone and then one on a desktop."""
    return lambda: map(walk, (PHONE, DESKTOP))


def test_is_my_crop_fine(host, node, persons):
    host.client.post("/api/nodes/idro-a/recipe", json={"recipe": "lettuce"}).raise_for_status()
    node.read({"reservoir.ec_us_cm": 1_210})
    node.tell("decided", {"loop": "ph", "reason": Reason("mixing", left_ms=240_000)})
    for person in persons():
        person.reads_state("Both greenhouses are fine.")
        person.reads(".node-card[data-node=idro-a] .sentence", "The water is mixing")
        person.to_node()
        person.reads_state("The water is mixing")
        person.reads("#growing p", "lettuce, day 1 of 35. Stage 1 of 3: establish, day 1 of 7")
        person.ends(clicks=1)


def quiet_night(host, node):
    """A night in band, with a dose, and a person who stopped dosing for ten minutes."""
    today = datetime.now(ZONE).date()
    evening = datetime.combine(today - timedelta(days=1), time(20), ZONE)

    def ago_ms(minutes):
        at = evening + timedelta(minutes=minutes)
        return now_unix_ms() - round(at.timestamp() * 1_000)

    past = [ago_ms(minutes) for minutes in range(0, 720, 12) if ago_ms(minutes) > 0]
    for index, ago in enumerate(past):
        node.read({"reservoir.ph": 5.80 + index % 9 / 100}, ago_ms=ago)
    node.tell("dosed", {"actuator": "ph_down", "volume_ul": 2_500, "on_ms": 2_500,
                        "by": "control", "reason": Reason("ph_turn")}, ago_ms(80))
    node.tell("stopped", {"by": "anna"}, ago_ms(90))
    node.tell("resumed", {"by": "anna"}, ago_ms(100))
    node.live(10)
    host.settle(node.node, len(past) + 13)


def test_what_happened_last_night(host, persons):
    quiet_night(host, host.node("idro-a"))
    for person in persons():
        person.to_node()
        person.reads("#night .sentence", "One item needs attention.")
        person.click(person.page.locator("#night").get_by_role("link", name="Summary"))
        person.reads("#happened .span", "20:00")
        person.reads("#happened ul", "21:30 All dosing stopped by anna.",
                     "Dosed: pH down 2.50 ml.", "pH was in its band all the time: 5.80 to 5.88.",
                     "EC was in its band", "1.59 mS/cm", "Water temperature: 20.5 °C",
                     "No alarms.")
        person.ends(clicks=2)


def switched_off(host, node):
    node.values["dosing.enabled"] = False
    node.report(0)


def stopped(host, node):
    node.tell("stopped", {"by": "ben"})


def calibrating(host, node):
    host.client.post("/api/nodes/idro-a/calibrations", json={"kind": "ec", "by": "ada"}
                     ).raise_for_status()
    node.tell("decided", {"loop": "ec", "reason": Reason("calibration", left_ms=1_200_000)})


def stale(host, node):
    why = Reason("channel_stale", channel="reservoir.ph")
    node.tell("decided", {"loop": "ph", "reason": Reason("ph_high_blocked", why=why)})


# Cause: (how it comes about, the overview, its words, where they lead, what mends it there).
CAUSES = {
    "switched off": (
        switched_off, "Both greenhouses are fine.", "automatic dosing is off",
        "/nodes/idro-a/water#setpoints", "#settings [name='dosing.enabled']"),
    "stopped by a person": (
        stopped, "idro-a needs attention.", "All dosing is stopped, by ben",
        "/nodes/idro-a#control", "#control button:text-is('Resume')"),
    "calibration": (
        calibrating, "Dosing is paused at idro-a.", "Probes are being calibrated",
        "/nodes/idro-a/calibrate", "#busy button"),
    "stale probe": (
        stale, "idro-a needs attention.", "pH has no recent reading", "/nodes/idro-a/calibrate",
        "#choose button:text-is('pH')"),
}


@pytest.mark.parametrize("cause", CAUSES)
def test_why_is_it_not_dosing(host, node, persons, cause):
    happen, overview, words, place, remedy = CAUSES[cause]
    happen(host, node)
    words = re.compile(words, re.IGNORECASE)
    for person in persons():
        person.reads_state(overview)
        person.to_node()
        person.reads_state(words)
        link = person.page.locator("#strip").get_by_role("link", name=words)
        person.click(link)
        expect(person.page).to_have_url(f"{host.url}{place}")
        person.reads(remedy)
        person.ends(clicks=2)


def test_no_site_is_fine_where_dosing_is_paused(host, node, eventually):
    def said():
        return [one["text"] for one in host.client.get("/api/sites").json()["sites"]]

    assert said() == ["The node is fine."]
    calibrating(host, node)
    eventually(lambda: said() == ["Dosing is paused at idro-a."], 10, "the pause")


def test_why_is_it_not_dosing_when_only_water_helps(host, node, persons):
    node.read({"reservoir.level_mm": 90})
    for person in persons():
        person.reads_state("idro-a needs attention.")
        person.to_node()
        person.reads_state("The water level is low, 90 mm (minimum 120 mm)")
        strip = person.page.locator("#strip strong")
        person.click(strip.get_by_role("link", name="What it means"))
        expect(person.page.locator("#water_low")).to_be_in_viewport()
        person.reads("article:has(#water_low)", "Below the low level nothing is dosed",
                     "Fill the tank.")
        person.ends(clicks=2)


def test_when_did_i_last_calibrate(host, node, persons):
    days = [datetime.now(ZONE)]
    calibrate_ph(host, Cups(node))
    days.append(datetime.now(ZONE))  # which may be the next one
    one_of_them = re.compile("|".join(f"{day:%-d %b}, " for day in days))
    for person in persons():
        person.to_node()
        person.click(person.page.locator(".rooms").get_by_role("link", name="Water and dosing"))
        person.click(person.page.locator("#probes").get_by_role("link", name="Calibrate…"))
        person.reads("#past li .row", "pH", one_of_them)
        person.reads("#past li", "Slope 93.0 %, Offset 14.0 mV, health 86", "7.00, 4.01; by ada")
        person.ends(clicks=3)


@SIZES
def test_how_do_i_calibrate(host, node, walk, size):
    person = walk(size)
    person.to_node()
    person.click(person.page.get_by_role("link", name="Calibrate the pH probe"))
    person.reads("#choose small", "You need: buffers pH 7.00 and 4.01, water to rinse.")
    person.click(person.page.get_by_role("button", name="pH", exact=True))
    person.reads("#walk .do", "Rinse the probe and put it into pH 7.00.")
    person.ends(clicks=3)


def calibrate_ph(host, cups):
    """Calibrate the pH probe with two buffers, by ada."""
    path = "/api/nodes/idro-a/calibrations"
    begun = host.client.post(path, json={"kind": "ph", "by": "ada"}).json()
    of_one = f"{path}/{begun['id']}"
    wait_until(lambda: host.client.get(of_one).json()["hold"]["is_held"], 10, "the hold")
    for buffer in ("7.00", "4.01"):
        cups.read({"reservoir.ph": cups.ph(buffer_ph(buffer, cups.temp_c))})
        wait_until(lambda given=buffer: host.client.post(
            f"{of_one}/points", json={"reference": given}).status_code == 200, 10, "a point")
    host.client.post(f"{of_one}/finish", json={"by": "ada"}).raise_for_status()
    wait_until(lambda: host.client.get(of_one).json()["state"] == "done", 10, "the end")


class TestAnAlarm:
    """With the instructions, which an installed host has."""

    @pytest.fixture
    def host(self, tmp_path, mosquitto, eventually, tmp_path_factory):
        running = Host(tmp_path / "host", mosquitto.port, eventually,
                       help_site=built_site(tmp_path_factory))
        yield running
        running.stop()

    @SIZES
    def test_what_do_i_do_about_this_alarm(self, host, node, walk, size):
        node.tell("latched", {"reason": Reason("latch_no_effect")})
        person = walk(size)
        person.reads("#alarm-line", "1 unacknowledged alarm", "Dosing is locked")
        person.click(person.page.locator("#alarm-line"))
        person.reads(".alarm .act", "See the reason on the node's page, fix the cause")
        person.reads(".alarm .mend-it", "Go to Now")
        person.click(person.page.get_by_role("link", name="Instructions"))
        expect(person.page.locator("#dosing_latched")).to_be_in_viewport()
        expect(person.page.get_by_text("Empty bottle, loose tube, broken pump, dirty probe: fix")
               ).to_be_visible()
        assert person.clicks <= MOST_CLICKS
