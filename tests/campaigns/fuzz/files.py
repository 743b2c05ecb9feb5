"""`make campaign-files`: feeds mutated settings and board files to their parsers.

    python tests/campaigns/fuzz/files.py [--count 10000] [--seed 1]

Only the documented error may be raised, no accepted value may be outside its limits, and
MicroPython must read settings as CPython does. Exit code 3: one of these is violated.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import tomllib
from collections import Counter
from collections.abc import Callable, Iterable
from itertools import islice
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
sys.path.append(str(HERE.parents[1]))

from campaigns.fuzz import mutated_settings, settings_on_node  # noqa: E402
from campaigns.fuzz.mutate import inputs as mutated  # noqa: E402
from idroserra.boards import compiler  # noqa: E402
from idroserra.core.errors import BoardError  # noqa: E402
from support.micropython_program import micropython  # noqa: E402
from support.mutated_boards import as_toml, check_board, mutate, places  # noqa: E402


def settings(count: int, seed: int, tick: Callable[[], None]) -> tuple[Counter[str], list[str]]:
    """Return (outcomes, errors) of `count` settings in both runtimes."""
    done: Counter[str] = Counter()
    wrong: list[str] = []
    made = list(islice(mutated_settings.inputs(random.Random(seed)), count))
    with tempfile.TemporaryDirectory(prefix="idroserra-settings-") as folder:
        expected = []
        for kind, data in made:
            values, is_accepted = settings_on_node.apply(kind, data, folder)
            wrong += _checked(kind, data, values)
            done["settings accepted" if is_accepted else "settings refused"] += 1
            expected.append(values if is_accepted else None)
            tick()
        answers = _on_node(made, Path(folder))
        for (kind, data), ours, theirs in zip(made, expected, answers, strict=False):
            if theirs is not None:
                wrong += _checked(kind, data, theirs)
            if ours == theirs:
                done["same in MicroPython"] += 1
            elif _is_json(data.partition(b"\n")[2] if kind == "slot" else data):
                wrong.append(f"{kind} {data!r}: MicroPython reads it differently")
            else:
                done["invalid JSON, different in MicroPython"] += 1
        if len(answers) != len(made):
            wrong.append(f"MicroPython ended at input {len(answers)}: {made[len(answers)]}")
    return done, wrong


def _checked(kind: str, data: bytes, values: dict[str, Any]) -> list[str]:
    try:
        mutated_settings.check(values)
    except AssertionError as error:
        return [f"{kind} {data!r}: outside the limits: {error}"]
    return []


def _is_json(data: bytes) -> bool:
    """Return whether RFC 8259 allows it: CPython also accepts NaN, MicroPython also 018.0."""
    def refuse(word: str) -> None:
        raise ValueError(word)

    try:
        json.loads(data, parse_constant=refuse)
    except ValueError:
        return False
    return True


def _on_node(made: Iterable[tuple[str, bytes]], folder: Path) -> list[dict[str, Any] | None]:
    """Return the settings that MicroPython reads from the same inputs, None if refused."""
    file = folder / "inputs"
    file.write_text("".join(f"{kind} {data.hex() or '00'}\n" for kind, data in made))
    ran = subprocess.run(
        [micropython(), str(HERE / "settings_on_node.py"), str(file), str(folder)],
        env=os.environ | {"MICROPYPATH": f"{ROOT / 'firmware'}:.frozen"}, capture_output=True,
        text=True, check=False)
    if ran.returncode:
        print(ran.stdout[-500:] + ran.stderr[-500:], file=sys.stderr)
    return [None if line == "refused" else json.loads(line) for line in ran.stdout.splitlines()
            if line == "refused" or line.startswith("{")]


def board_files(count: int, seed: int, tick: Callable[[], None]) -> tuple[Counter[str], list[str]]:
    """Return (outcomes, errors) of `count` board files."""
    rng = random.Random(seed)
    done: Counter[str] = Counter()
    wrong: list[str] = []
    parts = compiler.read_parts((compiler.boards_dir() / compiler.PARTS_FILE).read_bytes())
    files = {f"{name}.toml": (compiler.boards_dir() / f"{name}.toml").read_bytes()
             for name in compiler.names()}
    texts = mutated(list(files.values()), ("[[sensors]]\n", "pin = 6\n", "nan", '"""'), rng)
    for _ in range(count):
        file = rng.choice(sorted(files))
        data = _changed(files[file], rng) if rng.random() < 0.8 else next(texts)
        try:
            check_board(compiler.compile_board(data, file, parts))
            done["boards compiled"] += 1
        except BoardError:
            done["boards refused"] += 1
        except AssertionError as error:
            wrong.append(f"{file}: unsafe: {error}\n{data!r}")
        except Exception:  # any other is a finding as well, and ends the run
            print(f"{file} of seed {seed}: {data!r}", file=sys.stderr)
            raise
        tick()
    return done, wrong


def _changed(text: bytes, rng: random.Random) -> bytes:
    table = tomllib.loads(text.decode())
    for _ in range(rng.randint(1, 3)):
        if places(table):
            mutate(table, rng)
    return "\n".join(f"{as_toml(key)} = {as_toml(value)}" for key, value in table.items()).encode()


def main() -> int:
    from rich.progress import Progress

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=10_000, help="settings, and boards")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    done: Counter[str] = Counter()
    wrong: list[str] = []
    with Progress() as bars:
        for what, run in (("settings", settings), ("board files", board_files)):
            bar = bars.add_task(what, total=options.count)
            found = run(options.count, options.seed, lambda bar=bar: bars.update(bar, advance=1))
            done += found[0]
            wrong += found[1]
    for outcome, count in done.items():
        print(f"{outcome:<34} {count:>7,}")
    print(f"{2 * options.count:,} files, {len(wrong)} errors")
    for text in wrong[:10]:
        print(f"  {text[:1_000]}")
    return 3 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
