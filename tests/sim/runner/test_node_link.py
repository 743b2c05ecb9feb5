"""Tests of hanging network tasks and refused memory in lockstep: control is not affected."""

import textwrap

import pytest

from idro.protocol import messages_host, topics
from idroserra.boards import compiler
from idroserra.image import build
from idrosim.runner import process
from support.simulated_board import KEY, START_UNIX_MS

NODE = "node-1"
MINUTE_MS = 60_000

# The main.py of the board, with first attempts that call a function that never returns.
HANGS = """
    import asyncio
    from idro.update import platform
    feed = platform.start_watchdog()
    from idro.app import node
    {hook}
    node.main(feed)
    """
HUNG_OPEN = """
    from idro.net.mqtt_client import Client
    open = Client.open
    hung = []
    async def open_later(self, host, port):
        if len(hung) < 2:
            hung.append(host)
            await asyncio.Event().wait()
        await open(self, host, port)
    Client.open = open_later
"""
HUNG_JOIN = """
    from idro.net.wifi import Wifi
    join = Wifi._join
    hung = []
    async def join_later(self):
        if not hung:
            hung.append(1)
            await asyncio.Event().wait()
        return await join(self)
    Wifi._join = join_later
"""


@pytest.fixture(scope="module")
def image_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("image")
    build.build_image("esp32-reservoir", folder)
    return folder


def run(folder, image_dir, duration_ms, hook="", **more):
    """Return (run, events, telemetry records) of a board with `hook` in its main.py."""
    job = process.make_job(
        NODE, compiler.load("esp32-reservoir"), folder, key=KEY, start_unix_ms=START_UNIX_MS,
        duration_ms=duration_ms, **more,
    )
    process.install_image(job, image_dir)
    main = textwrap.dedent(HANGS).replace("{hook}", textwrap.dedent(hook))
    (folder / "flash" / "main.py").write_text(main, encoding="utf-8")
    events, records = [], []

    def take(line):
        if line["t"] != "up":
            return
        leaf = topics.parse(line["topic"])[2]
        if leaf == "event":
            events.extend(messages_host.unpack_event(line["payload"].encode()).records)
        elif leaf == "telemetry":
            records.extend(messages_host.unpack_telemetry(line["payload"].encode()).records)

    return process.run_lockstep(job, take), events, records


def pins_on(folder, image_dir, hook="", **more):
    """Return (run, names of the outputs that were on) of ten minutes."""
    job = process.make_job(
        NODE, compiler.load("esp32-reservoir"), folder, key=KEY, start_unix_ms=START_UNIX_MS,
        duration_ms=10 * MINUTE_MS, **more,
    )
    process.install_image(job, image_dir)
    main = textwrap.dedent(HANGS).replace("{hook}", textwrap.dedent(hook))
    (folder / "flash" / "main.py").write_text(main, encoding="utf-8")
    lines = []
    ran = process.run_lockstep(job, lines.append)
    return ran, {line["name"] for line in lines if line["t"] == "pin" and line["level"]}


def restarted(events):
    return [event.detail for event in events if event.kind == "restarted"]


@pytest.mark.parametrize(("hook", "task", "times"), [
    (HUNG_OPEN, "link", 2), (HUNG_JOIN, "wifi", 1),
])
def test_a_hung_task_is_restarted_and_control_continues(tmp_path, image_dir, hook, task, times):
    ran, events, records = run(tmp_path, image_dir, 20 * MINUTE_MS, hook)
    assert ran.resets == []
    silent = {"code": "task_silent", "values": {"for_ms": 300_000}}
    assert restarted(events) == [{"task": task, "reason": silent}] * times
    at_ms = [record.at_ms for record in records]
    steps = {later - earlier for earlier, later in zip(at_ms, at_ms[1:], strict=False)}
    assert max(steps) < 11_000
    assert at_ms[-1] > 19 * MINUTE_MS


