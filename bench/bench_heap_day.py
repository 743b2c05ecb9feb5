"""What a connected, dosing node takes of the heap in a day, on 32 bits and without the simulator.

    python bench/bench_heap_day.py [--days N] [--smallest] [BOARD ...]

The twin of the board runs for 24 virtual hours, frozen into the MicroPython of bench_heap.py, with
a host that stores and acknowledges: doses by control and by hand, light, top-off, hold, stop and
resume, new settings each hour, an hour and a half without network, whose records go to flash. The
heap is split (bench_heap_split.py): what the simulator's code asks for lies elsewhere. Printed in
kB: what is held at the end and at most, of minutes and of all collections; what the node names of
the simulator's, where a board may have objects of its own; and whether the same day goes by in
96 kB and nothing finds no room, and with how many collections: in the smallest heap in which it
does, with --smallest. Four minutes a board, and 15 more for that.
"""

import argparse
import json
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
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
# The search for the smallest heap begins at AIM_KB.
TOO_SMALL_KB, AIM_KB, AMPLE_KB, STEP_KB = 70, 96, 400, 2
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
    collections: int = 0
    seen: Counter[str] = field(default_factory=Counter)


def main() -> None:
    """Measure and print a line a board."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("boards", nargs="*", help="names of boards; all without")
    parser.add_argument("--days", type=float, default=1)
    parser.add_argument("--smallest", action="store_true", help="search for the smallest heap")
    given = parser.parse_args()
    print("| board | held at the end | at most, of minutes | of all collections "
          "| named of the simulator | the day goes by in | collections |")
    print("| --- | " + " | ".join(["---:"] * 6) + " |")
    try:
        source = split_source()
        for name in track(given.boards or boards.names(), "boards", console=Console(stderr=True),
                          disable=not sys.stderr.isatty()):
            duration_ms = int(given.days * 24 * HOUR_MS)
            print(row(name, source, duration_ms, given.smallest), flush=True)
    except (bench_heap.BenchError, process.SimulatorError) as error:
        raise SystemExit(f"bench-heap-day: {error}") from error


def split_source() -> Path:
    """Return MicroPython's source with the heap split, beside the one that is not.

    What was built before is removed: make does not see other options.
    """
    plain = bench_heap.fetched_source()
    folder = bench_heap.WORK / "split" / plain.name
    shutil.rmtree(folder.parent, ignore_errors=True)
    shutil.copytree(plain, folder)
    bench_heap_split.split(folder)
    return folder


def row(name: str, source: Path, duration_ms: int, is_smallest: bool) -> str:
    """Return the line of a board. Raises BenchError when the day is none to measure by."""
    with tempfile.TemporaryDirectory(prefix="idroserra-heap-") as folder:
        built = Path(folder) / "image"
        image.build_image(name, built)
        program = bench_heap.frozen(name, built, source, *bench_heap_split.OPTIONS)
        flashed = Path(folder) / "flashed.bin"
        flashed.write_bytes(application(built))
        day = run(name, flashed, program, AMPLE_KB, MINUTE_MS, duration_ms)
        print(f"{name}: {dict(sorted(day.seen.items()))}; at most each day, of minutes: "
              f"{[max(day.held[at:at + 1_440]) for at in range(0, len(day.held), 1_440)]}",
              file=sys.stderr)

        def goes_by(heap_kb: int) -> int:
            return collections_in(name, flashed, program, heap_kb, day.seen, duration_ms)

        heap_kb, count = (smallest(goes_by, day.collections) if is_smallest
                          else (AIM_KB, goes_by(AIM_KB)))
    figures = [day.held[-1], max(day.held), day.most_held, day.most_reached]
    return (f"| `{name}` | " + " | ".join(f"{b / 1_000:.0f}" for b in figures)
            + f" | {'' if count else 'not '}{heap_kb} kB | {count} |")


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
            day.most_held, day.most_reached, day.collections = map(int, words[2:7:2])
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
    if leaf in ("telemetry", "event"):
        # Records, not messages: what heap is free is a number in them, and more or less digits.
        for record in json.loads(line["payload"])["records"]:
            seen[f"event {record['kind']}" if leaf == "event" else "records of telemetry"] += 1
        return
    seen[leaf] += 1
    if leaf == "ack":
        seen[f"ack {json.loads(line['payload'])['outcome']}"] += 1
    elif leaf == "config" and json.loads(line["payload"])["error"]:
        seen["config refused"] += 1


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


def collections_in(name: str, flashed: Path, program: Path, heap_kb: int, seen: Counter[str],
                   duration_ms: int) -> int:
    """Return how many collections it took where the same happens in this heap, else 0."""
    try:
        day = run(name, flashed, program, heap_kb, 0, duration_ms)
        count, why = (day.collections, "") if day.seen == seen else (0, "another day")
    except (bench_heap.BenchError, process.SimulatorError) as error:
        count, why = 0, str(error)
    print(f"{name}, {heap_kb} kB: {why or 'the day goes by'}", file=sys.stderr)
    return count


def smallest(goes_by: Callable[[int], int], in_ample: int) -> tuple[int, int]:
    """Return the smallest heap in which a day goes by, in kB, and its collections."""
    too_small_kb, heap_kb = TOO_SMALL_KB, AIM_KB
    enough = (AMPLE_KB, in_ample)
    while enough[0] - too_small_kb > STEP_KB:
        count = goes_by(heap_kb)
        if count:
            enough = (heap_kb, count)
        else:
            too_small_kb = heap_kb
        heap_kb = (too_small_kb + enough[0]) // 2
    return enough


if __name__ == "__main__":
    main()
