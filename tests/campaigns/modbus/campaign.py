"""`make campaign-modbus`: the driver reads a pymodbus server over a line that damages answers.

No value may differ from one that the server gave for this register in this read.

    python tests/campaigns/modbus/campaign.py [--frames 1000000] [--seed 1] [--resume FILE]

Exit code 3: a wrong value. A chunk that is in FILE is not run again.
"""

import argparse
import json
import os
import pty
import subprocess
import sys
import tempfile
import tty
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE.parents[1]))

import msgspec  # noqa: E402
from pymodbus.client.mixin import ModbusClientMixin  # noqa: E402
from rich.progress import Progress  # noqa: E402

from campaigns.modbus.damaged_line import DamagedLine  # noqa: E402  found beside this file
from campaigns.modbus.pymodbus_server import TYPES  # noqa: E402
from idro.drivers import modbus as driver  # noqa: E402
from idro.drivers.shared.modbus_rtu import ModbusBus  # noqa: E402
from idro.errors import SensorError  # noqa: E402
from idroserra.boards import compiler, modbus_map  # noqa: E402
from support.portable_fakes import FakeClock, run  # noqa: E402

CHUNK_FRAMES = 20_000
# Every type in both word orders, and two reads of one shape.
EXTREME = """
text = "Every type"
manual = "none"
tried = "documentation"
address = 1
bauds = [9_600]
draw = { rail = "loads", current_ma = 1 }
""" + "".join(f"""
[[register]]
quantity = "{quantity}"
address = {address}
type = "{kind}"
order = "{order}"
scale = {scale}
low = {low}
high = {high}
""" for quantity, address, kind, order, scale, low, high in (
    ("temp_c", 0, "int16", "ab", 0.1, -40, 80), ("co2_ppm", 2, "int32", "abcd", 1.0, 0, 40_000),
    ("ec_us_cm", 10, "int32", "cdab", 0.01, 0, 20_000),
    ("illuminance_lx", 20, "uint32", "abcd", 0.001, 0, 200_000),
    ("level_mm", 30, "uint32", "cdab", 0.01, 0, 5_000),
    ("ph", 40, "float32", "abcd", 1.0, 0, 14), ("do_mg_l", 50, "float32", "cdab", 1.0, 0, 40)))


class Pin:
    """The pin of the transceiver, which the pty has not."""

    def value(self, level):
        pass


def probes():
    """Return {address: (name, its file)}: the maps of boards/modbus, and one of every type."""
    found = modbus_map.read_folder(compiler.boards_dir() / modbus_map.FOLDER)
    found["extreme"] = modbus_map.part_of("extreme", EXTREME.encode(), "extreme.toml")
    return {address: (name, found[name].probe) for address, name in enumerate(sorted(found), 1)}


def served(probe):
    """Return the registers of a probe as the server draws them."""
    return [msgspec.to_builtins(register)
            | ({"low": -2_000, "high": 2_000} if register.signal else {})
            for register in probe.register]


@contextmanager
def server(folder, seed):
    """Run a pymodbus server on a pty; yield the master's descriptor."""
    master, slave = pty.openpty()
    tty.setraw(slave)
    file = Path(folder) / "probes.json"
    file.write_text(json.dumps({at: served(probe) for at, (_, probe) in probes().items()}))
    process = subprocess.Popen(
        [sys.executable, HERE / "pymodbus_server.py", os.ttyname(slave), file, str(seed)],
        stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield master
    finally:
        process.terminate()
        process.wait(10)
        os.close(master)
        os.close(slave)


def chunk(master, seed, frames, on_frames=lambda count: None, kinds=None):
    """Read probes until the server has answered `frames` requests.

    Return (counts of the damage, counts of the outcome, errors)."""
    clock = FakeClock()
    line = DamagedLine(clock, master, seed, kinds)
    bus = ModbusBus(line, Pin(), clock, 9_600, 10)
    readers = {
        address: (driver.build({
            "part": name, "address": address} | modbus_map.compiled(
                probe, [r.quantity for r in probe.register if r.quantity]), bus, clock, {}), probe)
        for address, (name, probe) in probes().items()}
    clock.advance_ms(modbus_map.MAX_SETTLE_MS)
    outcomes, wrong, done = Counter(), [], 0
    while done < frames:
        for address, (reader, probe) in readers.items():
            line.answered.clear()
            try:
                values = run(reader.read({}))
            except SensorError as error:
                outcomes[error.fault] += 1
            else:
                outcomes["value"] += 1
                wrong += errors(address, probe, values, line.answered)
            done += len(line.answered)
            on_frames(len(line.answered))
        clock.advance_ms(2_000)
    return Counter(line.counts), outcomes, wrong


def errors(address, probe, values, answered):
    """Return the values that the server did not give in this read, decoded by pymodbus."""
    found = []
    for register in probe.register:
        if register.quantity is None:
            continue
        given = [decoded(register, frame, answer) for frame, answer in answered]
        if not any(one is not None and abs(one - values[register.quantity]) <= 1e-6 * abs(one)
                   for one in given):
            found.append(f"{address} {register.quantity}: {values[register.quantity]} is none of "
                         f"{given}")
    return found


def decoded(register, frame, answer):
    """Return the value of a register in an answer, None if the request did not cover it."""
    at = register.address - int.from_bytes(frame[2:4], "big")
    kind = TYPES[register.type]
    count = kind.value[1]
    if frame[1] != register.function or not 0 <= at <= frame[5] - count:
        return None
    data = answer[3 + 2 * at:3 + 2 * (at + count)]
    words = [data[n] << 8 | data[n + 1] for n in range(0, len(data), 2)]
    order = "little" if register.order == "cdab" else "big"
    raw = ModbusClientMixin.convert_from_registers(words, kind, order)
    return raw * register.scale + register.offset


def main():
    """Run the campaign; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--resume", type=Path, default=Path("build/campaign-modbus.jsonl"))
    args = parser.parse_args()
    args.resume.parent.mkdir(parents=True, exist_ok=True)
    done = {}
    if args.resume.exists():
        rows = map(json.loads, args.resume.read_text().splitlines())
        done = {row["seed"]: row for row in rows}
    seeds = range(args.seed, args.seed + -(-args.frames // CHUNK_FRAMES))
    with Progress() as bar, tempfile.TemporaryDirectory() as folder:
        task = bar.add_task("frames", total=len(seeds) * CHUNK_FRAMES)
        for seed in seeds:
            if seed in done:
                bar.advance(task, CHUNK_FRAMES)
                continue
            with server(folder, seed) as master:
                damage, outcomes, wrong = chunk(
                    master, seed, CHUNK_FRAMES, lambda count: bar.advance(task, count))
            done[seed] = {"seed": seed, "damage": damage, "outcomes": outcomes, "wrong": wrong}
            with args.resume.open("a") as file:
                file.write(json.dumps(done[seed]) + "\n")
    rows = [done[seed] for seed in seeds]
    damage = sum((Counter(row["damage"]) for row in rows), Counter())
    outcomes = sum((Counter(row["outcomes"]) for row in rows), Counter())
    wrong = [error for row in rows for error in row["wrong"]]
    print(f"{damage.total()} frames of {len(probes())} maps: {dict(damage)}")
    print(f"readings: {dict(outcomes)}; wrong values: {len(wrong)}")
    for error in wrong[:20]:
        print(error)
    return 3 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
