"""MicroPython, PSRAM and CPU frequency of a node: API, page, command line and alarm."""

import json

import pytest

from idro.protocol.system_host import System
from support.command_line import idroserra

OLD = System("1.25.0", 0, 160_000_000)


@pytest.fixture
def announce(host, node, eventually):
    """announce(system): the node connects again and reports this System."""

    def run(system):
        node.system = system
        node.announce()
        eventually(lambda: host.view("idro-a")["system"] == system._asdict(), 10, "the report")

    return run


RULES = ("cpu_slow", "micropython_unsupported", "psram_missing")


def system_alarms(host):
    """Return {rule: state}."""
    found = host.client.get("/api/alarms").json()["alarms"]
    return {one["rule"]: one["state"] for one in found if one["rule"] in RULES}


def test_what_a_node_runs_on_is_shown(host, announce):
    announce(System("1.28.0", 8_388_608, 240_000_000))
    page = host.client.get("/nodes/idro-a/setup").text
    for label, value in (("MicroPython", "1.28.0"), ("PSRAM", "8 MB"), ("CPU", "240 MHz")):
        assert f"<dt>{label}</dt><dd>{value}</dd>" in page
    shown = idroserra("node", "show", "idro-a", url=host.url).stdout
    assert "MicroPython 1.28.0, PSRAM 8 MB, CPU 240 MHz" in " ".join(shown.split())
    announce(OLD)
    assert "<dt>PSRAM</dt><dd>none</dd>" in host.client.get("/nodes/idro-a/setup").text


def test_what_older_firmware_does_not_report_is_shown_as_unknown(host, node):
    assert host.view("idro-a")["system"] == {
        "micropython": None, "psram_bytes": None, "cpu_hz": None}
    page = host.client.get("/nodes/idro-a/setup").text
    for label in ("MicroPython", "PSRAM", "CPU"):
        assert f"<dt>{label}</dt><dd>unknown</dd>" in page
    shown = idroserra("node", "show", "idro-a", url=host.url).stdout
    assert "MicroPython unknown, PSRAM unknown, CPU unknown" in " ".join(shown.split())
    rows = json.loads(idroserra("node", "list", "--json", url=host.url).stdout)
    assert rows[0]["system"]["micropython"] is None
    assert system_alarms(host) == {}


def test_what_is_not_supported_raises_an_alarm_of_its_own(host, announce, eventually):
    announce(OLD)
    raised = dict.fromkeys(RULES, "unacknowledged")
    eventually(lambda: system_alarms(host) == raised, 20, "the alarms")
    others = host.view("idro-a")["state"]
    titles = [others["text"], *(one["text"] for one in others["others"])]
    assert len(set(titles)) == len(titles) >= len(RULES), titles
    announce(System("1.28.0", 8_388_608, 240_000_000))
    eventually(lambda: system_alarms(host) == dict.fromkeys(RULES, "returned"), 20, "their end")
