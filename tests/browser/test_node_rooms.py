"""A node in rooms: what fits a screen, Stop, setpoints at their tiles, what a viewer sees."""

import pytest
from playwright.sync_api import expect

from idro.protocol.reason import Reason
from idroserra.auth.roles import Role
from idroserra.node_state.places import ROOMS
from support import paho_node
from support.all_pages import LOCALES
from support.pages import DESKTOP, PHONE, MonitoredTab
from support.real_host import standing_host
from support.wait import wait_until

SCREEN = {"width": 1440, "height": 900}
# What the firmware of the reference board reports beside the channels of paho_node.
MORE = {
    "reservoir.volume_ml": 40_600, "top_off.on_pct": 0, "node.heap_free_b": 61_000,
    "node.outbox_count": 0, "node.rssi_dbm": -61}
OUTPUTS = paho_node.OUTPUTS | {"top_off": "switch"}
NODE = "/nodes/idro-a"


def path(room):
    return NODE if room == "now" else f"{NODE}/{room}"


def tile(page, channel):
    return page.locator(f".tile[data-channel='{channel}']")


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    """Yield a host with a node of every channel of the reference board, and every card of Now."""
    patch = pytest.MonkeyPatch()
    patch.setattr(paho_node, "CHANNELS", (*paho_node.CHANNELS, *MORE))
    patch.setattr(paho_node, "OUTPUTS", OUTPUTS)
    patch.setattr(paho_node, "READING", paho_node.READING | MORE)
    with standing_host(tmp_path_factory.mktemp("rooms")) as running:
        node = running.node("idro-a")
        node.live(30)
        for loop, reason in (("ph", Reason("mixing", left_ms=240_000)),
                             ("ec", Reason("ec_in_band", ec_us_cm=1_590, target_us_cm=1_600))):
            node.tell("decided", {"loop": loop, "reason": reason})
        running.settle("idro-a", 32)
        running.test_node = node
        yield running
    patch.undo()


@pytest.fixture
def node(host):
    """Return the node, with a new reading."""
    host.test_node.commands.clear()
    host.test_node.read()
    return host.test_node


def test_now_fits_one_screen_and_two_of_a_phone(browser, host, node):
    before = dict(node.values)
    host.client.post("/api/nodes/idro-a/recipe", json={"recipe": "basil"}).raise_for_status()
    node.tell("correction", {
        "actuator": "ph_down", "given_ul": 0, "left_ul": 400_000, "next_ul": 25_000,
        "target_milli_ph": 5_900, "reason": Reason("press_button"), "by": "anna",
        "state": "ready"})
    wait_until(lambda: host.view("idro-a")["correction"], 10, "the correction")
    session = host.session_of(Role.OPERATOR)
    for locale in (LOCALES["en"], LOCALES["it"]):
        for size, screens in ((SCREEN, 1), (PHONE, 2)):
            tab = MonitoredTab(browser, host.url, size, "light", session, locale)
            page = tab.open(NODE)
            expect(page.locator(".tile .value")).to_have_count(9)
            for card in ("#decided", "#night", "#growing", "#due", "#small"):
                expect(page.locator(card)).to_be_visible()
            expect(page.locator("#night .sentence use")).to_have_attribute("href", "#i-warn")
            height = page.evaluate("document.documentElement.scrollHeight")
            assert height <= screens * size["height"], (locale, size, height)
            assert not page.evaluate("performance.getEntriesByType('resource')"
                                     ".some(({name}) => name.includes('uPlot.esm'))")
            tab.check()
            tab.close()
    host.client.post("/api/nodes/idro-a/recipe/stop", json={}).raise_for_status()
    put = host.client.put("/api/nodes/idro-a/config", json={"values": before})
    node.tell("correction", {
        "actuator": "ph_down", "given_ul": 0, "left_ul": 0, "next_ul": 0, "state": "ended",
        "target_milli_ph": 5_900, "reason": Reason("ended_by", by="anna"), "by": "anna"})
    wait_until(lambda: host.view("idro-a")["config"]["reported_rev"] == put.json()["rev"], 10,
               "the settings of before")


@pytest.mark.parametrize("room", ROOMS)
def test_stop_is_in_sight_in_each_room_and_one_key_away(node, tab, room):
    watched = tab(PHONE)
    page = watched.open(path(room))
    current = page.locator(".rooms [aria-current=page]")
    expect(current).to_have_attribute("data-room", room)
    expect(current).to_be_in_viewport(ratio=1)
    page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
    expect(page.locator("#control .stop")).to_be_in_viewport(ratio=1)
    if room == "water":
        page.locator("#dose [name=volume_ml]").press("F8")  # F8 lies above the digits
        page.locator("#dose button").first.click()  # and a dialog does not keep it back
    page.keyboard.press("F8")
    expect(page.locator("#control .outcome")).to_contain_text(
        "Confirmed: the node stopped all dosing")
    assert [command.verb for command in node.commands] == ["stop"]
    if room == "water":
        page.locator("#dose-sure [value=no]").click()
    watched.check()


