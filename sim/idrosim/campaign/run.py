"""Runs the cases of a campaign in lockstep and checks their invariants.

`run_case` runs one; `run_all` runs many in parallel and can resume an interrupted campaign from
its file, which has one outcome per line.
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
from idrosim.campaign.case import HOUR_MS, Case, hostile_case
from idrosim.campaign.invariants import RunTrace, Violation, check_invariants
from idrosim.runner import process

NODE = "greenhouse-1"
LATENCY_MS = 20
# Latencies of the runs that tell a violation of I28 from chance: shorter and longer ones.
OTHER_LATENCIES_MS = (3, 7, 12, 19, 21, 25, 40, 80)


@dataclass(frozen=True)
class CaseId:
    """Identifies a case: `kind` is matrix, seed or evil, `commands` those of a hostile host."""

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
        return hostile_case(self.number, int(self.hours * HOUR_MS), self.commands)


@dataclass(frozen=True)
class Outcome:
    """Result of a case. `violations` are lines; volumes are true ml, times virtual ms."""

    wanted: CaseId
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
        """True if every invariant held."""
        return not self.violations

    def to_json(self) -> dict[str, Any]:
        """Return the outcome as plain dicts, lists, text and numbers."""
        return asdict(self)

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> "Outcome":
        """Return the Outcome of a `to_json` result. Raises KeyError or TypeError."""
        fields = dict(found)
        fields["wanted"] = CaseId(**fields["wanted"])
        fields["violations"] = tuple(fields["violations"])
        return cls(**fields)


def run_case(
    case: Case, board: Mapping[str, Any], image_dir: Path, trace: TextIO | None = None,
    latency_ms: int = LATENCY_MS,
) -> tuple[RunTrace, list[Violation], process.Run]:
    """Run a case with the image in `image_dir` and check it; write its lines to `trace`.

    A board that dies, or resets repeatedly without progress, is a violation too. `latency_ms` is
    the one-way latency of the network.
    """
    run_trace = RunTrace()

    def on_line(line: process.Line) -> None:
        run_trace.take(line)
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
            died = Violation("I25", run_trace.end_ms, " | ".join(str(error).splitlines()))
        run_trace.finish()
        found = check_invariants(run_trace, case.terms, Path(job["flash_dir"]))
    return run_trace, found if died is None else [*found, died], run


def outcome(
    wanted: CaseId, board: Mapping[str, Any], image_dir: Path, trace: TextIO | None = None,
    image: str = "", latency_ms: int = LATENCY_MS,
) -> Outcome:
    """Run and check one case; `image` is copied to the Outcome."""
    case = wanted.case()
    run_trace, found, run = run_case(case, board, image_dir, trace, latency_ms)
    truth = run_trace.truth[-1][1] if run_trace.truth else {}
    return Outcome(
        wanted, case.name, case.text, case.replay, tuple(v.line() for v in found),
        run_trace.end_ms, run.wall_ms, len(run_trace.resets), len(run_trace.doses()),
        {key: value for key, value in truth.items() if key.startswith("dosed.")},
        sum(kind == "latched" for _, kind, _ in run_trace.events), image,
    )


def run_all(
    wanted: Iterable[CaseId], board: Mapping[str, Any], image_dir: Path, image: str,
    on_outcome: Callable[[Outcome], None], processes: int, resume: Path | None = None,
) -> list[Outcome]:
    """Run every case, `processes` at a time; call `on_outcome` for each as it ends.

    With `resume`, outcomes are appended to that file; cases in it that ran the same `image` are
    reported first and not run again. Raises ValueError for a file that is not a campaign's,
    OSError if it cannot be written.
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
    outcomes: Iterable[Outcome], again: Callable[[CaseId, int], Outcome]
) -> list[str]:
    """Return the violations of I28: a matrix case doses differently without network.

    Cases are compared that differ only in their network, up or down, and that complete. A reading
    exactly at a threshold lets microseconds of network activity decide whether a dose is given now
    or a sample later, with other noise from then on. So a differing case is run online again with
    other latencies, by `again(wanted, latency_ms)`: if any of these doses as without network, the
    difference is chance; if none does, it is a violation.
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
    """Return the true ml online of each pump whose volume differs offline."""
    return {pump: ml for pump, ml in online.dosed_ml.items()
            if abs(ml - offline.dosed_ml.get(pump, 0.0)) > 0.3 + 0.02 * ml}


def read_outcomes(path: Path) -> dict[CaseId, Outcome]:
    """Return the outcomes in a file, {} if it does not exist. A truncated last line is removed.
    Raises ValueError for any other line that is not an outcome."""
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
            raise ValueError(f"{path}: line {number} is not an outcome of a campaign") from error
        found[one.wanted] = one
    return found


def _key(case: Case) -> str:
    return hashlib.sha256(f"campaign {case.seed}".encode()).hexdigest()
