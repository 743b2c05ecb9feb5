"""Runs a scenario in lockstep and evaluates its expectations.

`idroserra sim run` calls `run` with a compiled board and a built image.
"""

import hashlib
import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from idrosim.runner import process
from idrosim.scenarios.expectations import Evidence, Verdict, evaluate, required_series
from idrosim.scenarios.loader import Scenario, ScenarioError, check_board, load
from idrosim.scenarios.trace_reader import TraceReader

__all__ = ["Result", "Scenario", "ScenarioError", "load", "run", "with_changes"]

NODE = "greenhouse-1"
_DAY_MS = 86_400_000
_MINUTE_MS = 60_000


@dataclass(frozen=True)
class Result:
    """The result of a scenario run."""

    scenario: Scenario
    verdicts: list[Verdict]
    at_ms: int
    wall_ms: int
    resets: list[str]
    doses: dict[str, dict[str, float]]  # actuator: count, pumped_s, true_ml
    truth: Mapping[str, float]
    measured: Mapping[str, float]
    evidence: Evidence

    @property
    def is_kept(self) -> bool:
        """True if every expectation is met."""
        return all(verdict.is_kept for verdict in self.verdicts)

    @property
    def speed_up(self) -> float:
        """Simulated time over wall time."""
        return self.at_ms / max(1, self.wall_ms)

    def to_json(self) -> dict[str, Any]:
        """Return the result as plain dicts, lists, text and numbers."""
        return {
            "scenario": self.scenario.name, "text": self.scenario.text,
            "seed": self.scenario.seed, "days": round(self.at_ms / _DAY_MS, 4),
            "wall_s": round(self.wall_ms / 1_000, 3), "speed_up": round(self.speed_up),
            "kept": self.is_kept,
            "promises": [
                {"text": v.expectation.text, "signal": v.expectation.signal, "kept": v.is_kept,
                 "why": v.why} for v in self.verdicts
            ],
            "doses": self.doses, "resets": self.resets, "true": dict(self.truth),
            "measured": dict(self.measured),
        }


def with_changes(
    scenario: Scenario, days: float | None = None, seed: int | None = None
) -> Scenario:
    """Return the scenario with another length or seed."""
    if days is not None:
        scenario = replace(scenario, duration_ms=int(days * _DAY_MS))
    return scenario if seed is None else replace(scenario, seed=seed)


def run(
    scenario: Scenario, board: Mapping[str, Any], image_dir: Path, *,
    trace: Path | None = None, on_progress: Callable[[float], None] | None = None,
    micropython: Path | None = None, keep_all: bool = False,
) -> Result:
    """Run `scenario` on `board` with the image in `image_dir`; write its `trace`, if not None.

    With `keep_all` the evidence of the Result holds every signal, else those of the expectations.
    `on_progress` receives the share done, 0.0 to 1.0. Raises ScenarioError if the scenario does
    not fit the board or the node refuses its settings, SimulatorError if the board dies.
    """
    check_board(scenario, board)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="idrosim-")))
        file = stack.enter_context(trace.open("w", encoding="utf-8")) if trace else None
        wanted = frozenset(key for p in scenario.expectations for key in required_series(p))
        reader = TraceReader(None if keep_all else wanted, file)
        job = process.make_job(
            NODE, board, folder, seed=scenario.seed, key=_key(scenario.seed),
            start_unix_ms=scenario.start_unix_ms, duration_ms=scenario.duration_ms,
            plant=scenario.plant, settings=scenario.settings, timeline=scenario.timeline,
            trace_every_ms=scenario.trace_every_ms, ticks_start_ms=scenario.ticks_start_ms,
            nvs={"broker_host": scenario.broker_host}
            | ({} if scenario.is_commissioned else {"earned_s": 0}),
            counts_flash=any(key.startswith("flash:") for key in wanted),
        )
        process.install_image(job, image_dir)

        def on_line(line: process.Line) -> None:
            reader.take(line)
            if on_progress is not None and line["t"] == "truth":
                on_progress(min(1.0, line["at_ms"] / scenario.duration_ms))

        ended = process.run_lockstep(job, on_line, micropython)
        reader.finish()
    if on_progress is not None:
        on_progress(1.0)
    _check_settings(scenario, reader)
    verdicts = [evaluate(expectation, reader.evidence) for expectation in scenario.expectations]
    return Result(
        scenario, verdicts, ended.at_ms, ended.wall_ms, ended.resets,
        _doses(board, reader), reader.truth, reader.measured, reader.evidence)


def _check_settings(scenario: Scenario, reader: TraceReader) -> None:
    never = "never became active: an unknown key, a value out of range, or no network"
    latest_ms = scenario.duration_ms - _MINUTE_MS
    changes = [e for e in scenario.timeline if "settings" in e and e["at_ms"] <= latest_ms]
    if changes and reader.config_rev <= len(changes):
        raise ScenarioError(scenario.file, "event.settings", reader.config_error or never)
    if reader.config_rev > 0:
        return  # a later error is an effect of the scenario, such as a corrupted slot
    if reader.config_error is not None:
        raise ScenarioError(scenario.file, "settings", f"refused: {reader.config_error}")
    if scenario.settings:
        raise ScenarioError(scenario.file, "settings", never)


def _doses(board: Mapping[str, Any], reader: TraceReader) -> dict[str, dict[str, float]]:
    found = {}
    for spec in board["actuators"]:
        name = spec["name"]
        true_ml = reader.truth.get(f"dosed.{name}_ml")
        if true_ml is None:
            continue
        spans = reader.evidence.runs.get(name, [])
        count = sum(
            kind == "dosed" and detail.get("actuator") == name
            for _, kind, detail in reader.evidence.events)
        pumped_us = sum(off_us - on_us for on_us, off_us in spans)
        found[name] = {"count": count, "pumped_s": pumped_us / 1e6, "true_ml": true_ml}
    return found


def _key(seed: int) -> str:
    return hashlib.sha256(f"scenario {seed}".encode()).hexdigest()
