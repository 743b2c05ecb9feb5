"""Foreign readings on a phone: adopted from the list, shown with unit and age, never frozen."""

import json

import pytest
from playwright.sync_api import expect

from support.pages import PHONE
from support.real_host import Host

DEVICE = "foreign/hub/porch"


@pytest.fixture
def host(tmp_path, mosquitto, eventually):
    """Yield a host that reads foreign topics."""
    running = Host(tmp_path / "host", mosquitto.port, eventually,
                   more={"foreign": {"topics": ["foreign/#"]}})
    yield running
    running.stop()


def test_a_grower_adopts_a_sensor_and_sees_when_it_falls_silent(
        host, mosquitto, tab, eventually):
    foreign = host.service.foreign
    foreign.receive(f"{DEVICE}/sensor/air/state", b"7.4", False)
    foreign.receive("foreign/hub/floor", json.dumps({"water_leak": False}).encode(), False)
    opened = tab(PHONE, worker=False)
    page = opened.page
    page.clock.install()
    opened.open("/settings/foreign")
    expect(page.locator("#seen li")).to_have_count(2)
    page.locator("#seen li", has_text="sensor/air").get_by_role("button").click()
    page.locator("#adopt [name=name]").fill("porch")
    page.locator("#adopt [name=place]").fill("Porch")
    page.locator("#adopt [name=quantity]").select_option("temp_c")
    expect(page.locator("#adopt [name=low]")).to_have_value("-20")
    page.locator("#adopt [name=minutes]").fill("10")
    page.clock.run_for(2_000)  # a dialog that has just opened takes no press
    page.locator("#adopt [value=yes]").click()
    expect(page.locator("#readings li")).to_contain_text("no value yet")
    expect(page.locator("#seen li")).to_have_count(1)
    opened.check()
    foreign.receive(f"{DEVICE}/sensor/air/state", b"7.6", False)
    opened.open("/")
    tile = page.locator("#foreign .tile", has_text="Porch")
    expect(tile).to_contain_text("Temperature, Porch")
    expect(tile).to_contain_text("7.6°C")
    expect(tile).to_contain_text("s ago")
    expect(tile).to_have_attribute("data-state", "ok")
    opened.check()
    foreign.adopt("floor", {"device": "foreign/hub/floor", "field": "water_leak", "low": 0,
                            "high": 1, "too_old_s": 3_600}, "anna")
    foreign.receive("foreign/hub/floor", json.dumps({"water_leak": True}).encode(), True)
    page.clock.run_for(6_000)
    leak = page.locator("#foreign .tile").first
    expect(leak).to_have_attribute("data-state", "fault")
    expect(leak.locator(".value")).to_have_text("wet")
    expect(leak).to_contain_text("kept by the broker, age unknown")
    mosquitto.stop()
    eventually(lambda: foreign.status().state != "connected", 30, "the loss of the broker")
    page.clock.run_for(6_000)
    expect(tile.locator(".mark")).to_have_text("not received")
    expect(tile).to_have_attribute("data-state", "stale")
    expect(tile).to_contain_text("7.6°C")
    page.route("**/api/foreign", lambda route: route.abort())  # the host does not answer
    page.clock.run_for(11 * 60_000)
    expect(tile).to_have_attribute("data-state", "stale")
    expect(tile.locator(".value")).to_have_text("—")
