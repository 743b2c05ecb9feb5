"""Every board boots: its image, byte for byte, in real MicroPython against its simulated parts."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from idro.protocol import messages_host, topics
from idroserra.boards import compiler
from idroserra.image import build
from idroserra.nodes.system import problems_of
from idrosim.runner.process import install_image, make_job, run_lockstep

NODE = "bench-1"
FIRST_RUN_MS = 180_000
# Nothing may run before readings were plausible for two minutes.
QUIET_MS = 60_000


@dataclass
class FirstRun:
    """A board, its image, where its flash lay, and all that the harness said."""

    board: compiler.Board
    manifest: build.Manifest
    flash: Path
    said: list[dict[str, Any]]

    def payloads(self, leaf: str) -> list[bytes]:
        topic = topics.up(NODE, leaf)
        found = (m for m in self.said if m["t"] == "up" and m["topic"] == topic)
        return [m["payload"].encode() for m in found]

    @property
    def measured(self) -> set[str]:
        return {f"{s['source']}.{q}" for s in self.board["sensors"] for q in s["measures"]}


@pytest.fixture(scope="module", params=compiler.names())
def first_run(request, tmp_path_factory) -> FirstRun:
    folder = tmp_path_factory.mktemp(request.param)
    board = compiler.load(request.param)
    manifest = build.build_image(request.param, folder / "image")
    job = make_job(
        NODE, board, folder, start_unix_ms=1_760_000_000_000, duration_ms=FIRST_RUN_MS
    )
    install_image(job, folder / "image")
    said: list[dict[str, Any]] = []
    run = run_lockstep(job, said.append)
    assert run.resets == []
    return FirstRun(board, manifest, folder / "flash", said)


def test_reports_what_it_is(first_run):
    info = messages_host.unpack_info(first_run.payloads("info")[0])
    board = first_run.board
    assert (info.board, info.chip, info.version) == (board["name"], board["chip"], build.version())
    assert set(info.outputs) == {actuator["name"] for actuator in board["actuators"]}
    assert first_run.measured <= set(info.channels)
    assert problems_of(info.chip, info.system) == {"micropython": None, "psram": None, "cpu": None}


def test_runs_the_image_that_was_built_byte_for_byte(first_run):
    info = messages_host.unpack_info(first_run.payloads("info")[0])
    assert info.image_sha256 == first_run.manifest.image_sha256
    for path, digest in first_run.manifest.files.items():
        assert hashlib.sha256((first_run.flash / path).read_bytes()).hexdigest() == digest


def test_reads_all_its_sensors(first_run):
    batches = map(messages_host.unpack_telemetry, first_run.payloads("telemetry"))
    last = [record for batch in batches for record in batch.records][-1]
    assert first_run.measured <= set(last.values), last.faults


def test_drives_no_doser_while_it_boots(first_run):
    dosers = {a["name"]: a for a in first_run.board["actuators"] if a["part"] == "doser"}
    edges = [m for m in first_run.said if m["t"] == "pin" and m["at_us"] < QUIET_MS * 1_000]
    assert [m for m in edges if m["name"] in dosers
            and m["level"] != dosers[m["name"]]["safe_level"]] == []