def test_hours_without_network_are_not_a_hung_task(tmp_path, image_dir):
    timeline = [
        {"at_ms": 10 * MINUTE_MS, "network": "down"}, {"at_ms": 190 * MINUTE_MS, "network": "up"},
    ]
    ran, events, records = run(tmp_path, image_dir, 200 * MINUTE_MS, timeline=timeline)
    assert ran.resets == []
    assert restarted(events) == []
    assert records[-1].at_ms > 195 * MINUTE_MS


REFUSED_MEMORY = """
    from idro.safety import limits
    derive = limits.derive
    calls = []
    def derive_later(*args):
        calls.append(1)
        if {refused} <= len(calls) < {refused} + 3:
            raise MemoryError
        return derive(*args)
    limits.derive = derive_later
"""


@pytest.mark.parametrize("refused", [2, 3])
def test_settings_that_are_refused_memory_are_in_force_some_cycles_later(
    tmp_path, image_dir, refused
):
    """The second call is for the settings, the third for the authority that they grant."""
    changed = {"dosing.authority_pct": 0, "topoff.max_ms_day": 60_000}
    timeline = [{"at_ms": 5 * MINUTE_MS + 15_000, "settings": changed}]
    _, events, _ = run(tmp_path, image_dir, 7 * MINUTE_MS, timeline=timeline,
                       hook=REFUSED_MEMORY.replace("{refused}", str(refused)))
    granted = [event.detail["granted_pct"] for event in events if event.kind == "authority"]
    assert granted == [0]
    assert restarted(events) == []
    assert [event.detail["rev"] for event in events if event.kind == "configured"] == [2]


NO_RADIO = """
    import network
    class Radio:
        IF_STA = PM_NONE = 0
        def __init__(self, interface):
            raise OSError("WiFi Out of Memory")
    network.WLAN = Radio
"""


@pytest.mark.parametrize(("hook", "more"), [
    ("", {"nvs": {"node_id": ""}}), ("", {"nvs": {"broker_host": ""}}),
    ("", {"nvs": {"wifi_ssid": "", "wifi_pass": ""}}), (NO_RADIO, {}),
])
def test_a_board_without_network_still_controls(tmp_path, image_dir, hook, more):
    ran, on = pins_on(tmp_path, image_dir, hook, **more)
    assert ran.resets == []
    assert {"circulation", "light"} <= on


STARVED = """
    import os
    from idro.outbox.outbox import Outbox
    def refuse(self, *_):
        raise MemoryError
    if "starved" not in os.listdir("/"):
        open("/starved", "w").close()
        Outbox.next_batch = refuse
"""


def test_a_long_lack_of_memory_for_mqtt_resets_the_board(tmp_path, image_dir):
    ran, events, records = run(tmp_path, image_dir, 40 * MINUTE_MS, STARVED)
    assert ran.resets == ["reset"]
    boots = [event.detail for event in events if event.kind == "boot"]
    assert [boot["last_error"] for boot in boots] == ["", "out_of_memory"]
    refused = [event.detail for event in events if event.kind == "memory_refused"]
    assert refused[0]["part"] == "line"
    assert not restarted(events)
    # Sampled throughout, and sent once there was memory.
    assert len(records) > 200


RADIO = """
    import network
    connect = network.WLAN.connect
    def connect_noted(self, ssid, key):
        print("radio", network.country(), int(self.config("txpower")), self.config("pm"))
        connect(self, ssid, key)
    network.WLAN.connect = connect_noted
"""


@pytest.mark.parametrize(("nvs", "said"), [
    ({}, "radio XX 20 0"), ({"wifi_dbm": 8, "wifi_country": "IT"}, "radio IT 8 0"),
    ({"wifi_dbm": 99, "wifi_country": "ITA"}, "radio XX 20 0"),  # not of provisioning
])
def test_power_and_country_are_set_before_the_node_joins(tmp_path, image_dir, nvs, said):
    # It never joins, so the radio is switched off and on twice.
    refused = [{"at_ms": 0, "network": "wifi_refused", "args": {"status": 202}}]
    ran, _, _ = run(tmp_path, image_dir, 8 * MINUTE_MS, RADIO, nvs=nvs, timeline=refused)
    radio = [line for line in ran.console if line.startswith("radio")]
    assert len(radio) > 3
    assert set(radio) == {said}
