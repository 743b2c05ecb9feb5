"""Evaluates the expectations of a scenario (its [[promise]] tables) on the trace of a run.

An expectation is about one signal. `true:<key>` is the reading of a perfect instrument,
`measured:<channel>` the reading reported by the node, `fault:<channel>` 1 while the node reports a
fault and 0 while a value, `error:<channel>` the reported less the true value.

`events:<kind>` counts events of the node, `events:ack` its answers and `events:reset` its resets,
those whose detail is as in `where`: a reason by its code, or by {code = ..., <value> = ...};
`pumped_s:<output>` is the total time on, from pin edges. Both are one number for the whole span,
or with `per` the highest in any span of that length. `longest_s:<output>` is the longest single
run, `apart_s:<output>,<output>` the time between a run of one and the next of the other (negative
if they overlap).

`flash:<quantity>` is a count of flash activity: "writes", "bytes", "erases", in total or of one
file ("erases.ledger.a", "erases.outbox"). `records:<quantity>` is one number at the end: "holes"
in the sequence numbers of received records, "repeats" of received records, and "conflicts",
repeats with other content. `messages:<leaf>` counts messages on up/<leaf>, repeats included.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from idrosim.scenarios.reasons import is_wanted

KINDS = (
    "true", "measured", "error", "fault", "events", "pumped_s", "longest_s", "apart_s", "flash",
    "records", "messages",
)
FORMS = ("always", "never", "eventually", "within")
FOREVER_MS = 1 << 62


@dataclass(frozen=True)
class Expectation:
    """One [[promise]]. `low`..`high` is the range; times count from the start of the scenario."""

    text: str
    signal: str
    form: str
    low: float
    high: float
    fraction: float = 1.0
    after_ms: int = 0
    before_ms: int = FOREVER_MS
    per_ms: int | None = None
    where: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Verdict:
    """Whether an expectation is met, and the observed values."""

    expectation: Expectation
    is_kept: bool
    why: str


@dataclass
class Evidence:
    """The data that expectations are evaluated on, collected while a scenario runs.

    `wanted` are the signals whose samples are stored; None stores all.
    """

    wanted: frozenset[str] | None = None
    series: dict[str, list[tuple[int, float]]] = field(default_factory=dict)
    events: list[tuple[int, str, dict[str, Any]]] = field(default_factory=list)
    runs: dict[str, list[tuple[int, int]]] = field(default_factory=dict)  # spans on, in us

    def add(self, signal: str, at_ms: int, value: float) -> None:
        """Store one sample of a wanted signal."""
        if self.wanted is not None and signal not in self.wanted:
            return
        self.series.setdefault(signal, []).append((at_ms, value))


def required_series(expectation: Expectation) -> list[str]:
    """Return the series that `expectation` is evaluated on."""
    kind, _, name = expectation.signal.partition(":")
    return [f"measured:{name}", f"true:{name}"] if kind == "error" else [expectation.signal]


def evaluate(expectation: Expectation, evidence: Evidence) -> Verdict:
    """Return the verdict. An expectation without any sample is not met."""
    samples = _samples(expectation, evidence)
    if not samples:
        return Verdict(expectation, False, f"{expectation.signal}: no data in that time")
    inside = [expectation.low <= value <= expectation.high for _, value in samples]
    share = sum(inside) / len(inside)
    is_kept = {
        "always": all(inside), "never": not any(inside), "eventually": any(inside),
        "within": share >= expectation.fraction}[expectation.form]
    values = [value for _, value in samples]
    why = f"{expectation.signal} {_shown(min(values))}..{_shown(max(values))}"
    if expectation.form == "within":
        why += f", {share:.1%} inside {_shown(expectation.low)}..{_shown(expectation.high)}"
    if not is_kept and expectation.form in ("always", "never"):
        wrong = expectation.form == "never"
        at_ms, value = next(
            sample for sample, is_in in zip(samples, inside, strict=True) if is_in == wrong)
        why += f", first {_shown(value)} at {clock_text(at_ms)}"
    return Verdict(expectation, is_kept, why)


def _samples(expectation: Expectation, evidence: Evidence) -> list[tuple[int, float]]:
    """Return the samples (at_ms, value) to evaluate."""
    kind, _, name = expectation.signal.partition(":")
    if kind == "events":
        return [(expectation.after_ms, float(_most_events(expectation, name, evidence)))]
    if kind == "messages":
        times = [at_ms for at_ms, _ in evidence.series.get(expectation.signal, [])]
        count = sum(expectation.after_ms <= at_ms <= expectation.before_ms for at_ms in times)
        return [(expectation.after_ms, float(count))]
    if kind == "pumped_s":
        return [(expectation.after_ms, _most_pumped_s(expectation, evidence.runs.get(name, [])))]
    if kind == "longest_s":
        found = [
            (on_us // 1_000, (off_us - on_us) / 1e6)
            for on_us, off_us in evidence.runs.get(name, [])]
    elif kind == "apart_s":
        found = _gaps_s(name, evidence)
    elif kind == "error":
        found = _errors(name, evidence)
    else:
        found = sorted(evidence.series.get(expectation.signal, []))
    return [
        (at_ms, value) for at_ms, value in found
        if expectation.after_ms <= at_ms <= expectation.before_ms]


def _gaps_s(names: str, evidence: Evidence) -> list[tuple[int, float]]:
    """Return the time between each run of one output and the next of the other."""
    first, _, second = names.partition(",")
    runs = sorted(
        (on_us, off_us, name) for name in (first, second)
        for on_us, off_us in evidence.runs.get(name, []))
    return [
        (later[0] // 1_000, (later[0] - sooner[1]) / 1e6)
        for sooner, later in zip(runs, runs[1:], strict=False) if sooner[2] != later[2]]


def _errors(channel: str, evidence: Evidence) -> list[tuple[int, float]]:
    """Return measured less true; true values are interpolated linearly."""
    truth = sorted(evidence.series.get(f"true:{channel}", []))
    times = [at_ms for at_ms, _ in truth]
    found = []
    for at_ms, value in sorted(evidence.series.get(f"measured:{channel}", [])):
        index = bisect_right(times, at_ms)
        if not 0 < index < len(truth):
            continue
        (from_ms, low), (to_ms, high) = truth[index - 1], truth[index]
        true = low + (high - low) * (at_ms - from_ms) / (to_ms - from_ms)
        found.append((at_ms, value - true))
    return found


def clock_text(at_ms: int) -> str:
    """Return a scenario time as text: 2d 03:15:00."""
    minutes, seconds = divmod(at_ms // 1_000, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    return (f"{days}d " if days else "") + f"{hours:02}:{minutes:02}:{seconds:02}"


def _most_events(expectation: Expectation, kind: str, evidence: Evidence) -> int:
    times = sorted(
        at_ms for at_ms, found, detail in evidence.events
        if found == kind and expectation.after_ms <= at_ms <= expectation.before_ms
        and all(is_wanted(detail.get(key), value) for key, value in expectation.where.items())
    )
    if expectation.per_ms is None:
        return len(times)
    per_ms = expectation.per_ms
    return max(
        (index + 1 - bisect_left(times, at_ms - per_ms + 1) for index, at_ms in enumerate(times)),
        default=0)


def _most_pumped_s(expectation: Expectation, runs: Iterable[tuple[int, int]]) -> float:
    after_us, before_us = expectation.after_ms * 1_000, expectation.before_ms * 1_000
    clipped = [
        (max(on_us, after_us), min(off_us, before_us)) for on_us, off_us in runs
        if off_us > after_us and on_us < before_us]
    if expectation.per_ms is None:
        return sum(off_us - on_us for on_us, off_us in clipped) / 1e6
    per_us = expectation.per_ms * 1_000
    most_us = 0
    for index, (_, end_us) in enumerate(clipped):
        # The worst span ends with a run; only its first run can be partial.
        total_us = 0
        for on_us, off_us in reversed(clipped[: index + 1]):
            if off_us <= end_us - per_us:
                break
            total_us += off_us - max(on_us, end_us - per_us)
        most_us = max(most_us, total_us)
    return most_us / 1e6


def _shown(value: float) -> str:
    return f"{value:.4g}" if abs(value) < 1e6 else f"{value:.3e}"
