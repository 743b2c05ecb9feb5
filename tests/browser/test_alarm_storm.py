"""Alarm floods end to end: real nodes, broker, host, page, and apprise to a real receiver."""

import time

import pytest
from playwright.sync_api import expect

from support.pages import PHONE
from support.real_host import Host

AT_ONCE = {"on_delay_s": 0, "off_delay_s": 0}
RULES = {name: AT_ONCE for name in ("bus_dead", "probe_fault", "sensor_fault")} | {
    "node_silent": AT_ONCE | {"limit": 40}, "broker_down": {"on_delay_s": 8, "off_delay_s": 0}}
FAULTS = {"reservoir.ph": "no_ack", "reservoir.ec_us_cm": "no_ack",
          "reservoir.level_mm": "no_ack", "reservoir.temp_c": "crc", "air.rh_pct": "noisy"}


@pytest.fixture
def host(tmp_path, mosquitto, eventually, receiver):
    running = Host(tmp_path / "host", mosquitto.port, eventually, more={"alarms": {
        "rules": RULES, "gather_s": 10,
        "targets": [{"name": "phone", "url": receiver.url()}]}})
    yield running
    running.stop()


def alarms(host):
    return host.client.get("/api/alarms").json()["alarms"]


def shape(host):
    """Return the active alarms in order: (rule, number of grouped alarms)."""
    return [(root["rule"], len(root["consequences"])) for root in alarms(host)]


def test_fifty_faults_at_once_show_their_causes_first_and_send_three_notices_at_most(
        host, receiver, tab, eventually, mosquitto):
    nodes = [host.node(f"idro-{n}") for n in range(10)]
    read_s = -RULES["node_silent"]["limit"]

    def is_heard():
        """Let the nodes read now and then: on a slow machine they would be silent as well."""
        nonlocal read_s
        if time.monotonic() - read_s > RULES["node_silent"]["limit"] / 4:
            read_s = time.monotonic()
            for node in nodes:
                node.read(faults=FAULTS)
        return True

    eventually(lambda: is_heard() and shape(host) == [("bus_dead", 3)] * 10
               + [("sensor_fault", 0)] * 20, 30, "50 faults, 30 of them folded into 10 causes")
    eventually(lambda: is_heard() and receiver.messages, 20, "a notice")
    assert "30 alarms. First: idro-" in receiver.messages[0]["title"]
    assert "A bus or converter" in receiver.messages[0]["title"]

    for node in nodes:
        node.read(faults=FAULTS)  # its silence begins with the broker's
    mosquitto.kill()
    eventually(lambda: alarms(host)[0]["key"] == "broker_down", 30, "the broker's alarm")
    eventually(lambda: sum(one["rule"] == "node_silent" for one in
                           alarms(host)[0]["consequences"]) == 10, 90, "the nodes' silence")
    watched = tab(PHONE)
    page = watched.open("/alarms")
    first = page.locator("#standing > .alarm").first
    expect(first.locator("h3")).to_have_text("The broker does not answer")
    expect(first.locator(".more summary")).to_contain_text("grouped alarms")
    watched.check()
    assert len(receiver.messages) <= 3
    mosquitto.start()


def test_a_restart_of_the_host_keeps_what_stands_and_who_has_seen_it(
        tmp_path, mosquitto, eventually):
    key = "dosing_latched/idro-a"

    def states(host):
        return {root["key"]: root["state"] for root in alarms(host)}

    first = Host(tmp_path / "host", mosquitto.port, eventually)
    node = first.node("idro-a")
    node.tell("latched", {"reason": {"code": "latch_no_effect", "values": {}}})
    eventually(lambda: states(first).get(key) == "unacknowledged", 20, "the alarm")
    first.client.post("/api/alarms/acknowledge", json={"keys": [key], "by": "anna"})
    first.stop()
    second = Host(tmp_path / "host", mosquitto.port, eventually)
    assert states(second)[key] == "acknowledged"
    looked = second.service.alarms.alarms
    eventually(lambda: looked.evaluated_unix_ms is not None, 20, "a look")
    assert states(second)[key] == "acknowledged"
    second.stop()


def test_every_page_shows_that_alarm_processing_has_stopped(host, tab):
    page = tab().open("/")
    expect(page.locator("#bell b")).to_be_hidden()
    host.service.alarms.stop()
    expect(page.locator("#bell b")).to_have_text("!")
    expect(page.locator("#alarm-line b")).to_contain_text("not being evaluated")
    expect(page.locator("#bell")).to_have_attribute("data-level", "bad")
