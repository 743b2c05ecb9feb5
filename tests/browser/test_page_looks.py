"""The page at every size, light and dark, with live, stale, faulty and missing data."""

import re

import pytest
from playwright.sync_api import expect

from idro.protocol.reason import Reason
from support.pages import DESKTOP, PHONE, SMALLEST

# A pixel of the pH-down mark's colour somewhere on the canvas of the doses.
_HAS_MARK = """() => {
  const canvas = document.querySelector(".panel[data-quantity=doses] canvas");
  const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  const dose = getComputedStyle(document.documentElement).getPropertyValue("--d1").trim();
  const want = [1, 3, 5].map((at) => parseInt(dose.slice(at, at + 2), 16));
  for (let i = 0; i < data.length; i += 4)
    if (data[i + 3] > 150 && want.every((v, k) => Math.abs(v - data[i + k]) < 40)) return true;
  return false;
}"""


def tile(page, channel):
    return page.locator(f".tile[data-channel='{channel}']")


# Every page in every size and scheme: `make screenshots`.
@pytest.mark.parametrize(
    ("size", "scheme"), [(DESKTOP, "light"), (PHONE, "dark"), (SMALLEST, "light")],
    ids=["desktop", "phone", "smallest"])
def test_tiles_live_and_the_chart_is_drawn_with_its_marks(node, tab, size, scheme):
    watched = tab(size, scheme)
    page = watched.open("/nodes/idro-a")
    expect(tile(page, "reservoir.ec_us_cm")).to_have_attribute("data-state", "ok")
    expect(tile(page, "reservoir.ec_us_cm").locator(".value")).to_contain_text("1.59")
    expect(tile(page, "reservoir.ec_us_cm").locator(".value small").first).to_have_text("mS/cm")
    expect(tile(page, "reservoir.ec_us_cm").locator(".band")).to_have_text("band 1.52–1.68")
    expect(tile(page, "reservoir.ph").locator(".age")).to_contain_text("ago")
    expect(page.locator("#strip strong")).to_contain_text("All is well")
    node.read({"reservoir.ec_us_cm": 1633})
    expect(tile(page, "reservoir.ec_us_cm").locator(".value")).to_contain_text("1.63")
    watched.check()
    watched.open("/nodes/idro-a/charts?range=1h")
    expect(page.locator(".panel[data-quantity=doses]")).to_have_attribute("data-marks", "3")
    expect(page.locator(".panel[data-quantity=ph]")).to_have_attribute(
        "data-points", re.compile(r"^([4-9]\d|\d{3,})$"))
    page.wait_for_function(_HAS_MARK)
    watched.check()


def test_the_overview_puts_the_worst_first_and_leads_to_it(node, host, tab):
    sick = host.node("idro-z")
    sick.read(faults={"reservoir.ph": "in_air"})
    watched = tab()
    page = watched.open("/")
    cards = page.locator(".node-card")
    expect(cards.first).to_have_attribute("data-node", "idro-z")
    expect(cards.first.locator(".sentence")).to_contain_text("out of the water")
    expect(page.locator("#strip strong")).to_have_text("idro-z needs attention.")
    expect(page.locator("#strip")).to_have_attribute("data-level", "bad")
    watched.check()
    cards.first.locator("h2 a").click()
    expect(page).to_have_url(f"{host.url}/nodes/idro-z")


def test_nothing_stale_looks_alive(host, tab, eventually):
    node = host.node("idro-a")
    node.read(ago_ms=200_000)
    eventually(lambda: host.view("idro-a")["channels"]["reservoir.ph"]["unix_ms"], 10, "it")
    watched = tab(PHONE)
    page = watched.open("/nodes/idro-a")
    ph = tile(page, "reservoir.ph")
    expect(ph).to_have_attribute("data-state", "stale")
    expect(ph.locator(".age")).to_contain_text("no reading since")
    expect(page.locator("#strip strong")).to_contain_text("no reading arrives")
    expect(page.locator("[data-dosing]")).to_contain_text("no reading arrives")
    watched.check()
    node.read()
    expect(ph).to_have_attribute("data-state", "ok")
    expect(page.locator("#strip strong")).to_contain_text("All is well")


def test_a_fault_text_replaces_the_value(node, tab):
    watched = tab()
    page = watched.open("/nodes/idro-a")
    node.read(faults={"air.temp_c": "no_ack"})
    air = tile(page, "air.temp_c")
    expect(air).to_have_attribute("data-state", "fault")
    expect(air.locator(".value")).to_have_text("No reading")
    expect(air.locator(".why")).to_contain_text("check the cable")
    expect(page.locator("#strip strong")).to_contain_text("Air temperature")
    watched.check()


def test_the_page_says_when_it_has_lost_the_host(node, host, tab):
    page = tab(worker=True).open("/nodes/idro-a")
    host.stop_web()
    expect(page.locator("#link")).to_have_text("no contact with the host")
    expect(page.locator("#strip strong")).to_have_text("Connection to the host lost.")


def test_the_progress_of_an_import_is_shown_and_goes(node, host, tab):
    watched = tab()
    page = watched.open("/nodes/idro-a")
    host.service.live.set_progress("idro-a", {"done_ms": 86_400_000, "total_ms": 345_600_000})
    expect(page.locator("#import")).to_contain_text("1.0 of 4.0 days")
    expect(page.locator("#import b")).to_have_text("25 %")
    watched.check()
    host.service.live.set_progress("idro-a", None)
    expect(page.locator("#import")).to_be_hidden()


def test_an_unknown_greenhouse_has_an_error_page(host, tab):
    watched = tab()
    answer = watched.page.goto(f"{host.url}/nodes/idro-none")
    assert answer.status == 404
    expect(watched.page.locator("h1")).to_have_text("Page not found")


def test_an_empty_host_says_what_to_do(host, tab):
    watched = tab(PHONE)
    page = watched.open("/")
    expect(page.locator("#empty")).to_contain_text("An admin can add one.")
    expect(page.locator(".simulated")).to_have_count(0)
    watched.check()


def test_external_text_is_escaped(node, host, tab, eventually):
    node.tell("latched", {"reason": Reason(
        "sentence", detail="</script><img src=x onerror=alert(1)> & more").as_json()})
    eventually(lambda: host.view("idro-a")["dosing"]["state"] == "latched", 10, "the lock")
    host.settle("idro-a", 64)
    watched = tab()
    page = watched.open("/nodes/idro-a/log")
    expect(page.locator("[data-dosing]")).to_contain_text("</script><img src=x")
    expect(page.locator("#why li").first).to_contain_text("<img src=x onerror=alert(1)> & more")
    watched.check()
