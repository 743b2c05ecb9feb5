"""The alarm page: worst first, consequences folded, and nothing confirmed before it is kept."""

import pytest
from pages import DESKTOP, PHONE
from playwright.sync_api import expect

from conftest import Host

PROBES = ("reservoir.ph", "reservoir.ec_us_cm", "reservoir.level_mm")
# Delays are for people who sleep; here nobody waits for them.
AT_ONCE = {"on_delay_s": 0, "off_delay_s": 0}
RULES = {name: AT_ONCE for name in ("bus_dead", "probe_fault", "sensor_fault", "node_silent",
                                    "water_hot", "reading_stale")}


@pytest.fixture
def host(tmp_path, mosquitto, eventually):
    running = Host(tmp_path / "host", mosquitto.port, eventually,
                   more={"alarms": {"rules": RULES}})
    yield running
    running.stop()


@pytest.fixture
def sick(host):
    """A node whose converter has died, and whose water is hot: two causes, three consequences."""
    node = host.node("idro-a")
    node.read({"reservoir.temp_c": 31.0}, faults=dict.fromkeys(PROBES, "no_ack"))
    return node


def card(page, key):
    return page.locator(f".alarm[data-key='{key}']")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_a_cause_stands_first_with_what_it_explains_folded(sick, tab, size, scheme):
    watched = tab(size, scheme)
    page = watched.open("/alarms")
    expect(page.locator("#standing > .alarm")).to_have_count(2)
    bus = page.locator("#standing > .alarm").first
    expect(bus.locator("h3")).to_have_text(
        "idro-a: A bus or converter of the board does not answer")
    expect(bus.locator(".text")).to_contain_text("Converter main")
    expect(bus.locator(".more summary")).to_have_text("Explains 3 other alarms")
    bus.locator(".more summary").click()
    expect(bus.locator(".more li").first).to_contain_text("A probe of the water has no value")
    expect(page.locator("#bell b")).to_have_text("2")
    expect(page.locator("#strip strong")).to_have_text("2 alarms, not acknowledged.")
    watched.check()


def test_acknowledge_is_confirmed_by_the_journal(sick, host, tab):
    watched = tab(PHONE)
    page = watched.open("/alarms")
    hot = card(page, "water_hot/idro-a/reservoir.temp_c")
    expect(hot.locator(".text")).to_contain_text("31.0 °C, above 28.0 °C")
    hot.get_by_role("button", name="Acknowledge").click()
    expect(hot.locator(".outcome")).to_have_text("Confirmed: acknowledged.")
    expect(hot).to_have_attribute("data-state", "acknowledged")
    expect(page.locator("#history li").first).to_contain_text(
        "acknowledged, by someone at the page")
    changes = host.client.get("/api/alarms/history").json()["changes"]
    assert [c["state"] for c in changes if c["rule"] == "water_hot"] == [
        "unacknowledged", "acknowledged"]
    watched.check()


def test_what_is_over_waits_for_somebody_to_have_seen_it(sick, tab):
    page = tab().open("/alarms")
    hot = card(page, "water_hot/idro-a/reservoir.temp_c")
    expect(hot).to_have_attribute("data-state", "unacknowledged")
    sick.read()
    expect(hot).to_have_attribute("data-state", "returned")
    page.get_by_role("button", name="Acknowledge all").click()
    expect(page.locator("#calm")).to_be_visible()
    expect(page.locator("#strip strong")).to_have_text("No alarm stands.")


def test_shelved_is_put_aside_and_comes_back(sick, tab):
    watched = tab()
    page = watched.open("/alarms")
    hot = card(page, "water_hot/idro-a/reservoir.temp_c")
    hot.locator("select").select_option("3600000")
    expect(page.locator("#aside summary").first).to_have_text("Put aside: 1")
    expect(page.locator("#standing > .alarm")).to_have_count(1)
    page.locator("#aside > summary").click()
    expect(hot.locator(".meta")).to_contain_text("shelved until")
    watched.check()
    hot.get_by_role("button", name="Take back").click()
    expect(page.locator("#standing > .alarm")).to_have_count(2)
    expect(hot).to_have_attribute("data-state", "unacknowledged")


def test_the_overview_counts_and_leads_there(sick, host, tab):
    watched = tab(PHONE)
    page = watched.open("/")
    expect(page.locator("#alarm-line b")).to_have_text("2 alarms, not acknowledged.")
    expect(page.locator("#alarm-line span")).to_contain_text("idro-a")
    watched.check()
    page.locator("#alarm-line").click()
    expect(page).to_have_url(f"{host.url}/alarms")


def test_a_click_the_host_does_not_hear_is_a_failure_in_words(sick, host, tab):
    page = tab().open("/alarms")
    hot = card(page, "water_hot/idro-a/reservoir.temp_c")
    expect(hot).to_be_visible()
    page.context.set_offline(True)
    hot.get_by_role("button", name="Acknowledge").click()
    expect(hot.locator(".outcome")).to_contain_text("Not done: The host does not answer")
    page.context.set_offline(False)
    hot.get_by_role("button", name="Acknowledge").click()
    expect(hot.locator(".outcome")).to_have_text("Confirmed: acknowledged.")
