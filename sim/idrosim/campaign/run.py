"""The campaign: runs cases in lockstep, judges each, and says which invariants did not hold.

`run_case` runs one; `run_all` runs many at a time and may go on from the file of a run that was
interrupted. Every outcome is a line of that file.
"""

import hashlib
import json
import tempfile
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, TextIO

from idrosim.campaign import fault_matrix, random_cases
from idrosim.campaign.case import HOUR_MS, Case, evil
from idrosim.campaign.invariants import Record, Violation, judge
from idrosim.runner import process

NODE = "greenhouse-1"
LATENCY_MS = 20
# Of the runs with which a difference of I28 is told from a coin's toss.
OTHER_LATENCIES_MS = (19, 21, 18, 23, 25, 30, 40, 80)


@dataclass(frozen=True)
class Wanted:
    """A case by its name: `kind` is matrix, seed or evil, `commands` those of an evil host."""

    kind: str
    number: int
    hours: float
    commands: int = 0

    def case(self) -> Case:
        """Return the case."""
        if self.kind == "matrix":
            return fault_matrix.case(self.number, self.hours)
        if self.kind == "seed":
            return random_cases.case(self.number, self.hours)
        return evil(self.number, int(self.hours * HOUR_MS), self.commands)


@dataclass(frozen=True)
class Outcome:
    """What became of a case. `violations` are lines; volumes are true ml, times virtual ms."""

    wanted: Wanted
    name: str
    text: str
    replay: str
    violations: tuple[str, ...]
    at_ms: int
    wall_ms: int
    resets: int
    doses: int
    dosed_ml: dict[str, float]
    latches: int
    image: str  # SHA-256 of the firmware it ran

    @property
    def is_kept(self) -> bool:
        """True when every invariant held."""
        return not self.violations

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain dicts, lists, text and numbers."""
        return asdict(self)

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> "Outcome":
        """Return what `to_json` gave. Raises KeyError or TypeError."""
        fields = dict(found)
        fields["wanted"] = Wanted(**fields["wanted"])
        fields["violations"] = tuple(fields["violations"])
        return cls(**fields)


def run_case(
    case: Case, board: Mapping[str, Any], image_dir: Path, trace: TextIO | None = None,
    latency_ms: int = LATENCY_MS,
) -> tuple[Record, list[Violation], process.Run]:
    """Run a case with the image in `image_dir` and judge it; write its lines to `trace`.

    A board that dies, or resets over and over without getting anywhere, is a violation too.
    `latency_ms` is that of the network, each way.
    """
    record = Record()

    def on_line(line: process.Line) -> None:
        record.take(line)
        if trace is not None:
            trace.write(json.dumps(line, sort_keys=True) + "\n")

    with tempfile.TemporaryDirectory(prefix="idrosim-campaign-") as name:
        folder = Path(name)
        job = process.make_job(
            NODE, board, folder, seed=case.seed, key=_key(case), plant=case.plant,
            start_unix_ms=case.start_unix_ms, duration_ms=case.duration_ms,
            settings=case.settings, timeline=case.timeline, ticks_start_ms=case.ticks_start_ms,
            network={"latency_ms": latency_ms},
        )
        process.install_image(job, image_dir)
        died = None
        run = process.Run()
        try:
            run = process.run_lockstep(job, on_line)
        except process.SimulatorError as error:
            died = Violation("I25", record.end_ms, " | ".join(str(error).splitlines()))
        record.finish()
        found = judge(record, case.terms, Path(job["flash_dir"]))
    return record, found if died is None else [*found, died], run


def outcome(
    wanted: Wanted, board: Mapping[str, Any], image_dir: Path, trace: TextIO | None = None,
    image: str = "", latency_ms: int = LATENCY_MS,
) -> Outcome:
    """Run and judge one case; `image` is noted in what is returned."""
    case = wanted.case()
    record, found, run = run_case(case, board, image_dir, trace, latency_ms)
    truth = record.truth[-1][1] if record.truth else {}
    return Outcome(
        wanted, case.name, case.text, case.replay, tuple(v.line() for v in found),
        record.end_ms, run.wall_ms, len(record.resets), len(record.doses()),
        {key: value for key, value in truth.items() if key.startswith("dosed.")},
        sum(kind == "latched" for _, kind, _ in record.events), image,
    )


def run_all(
    wanted: Iterable[Wanted], board: Mapping[str, Any], image_dir: Path, image: str,
    on_outcome: Callable[[Outcome], None], processes: int, resume: Path | None = None,
) -> list[Outcome]:
    """Run every case, `processes` at a time; each outcome is told as it comes.

    With `resume` outcomes are appended to that file, and those that are in it already and ran the
    same `image` are not run again; they are told first. Raises ValueError for a file that is none
    of ours, OSError for one that cannot be written.
    """
    done = {} if resume is None else read_outcomes(resume)
    asked = list(wanted)
    outcomes = [done[one] for one in asked if one in done and done[one].image == image]
    for known in outcomes:
        on_outcome(known)
    known_already = {known.wanted for known in outcomes}
    left = [one for one in asked if one not in known_already]
    work = partial(outcome, board=board, image_dir=image_dir, image=image)
    with ExitStack() as stack:
        file = None
        if resume is not None:
            file = stack.enter_context(resume.open("a", encoding="utf-8"))
        pool = stack.enter_context(ProcessPoolExecutor(processes))
        stack.callback(pool.shutdown, wait=True, cancel_futures=True)
        for future in as_completed([pool.submit(work, one) for one in left]):
            found = future.result()
            outcomes.append(found)
            if file is not None:
                file.write(json.dumps(found.to_json()) + "\n")
                file.flush()
            on_outcome(found)
    return outcomes


def offline_differs(
    outcomes: Iterable[Outcome], again: Callable[[Wanted, int], Outcome]
) -> list[str]:
    """Return the violations of I28: a matrix case without network doses other than online.

    Compared are the cases that differ in their network only, up or down, and run through. Where a
    reading stands on a threshold to its last digit, some microseconds of work on the network
    decide whether a dose is given now or a sample later, and the noise is another one from there.
    So what differs is run online again with networks a little faster or slower, by
    `again(wanted, latency_ms)`: where one of those gives the same doses as no network, it was
    the microseconds; where none does, it is the network that was away.
    """
    by_number = {o.wanted.number: o for o in outcomes if o.wanted.kind == "matrix"}
    found = []
    for number, online in by_number.items():
        twin = fault_matrix.offline_twin(number)
        offline = None if twin is None else by_number.get(twin)
        if offline is None or offline.at_ms != online.at_ms:
            continue
        differing = _differing(online, offline)
        if differing and all(_differing(again(online.wanted, latency_ms), offline)
                             for latency_ms in OTHER_LATENCIES_MS):
            found += [f"{offline.name}: I28: {pump} {offline.dosed_ml.get(pump, 0.0):.2f} without "
                      f"network, {ml:.2f} in {online.name}" for pump, ml in differing.items()]
    return found


def _differing(online: Outcome, offline: Outcome) -> dict[str, float]:
    """Return the true ml online of each pump that gave another volume offline."""
    return {pump: ml for pump, ml in online.dosed_ml.items()
            if abs(ml - offline.dosed_ml.get(pump, 0.0)) > 0.3 + 0.02 * ml}


def read_outcomes(path: Path) -> dict[Wanted, Outcome]:
    """Return the outcomes in a file, {} where there is none. A last line cut short is passed
    over. Raises ValueError for anything else that is no outcome."""
    if not path.exists():
        return {}
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    found = {}
    for number, line in enumerate(lines, 1):
        try:
            one = Outcome.from_json(json.loads(line))
        except (ValueError, KeyError, TypeError) as error:
            if number == len(lines) and not line.endswith("\n"):
                path.write_text("".join(lines[:-1]), encoding="utf-8")
                break
            raise ValueError(f"{path}: line {number} is no outcome of a campaign") from error
        found[one.wanted] = one
    return found


def _key(case: Case) -> str:
    return hashlib.sha256(f"campaign {case.seed}".encode()).hexdigest()
