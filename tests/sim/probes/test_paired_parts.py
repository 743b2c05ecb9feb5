"""Tests of a board with two pH circuits in the simulated world: the whole firmware names one."""

import json

import pytest

from idroserra.boards import compiler
from idroserra.image import build
from idrosim.runner import process
from support.simulated_board import START_UNIX_MS

NAME = "esp32s3-ezo"
SECOND = """
[[sensor]]
source = "second"
part = "ezo_ph"
measures = ["ph"]
bus = "i2c.main"
address = 0x65
pair = "reservoir"
own_supply = true
"""
SHORTED_AT_MS, DURATION_MS = 300_000, 1_200_000


@pytest.fixture(scope="module")
def reports(tmp_path_factory):
    """Return (telemetry records, events) of a run in which the second probe is shorted."""
    folder = tmp_path_factory.mktemp("pair")
    board = folder / f"{NAME}.toml"
    board.write_text((compiler.boards_dir() / board.name).read_text() + SECOND)
    build.build_image(str(board), folder / "image")
    job = process.make_job(
        "node-1", compiler.load_file(board), folder, start_unix_ms=START_UNIX_MS,
        duration_ms=DURATION_MS, timeline=[{
            "at_ms": SHORTED_AT_MS, "fault": "shorted", "args": {"target": "second.ph"}}])
    process.install_image(job, folder / "image")
    said = []
    assert process.run_lockstep(job, said.append).resets == []
    payloads = {"telemetry": [], "event": []}
    for message in said:
        leaf = message.get("topic", "").rpartition("/")[2]
        if message["t"] == "up" and leaf in payloads:
            payloads[leaf] += json.loads(message["payload"])["records"]
    return payloads["telemetry"], payloads["event"]


def test_both_are_channels_of_their_own_while_they_agree(reports):
    before = [record for record in reports[0] if 60_000 < record["at_ms"] < SHORTED_AT_MS]
    assert before
    for record in before:
        assert abs(record["values"]["reservoir.ph"] - record["values"]["second.ph"]) < 0.2


def test_the_shorted_one_is_named_and_the_first_fails_closed(reports):
    telemetry, events = reports
    began = [event["detail"] for event in events if event["kind"] == "fault_began"]
    of = {detail["channel"]: detail for detail in began if "reason" in detail}
    assert of["reservoir.ph"]["fault"] == "pair_differs"
    assert of["second.ph"]["fault"] == "pair_suspect"
    assert of["reservoir.ph"]["reason"]["values"]["channel"] == "second.ph"
    assert telemetry[-1]["faults"]["reservoir.ph"] == "pair_differs"
