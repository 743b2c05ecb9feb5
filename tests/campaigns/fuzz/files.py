"""`make campaign-files`: settings and board files, changed and damaged.

    python tests/campaigns/fuzz/files.py [--count 10000] [--seed 1]

Never an exception beyond the one class of error, never anything in force outside of the limits,
and real MicroPython makes the same of settings as CPython. Exit code 3: one of these is not so.
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
from campaigns.fuzz.mutate import inputs as damaged  # noqa: E402
from idroserra.boards import compiler  # noqa: E402
from idroserra.core.errors import BoardError  # noqa: E402
from support.micropython_program import micropython  # noqa: E402
from support.mutated_boards import as_toml, check_by_itself, mutate, places  # noqa: E402


def settings(count: int, seed: int, tell: Callable[[], None]) -> tuple[Counter[str], list[str]]:
    """Return (outcomes, what went wrong) of `count` settings, in both runtimes."""
    done: Counter[str] = Counter()
    wrong: list[str] = []
    made = list(islice(mutated_settings.inputs(random.Random(seed)), count))
    with tempfile.TemporaryDirectory(prefix="idroserra-settings-") as folder:
        expected = []
        for kind, data in made:
            values, is_taken = settings_on_node.take(kind, data, folder)
            wrong += _judged(kind, data, values)
            done["settings taken" if is_taken else "settings refused"] += 1
            expected.append(values if is_taken else None)
            tell()
        answers = _on_node(made, Path(folder))
        for (kind, data), ours, theirs in zip(made, expected, answers, strict=False):
            if theirs is not None:
                wrong += _judged(kind, data, theirs)
            if ours == theirs:
                done["the same in MicroPython"] += 1
            elif _is_json(data.partition(b"\n")[2] if kind == "slot" else data):
                wrong.append(f"{kind} {data!r}: MicroPython makes something else of it")
            else:
                done["no JSON, and read otherwise there"] += 1
        if len(answers) != len(made):
            wrong.append(f"MicroPython ended at input {len(answers)}: {made[len(answers)]}")
    return done, wrong


def _judged(kind: str, data: bytes, values: dict[str, Any]) -> list[str]:
    try:
        mutated_settings.judge(values)
    except AssertionError as error:
        return [f"{kind} {data!r}: outside of the limits: {error}"]
    return []


def _is_json(data: bytes) -> bool:
    """Whether it is JSON as RFC 8259 has it: CPython also takes NaN, MicroPython also 018.0."""
    def refuse(word: str) -> None:
        raise ValueError(word)

    try:
        json.loads(data, parse_constant=refuse)
    except ValueError:
        return False
    return True


def _on_node(made: Iterable[tuple[str, bytes]], folder: Path) -> list[dict[str, Any] | None]:
    """Return what real MicroPython makes of the same inputs."""
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


def board_files(count: int, seed: int, tell: Callable[[], None]) -> tuple[Counter[str], list[str]]:
    """Return (outcomes, what went wrong) of `count` board files."""
    rng = random.Random(seed)
    done: Counter[str] = Counter()
    wrong: list[str] = []
    parts = compiler.read_parts((compiler.boards_dir() / compiler.PARTS_FILE).read_bytes())
    files = {f"{name}.toml": (compiler.boards_dir() / f"{name}.toml").read_bytes()
             for name in compiler.names()}
    texts = damaged(list(files.values()), ("[[sensors]]\n", "pin = 6\n", "nan", '"""'), rng)
    for _ in range(count):
        file = rng.choice(sorted(files))
        data = _changed(files[file], rng) if rng.random() < 0.8 else next(texts)
        try:
            check_by_itself(compiler.compile_board(data, file, parts))
            done["boards compiled"] += 1
        except BoardError:
            done["boards refused"] += 1
        except AssertionError as error:
            wrong.append(f"{file}: not safe by itself: {error}\n{data!r}")
        except Exception:  # any other is a finding too, and ends the run
            print(f"{file} of seed {seed}: {data!r}", file=sys.stderr)
            raise
        tell()
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
    parser.add_argument("--count", type=int, default=10_000, help="of settings, and of boards")
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
    print(f"{2 * options.count:,} files, {len(wrong)} things wrong")
    for text in wrong[:10]:
        print(f"  {text[:1_000]}")
    return 3 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
