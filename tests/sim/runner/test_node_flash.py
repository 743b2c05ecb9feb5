"""Tests of a failing flash in lockstep: pumps and light run, dosing stops, and it is reported."""

import json
from dataclasses import dataclass, field

import pytest

from idro.protocol import messages_host, topics
from idroserra.boards import compiler
from idroserra.image import build
from idrosim.runner import process
from support.simulated_board import KEY, START_UNIX_MS

NODE = "node-1"
HOUR_MS = 3_600_000
SETTINGS = {"dosing.enabled": True, "light.on_minute": 0, "light.on_minutes": 1_440}


@dataclass
class Observed:
    run: process.Run
    values: dict = field(default_factory=dict)  # channel: newest value
    events: list = field(default_factory=list)
    doses: int = 0
    on: set = field(default_factory=set)
    ledger: list = field(default_factory=list)


@pytest.fixture(scope="module")
def image_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("image")
    build.build_image("esp32-reservoir", folder)
    return folder


def run(folder, image_dir, damage):
    """Run a board for 40 minutes, mostly with a pH to correct, on a damaged flash."""
    job = process.make_job(
        NODE, compiler.load("esp32-reservoir"), folder, key=KEY, start_unix_ms=START_UNIX_MS,
        duration_ms=40 * 60_000, seed=3, settings=SETTINGS,
    )
    process.install_image(job, image_dir)
    damage(folder / "flash")
    observed = Observed(process.Run())

    def take(line):
        if line["t"] == "pin" and line["level"]:
            observed.on.add(line["name"])
        if line["t"] != "up":
            return
        leaf = topics.parse(line["topic"])[2]
        payload = line["payload"].encode()
        if leaf == "telemetry":
            for record in messages_host.unpack_telemetry(payload).records:
                observed.values.update(record.values)
        elif leaf == "event":
            observed.events += messages_host.unpack_event(payload).records

    observed.run = process.run_lockstep(job, take)
    return observed


def of_kind(observed, kind):
    return [event.detail for event in observed.events if event.kind == kind]


def extend_with(observed):
    assert observed.run.resets == []
    assert observed.values["circulation.on_pct"] == 100
    assert observed.values["light.duty_pct"] == 80
    assert 4 < observed.values["reservoir.ph"] < 9


def test_a_healthy_flash_doses_without_reports(tmp_path, image_dir):
    observed = run(tmp_path, image_dir, lambda flash: None)
    extend_with(observed)
    assert of_kind(observed, "flash_failed") == []
    assert of_kind(observed, "dosed")


def no_data(flash):
    (flash / "data").write_bytes(b"")


def no_ledger(flash):
    for name in ("ledger.a", "ledger.b"):
        (flash / "data" / name).mkdir(parents=True)


def no_second_ledger(flash):
    (flash / "data" / "ledger.b").mkdir(parents=True)


def no_outbox(flash):
    (flash / "data").mkdir()
    (flash / "data" / "outbox").write_bytes(b"")


def no_settings(flash):
    for name in ("settings.a", "settings.b"):
        (flash / "data" / name).mkdir(parents=True)


@pytest.mark.parametrize(("damage", "parts", "doses"), [
    (no_data, {"outbox", "ledger", "settings"}, False),
    (no_ledger, {"ledger"}, False),
    (no_second_ledger, {"ledger"}, False),
    (no_outbox, {"outbox"}, True),
    (no_settings, {"settings"}, False),
])
def test_all_else_continues_and_the_failure_is_reported(tmp_path, image_dir, damage, parts, doses):
    observed = run(tmp_path, image_dir, damage)
    extend_with(observed)
    assert {detail["part"] for detail in of_kind(observed, "flash_failed")} == parts
    assert bool(of_kind(observed, "dosed")) == doses
    assert ("ph_down" in observed.on) == doses
    assert "top_off" not in observed.on or doses
    if "ledger" in parts and "settings" not in parts:
        reasons = [detail["reason"] for detail in of_kind(observed, "decided")]
        blocked = [
            reason["values"]["why"]["code"] for reason in reasons
            if reason["code"] == "ph_high_blocked"]
        assert "ledger_failed" in blocked
    print(json.dumps({"console": list(observed.run.console)[-5:]}))


def test_a_stop_works_even_if_it_cannot_be_stored(tmp_path, image_dir):
    job = process.make_job(
        NODE, compiler.load("esp32-reservoir"), tmp_path, key=KEY, start_unix_ms=START_UNIX_MS,
        duration_ms=10 * 60_000, settings=SETTINGS,
        timeline=[{"at_ms": 60_000, "command": {"verb": "stop", "args": {}, "by": "ann"}}],
    )
    process.install_image(job, image_dir)
    (tmp_path / "flash" / "data" / "ids").mkdir(parents=True)
    lines = []
    process.run_lockstep(job, lines.append)
    acks = [
        messages_host.unpack_ack(line["payload"].encode()) for line in lines
        if line["t"] == "up" and topics.parse(line["topic"])[2] == "ack"
    ]
    assert [ack.outcome for ack in acks] == ["done"]
    assert not any(line["t"] == "pin" and line["name"] == "ph_down" for line in lines)