def test_a_setpoint_is_changed_at_its_tile(host, node, tab):
    watched = tab(DESKTOP)
    page = watched.open(NODE)
    tile(page, "reservoir.ph").locator("button.change").click()
    dialog = page.locator("dialog[data-change~='reservoir.ph']")
    dialog.locator("[name='ph.target']").fill("6.1")
    expect(dialog.locator(".changes li")).to_have_text("pH target: 5.8 → 6.1")
    dialog.locator("[type=submit]").click()
    expect(dialog.locator(".outcome")).to_have_text(
        "Confirmed by the node: pH target 6.1 (was 5.8).")
    assert node.values["ph.target"] == 6.1
    watched.check()
    dialog.locator("form[method=dialog] button").click()
    expect(tile(page, "reservoir.ph").locator(".band")).to_contain_text("5.90–6.30")
    tile(page, "light.duty_pct").locator("button.change").press("Enter")
    light = page.locator("dialog[data-change~='light.duty_pct']")
    light.locator("[name='light.on_minute']").fill("05:30")
    expect(light.locator(".changes li")).to_have_text("Light on at: 06:00 → 05:30")
    page.keyboard.press("Escape")  # leaves everything as it was
    tile(page, "light.duty_pct").locator("button.change").click()
    expect(light.locator("[name='light.on_minute']")).to_have_value("06:00")
    values = {"ph.target": 5.8}
    host.client.put("/api/nodes/idro-a/config", json={"values": values}).raise_for_status()


def test_a_level_outside_its_band_is_coloured(node, tab):
    watched = tab()
    page = watched.open(NODE)
    expect(tile(page, "reservoir.level_mm")).to_have_attribute("data-state", "ok")
    node.read({"reservoir.level_mm": 115})  # dosing stops below 120
    expect(tile(page, "reservoir.level_mm")).to_have_attribute("data-state", "off_band")
    border, *colours = tile(page, "reservoir.level_mm").evaluate("""it => {
      const probe = it.appendChild(document.createElement("i"));
      return [getComputedStyle(it).borderColor, ...["--warn", "--bad"].map((name) => {
        probe.style.color = `var(${name})`;
        return getComputedStyle(probe).color;
      })];
    }""")
    assert border in colours  # "bad" as soon as its alarm is there
    node.read()


def test_a_viewer_sees_values_and_nothing_that_he_cannot_use(host, node, tab):
    host.client.delete("/api/nodes/idro-a/preview")
    viewer = tab(PHONE, "light", Role.VIEWER)
    wrong = []
    for room in ROOMS:
        page = viewer.open(path(room))
        wrong += [f"{room}: {found}" for found in page.evaluate("""() => [
          ...[...document.querySelectorAll("main :is(input, textarea, dialog[open])")]
            .filter((it) => it.checkVisibility()
              && !it.matches("[type=search], [data-absent-too]")),
          ...[...document.querySelectorAll("main :is(section, details).card")].filter((it) =>
            it.checkVisibility() && ![...it.children].some((part) =>
              part.checkVisibility() && !part.matches("header, h2, summary"))),
        ].map((it) => it.outerHTML.slice(0, 80))""")]
        viewer.check()
    assert wrong == []
    page = viewer.open(path("water"))
    expect(page.locator("#settings [data-key='ph.target'] output")).to_have_text("5.8")
    expect(page.locator("#settings [data-key='ec.target_us_cm'] output")).to_have_text(
        "1.6 mS/cm")
    expect(page.locator("#probes a")).to_have_text("Calibrations")
    expect(page.locator("#bottles li .days").first).not_to_have_text("Set level")


def test_sums_wait_for_the_history_and_an_empty_time_says_so(host, node, tab):
    watched = tab(DESKTOP, worker=False)
    page = watched.open(path("water"))
    sums = page.locator("#balance tfoot td")
    expect(sums.first).to_contain_text("L")
    host.service.live.set_progress("idro-a", {"done_ms": 1, "total_ms": 345_600_000})
    expect(page.locator("#import")).to_be_visible()
    page.reload()
    expect(sums.first).to_have_text("–")
    host.service.live.set_progress("idro-a", None)
    expect(sums.first).to_contain_text("L")
    for _ in range(2):
        page.locator("#balance [data-step='-1']").click()
    expect(page.locator("#balance .unknown")).to_have_text("No data for this period.")
    expect(sums.first).to_have_text("–")
    watched.open(path("charts"))
    expect(page.locator("#later")).to_be_disabled()
    expect(page.locator("#no-data")).to_be_hidden()
    watched.open(f"{path('charts')}?range=1h&from=1700000000000&to=1700003600000")
    expect(page.locator("#no-data")).to_be_visible()
    expect(page.locator("#later")).to_be_enabled()
    watched.check()


@pytest.mark.parametrize(("old", "new"), [
    ("#bottles", "/water#bottles"), ("#happened", "/log#happened"), ("#recipe", "/crop#recipe"),
    ("?range=7d", "/charts?range=7d"), ("#restored", "/setup#restored")])
def test_an_address_of_the_one_page_leads_to_its_room(host, node, tab, old, new):
    page = tab().page
    page.goto(f"{host.url}{NODE}{old}")
    expect(page).to_have_url(f"{host.url}{NODE}{new}")
