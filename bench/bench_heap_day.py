"""What a connected, dosing node takes of the heap in a day, on 32 bits and without the simulator.

    python bench/bench_heap_day.py [--days N] [BOARD ...]

The twin of the board runs for 24 virtual hours, frozen into the MicroPython of bench_heap.py, with
a host that stores and acknowledges: doses by control and by hand, light, top-off, hold, stop and
resume, new settings each hour, an hour and a half without network, whose records go to flash. The
heap is split (bench_heap_split.py): what the simulator's code asks for lies elsewhere. Printed in
kB: what is held at the end and at most, of minutes and of all collections; what the node names of
the simulator's, where a board may have objects of its own; and the smallest heap in which the same
day goes by and nothing finds no room. Half an hour a board.
"""

import argparse
import json
import shutil
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import bench_heap
import bench_heap_split
from rich.console import Console
from rich.progress import track

from idroserra import boards, image
from idrosim import process
from idrosim.shim.frozen import CHIP_ID, pack
from idrosim.shim.ota_flash import make_image

HOUR_MS, MINUTE_MS = 3_600_000, 60_000
START_UNIX_MS = 1_767_225_600_000
BOARDS = ("esp32-reservoir", "esp32-classroom")
# CHIP_KB: about what an ESP32 has beside Wi-Fi. The search begins there.
TOO_SMALL_KB, CHIP_KB, AMPLE_KB, STEP_KB = 80, 110, 400, 2
# Water a little low and thin: nutrient, acid and the top-off valve have something to do.
PLANT = {"reservoir.volume_ml": 57_000, "reservoir.strength": 0.6}
SETTINGS = {"dosing.enabled": True, "reservoir.area_cm2": 3_000}

# Ahead of boot.py: where the modules are, and MicroPython's own gc in place of the simulator's,
# which does nothing.
BEGIN = """import sys
sys.path.append(".frozen")
del sys.modules["gc"]
import gc
sys.modules["gc"] = gc
"""


@dataclass
class Day:
    """What a run came to. `held` in bytes at each minute."""

    held: list[int] = field(default_factory=list)
    most_held: int = 0
    most_reached: int = 0
    seen: Counter[str] = field(default_factory=Counter)


def main() -> None:
    """Measure and print a line a board."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("boards", nargs="*", help="names of boards")
    parser.add_argument("--days", type=float, default=1)
    given = parser.parse_args()
    print("| board | held at the end | at most, of minutes | of all collections "
          "| named of the simulator | smallest heap |")
    print("| --- | " + " | ".join(["---:"] * 5) + " |")
    try:
        source = split_source()
        for name in track(given.boards or BOARDS, "boards", console=Console(stderr=True),
                          disable=not sys.stderr.isatty()):
            print(row(name, source, int(given.days * 24 * HOUR_MS)), flush=True)
    except (bench_heap.BenchError, process.SimulatorError) as error:
        raise SystemExit(f"bench-heap-day: {error}") from error


def split_source() -> Path:
    """Return MicroPython's source with the heap split, beside the one that is not."""
    plain = bench_heap.fetched_source()
    folder = bench_heap.WORK / "split" / plain.name
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(plain, folder)
    bench_heap_split.split(folder)
    return folder


def row(name: str, source: Path, duration_ms: int) -> str:
    """Return the line of a board. Raises BenchError when the day is none to measure by."""
    with tempfile.TemporaryDirectory(prefix="idroserra-heap-") as folder:
        built = Path(folder) / "image"
        image.build_image(name, built)
        program = bench_heap.frozen(name, built, source, *bench_heap_split.OPTIONS)
        flashed = Path(folder) / "flashed.bin"
        flashed.write_bytes(application(built))
        day = run(name, flashed, program, AMPLE_KB, MINUTE_MS, duration_ms)
        print(f"{name}: {dict(sorted(day.seen.items()))}", file=sys.stderr)
        least_kb = smallest_heap_kb(name, flashed, program, day.seen, duration_ms)
    figures = [day.held[-1], max(day.held), day.most_held, day.most_reached]
    return f"| `{name}` | " + " | ".join(f"{b / 1_000:.0f}" for b in figures) + f" | {least_kb} |"


def application(built: Path) -> bytes:
    """Return what the simulator's bootloader unpacks: boot.py and main.py, nothing of idro.

    It looks for modules there and not among those frozen in, where this interpreter has them.
    """
    files = {file: (built / file).read_bytes() for file in ("boot.py", "main.py")}
    files["boot.py"] = BEGIN.encode() + files["boot.py"]
    return make_image([pack(files)], CHIP_ID)


