"""`make fuzz`: coverage-guided fuzzing of every parser of the host and the protocol.

    python tests/campaigns/fuzz/fuzz.py [--seconds 3600] [--only NAME ...] [--replay FILE]
                                        [--workers N]

Without atheris (requirements.txt; Linux on x86-64) the inputs are mutated seeds. build/fuzz/NAME/
stores the corpus of each target, which the next run continues, and the findings, which can be
replayed. Exit code 3: there are findings.
"""

from __future__ import annotations

import argparse
import importlib.util
import random
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE.parents[1]))
BUILD = HERE.parents[2] / "build" / "fuzz"
MOST_BYTES = 8_192
SLOWEST_S = 30  # an input that takes longer is a finding
MOST_MB = 2_048


class Result(NamedTuple):
    """Result of one target."""

    name: str
    cases: int
    seconds: float
    found: list[Path]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=3_600, help="for all targets together")
    parser.add_argument("--only", nargs="*", default=None)
    parser.add_argument("--replay", type=Path)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--one", help=argparse.SUPPRESS)  # the child: one target in this process
    options = parser.parse_args()
    if options.one:
        return _one(options.one, options.seconds)
    from campaigns.fuzz.targets import TARGETS

    if options.replay is not None:
        TARGETS[options.replay.resolve().parent.name].check(options.replay.read_bytes())
        print("no error")
        return 0
    names = [name for name in TARGETS if options.only is None or name in options.only]
    return _all(names, options.seconds, options.workers)


def _all(names: list[str], seconds: int, workers: int) -> int:
    from rich.progress import Progress, TimeRemainingColumn

    each_s = max(1, seconds * workers // len(names))
    results = []
    with Progress(*Progress.get_default_columns(), TimeRemainingColumn()) as bars, \
            ThreadPoolExecutor(workers) as pool:
        bar = bars.add_task(f"{len(names)} parsers, {each_s} s each", total=len(names))
        for done in as_completed([pool.submit(_run, name, each_s) for name in names]):
            result = done.result()
            results.append(result)
            bars.update(bar, advance=1)
            bars.print(_text(result))
    cases, found = sum(one.cases for one in results), [f for one in results for f in one.found]
    print(f"{len(results)} parsers, {cases:,} inputs, "
          f"{sum(one.seconds for one in results) / 60:.1f} minutes, {len(found)} findings")
    for path in found:
        print(
            f"  python tests/campaigns/fuzz/fuzz.py --replay {path.relative_to(BUILD.parents[1])}"
        )
    return 3 if found else 0


def _run(name: str, seconds: int) -> Result:
    """Fuzz one target in a child process, because a finding may end it."""
    folder = BUILD / name
    folder.mkdir(parents=True, exist_ok=True)
    before = set(folder.glob("found-*"))
    started_s = time.monotonic()
    with (folder / "log").open("w") as log:
        subprocess.run([sys.executable, __file__, "--one", name, "--seconds", str(seconds)],
                       stdout=log, stderr=log, stdin=subprocess.DEVNULL, check=False)
    log_text = (folder / "log").read_text(errors="replace")
    counts = re.findall(r"(?:number_of_executed_units: |^#|cases: )(\d+)", log_text, re.MULTILINE)
    found = sorted(set(folder.glob("found-*")) - before)
    if not counts and not found:
        raise SystemExit(f"{name} did not run; {folder / 'log'} ends:\n{log_text[-1_000:]}")
    return Result(name, max(map(int, counts), default=0), time.monotonic() - started_s, found)


def _text(result: Result) -> str:
    found = f", {len(result.found)} found" if result.found else ""
    return f"{result.name:<16} {result.cases:>10,} inputs in {result.seconds:>6.0f} s{found}"


def _one(name: str, seconds: int) -> int:
    if importlib.util.find_spec("atheris") is None:
        return _unguided(name, seconds)
    import atheris

    with atheris.instrument_imports(include=["idro", "idroserra"]):
        from campaigns.fuzz.targets import TARGETS
    target, folder = TARGETS[name], BUILD / name
    corpus = folder / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(target.seeds()):
        (corpus / f"seed-{number}").write_bytes(seed)
    words = folder / "words"
    words.write_text("".join(
        f'"{"".join(f"{chr(92)}x{byte:02x}" for byte in word.encode())}"\n'
        for word in target.words))

    def check(data: bytes) -> None:
        target.check(data)

    atheris.Setup([
        sys.argv[0], str(corpus), f"-max_total_time={seconds}", f"-max_len={MOST_BYTES}",
        *([f"-dict={words}"] if target.words else []), f"-artifact_prefix={folder}/found-",
        f"-timeout={SLOWEST_S}", f"-rss_limit_mb={MOST_MB}", "-print_final_stats=1",
    ], check)
    atheris.Fuzz()
    return 0


def _unguided(name: str, seconds: int) -> int:
    from campaigns.fuzz import mutate
    from campaigns.fuzz.targets import TARGETS

    target = TARGETS[name]
    rng = random.Random()
    until_s, cases = time.monotonic() + seconds, 0
    for data in mutate.inputs(list(target.seeds()), target.words, rng):
        cases += 1
        if time.monotonic() > until_s:
            break
        try:
            target.check(data)
        except Exception:  # a finding, which ends this process as in atheris
            (BUILD / name / f"found-{rng.getrandbits(64):016x}").write_bytes(data)
            print(f"cases: {cases}", flush=True)
            raise
    print(f"cases: {cases}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