def run(name: str, flashed: Path, program: Path, heap_kb: int, heap_every_ms: int,
        duration_ms: int) -> Day:
    """Run the twin in a heap of that size. Raises BenchError when it does not go by as a day does.

    heap_every_ms 0: nothing is collected but where the heap is full.
    """
    day = Day()
    compiled = boards.load(name)

    def on_line(line: process.Line) -> None:
        if line["t"] == "heap":
            day.held.append(line["used_bytes"])
        elif line["t"] == "reset":
            raise bench_heap.BenchError(f"{name} reset: {line['cause']}")
        else:
            count(day.seen, line)

    def on_console(text: str) -> None:
        words = text.split()
        if words[:2] == ["heap-split", "held"]:
            day.most_held, day.most_reached = int(words[2]), int(words[4])
        elif words[:2] == ["heap-split", "refused"]:
            raise bench_heap.BenchError(f"{name} in {heap_kb} kB: no room for {words[2]} bytes")

    with tempfile.TemporaryDirectory(prefix="idroserra-heap-") as folder:
        job = process.make_job(
            "bench-1", compiled, Path(folder), start_unix_ms=START_UNIX_MS,
            duration_ms=duration_ms, plant=PLANT, settings=SETTINGS, trace_every_ms=0,
            timeline=timeline(compiled, duration_ms), frozen=str(flashed),
        )
        Path(job["flash_dir"]).mkdir()
        heap = {"heap": str(heap_kb * 1_000), "heap_every_ms": heap_every_ms}
        process.run_lockstep({**job, **heap}, on_line, program, on_console)
    return day


def count(seen: Counter[str], line: process.Line) -> None:
    """Count what the harness told: runs of each output, and what the node said by its kind."""
    if line["t"] == "pin":
        seen[f"on {line['name']}"] += bool(line["level"])
        return
    if line["t"] != "up":
        seen[line["t"]] += 1
        return
    leaf = line["topic"].rpartition("/")[2]
    seen[leaf] += 1
    if leaf == "ack":
        seen[f"ack {json.loads(line['payload'])['outcome']}"] += 1
    elif leaf == "config" and json.loads(line["payload"])["error"]:
        seen["config refused"] += 1
    elif leaf == "event":
        for record in json.loads(line["payload"])["records"]:
            seen[f"event {record['kind']}"] += 1


def timeline(board: dict[str, Any], duration_ms: int) -> list[dict[str, Any]]:
    """Return what people and the network do, hour by hour of each day."""
    outputs = [found["name"] for found in board["actuators"]]
    dosers = [found["name"] for found in board["actuators"] if found["part"] == "doser"]
    by_hand = [name for name in dosers if name.startswith("nutrient")] or dosers
    events: list[dict[str, Any]] = []
    for hour in range(duration_ms // HOUR_MS):
        asked = {
            5: [(0, {"command": {"verb": "hold", "args": {"for_ms": 10 * MINUTE_MS}}})],
            7: [(0, {"command": {"verb": "stop"}}), (10, {"command": {"verb": "resume"}})],
            9: [(0, {"network": "down"})], 10: [(30, {"network": "up"})],
            13: [(0, {"network": "broker_down"}), (10, {"network": "up"})],
        }.get(hour % 24, [])
        asked.append((15, {"settings": {
            "ec.target_us_cm": 1_600 + 10 * (hour % 2), "sample.every_ms": 10_000}}))
        asked += [(40, {"command": {
            "verb": "dose", "args": {"actuator": doser, "volume_ul": 1_000 + hour}}})
            for doser in by_hand[:1]]
        for output in outputs:
            if output not in dosers and hour % 6 == 3:
                asked.append((50, {"command": {
                    "verb": "run", "args": {"actuator": output, "for_ms": 20_000}}}))
        events += [{"at_ms": hour * HOUR_MS + minute * MINUTE_MS, **what}
                   for minute, what in asked]
    return events


def smallest_heap_kb(name: str, flashed: Path, program: Path, seen: Counter[str],
                     duration_ms: int) -> int:
    """Return the smallest heap in which the same happens as in an ample one."""
    too_small_kb, enough_kb, heap_kb = TOO_SMALL_KB, AMPLE_KB, CHIP_KB
    while enough_kb - too_small_kb > STEP_KB:
        try:
            is_enough = run(name, flashed, program, heap_kb, 0, duration_ms).seen == seen
            why = "another day"
        except (bench_heap.BenchError, process.SimulatorError) as error:
            is_enough, why = False, str(error)
        if is_enough:
            enough_kb = heap_kb
        else:
            too_small_kb = heap_kb
        print(f"{name}, {heap_kb} kB: {'the day goes by' if is_enough else why}", file=sys.stderr)
        heap_kb = (too_small_kb + enough_kb) // 2
    return enough_kb


if __name__ == "__main__":
    main()
