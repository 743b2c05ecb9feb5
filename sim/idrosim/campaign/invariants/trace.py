"""Trace of a lockstep run for the invariants: pin edges, resets, true values and node messages.

Collected from the harness lines, in scenario time. Pump volumes are integrated from pin edges,
never from messages of the node. Times are ms, edges us.
"""

import json
from bisect import bisect_right
from dataclasses import dataclass, field
from typing import Any

Line = dict[str, Any]

DOSERS = ("ph_down", "ph_up", "nutrient_a", "nutrient_b")
# Maximum gap between the quanta of one dose.
_SAME_DOSE_US = 500_000
# Time from boot to the start of the clock, assumed for a boot without a message.
_CLOCK_STARTS_MS = 3_000
_TRUTHS = (
    "reservoir.ph", "reservoir.level_mm", "reservoir.temp_c", "air.temp_c", "dosed.ph_down_ml",
    "dosed.ph_up_ml", "dosed.nutrient_a_ml", "dosed.nutrient_b_ml", "topoff_ml", "spilled_ml",
)


@dataclass(frozen=True)
class Dose:
    """One dose by the pins: consecutive quanta of one pump."""

    pump: str
    start_us: int
    end_us: int
    on_us: int
    by: str  # requester reported by the node, "" without a report


@dataclass(frozen=True)
class Cycle:
    """One telemetry record."""

    at_ms: int
    boot_id: str
    seq: int
    values: dict[str, float]
    faults: dict[str, str]


@dataclass
class RunTrace:
    """Collects every line of one run: call `take` for each, then `finish`."""

    spans: dict[str, list[tuple[int, int]]] = field(default_factory=dict)  # on, off in us
    boots: list[tuple[int, str]] = field(default_factory=list)  # at_ms, cause of the last reset
    resets: list[tuple[int, str]] = field(default_factory=list)
    truth: list[tuple[int, dict[str, float]]] = field(default_factory=list)
    events: list[tuple[int, str, dict[str, Any]]] = field(default_factory=list)
    cycles: list[Cycle] = field(default_factory=list)
    config_error: str | None = None
    end_ms: int = 0
    _on_us: dict[str, int] = field(default_factory=dict)
    _batches: list[tuple[int, str, Line]] = field(default_factory=list)
    _zeros_ms: dict[str, int] = field(default_factory=dict)  # boot_id: its at_ms 0
    _seen: set[tuple[str, int]] = field(default_factory=set)
    _gaps: set[tuple[str, int]] = field(default_factory=set)  # gap events among them
    _doses: list[Dose] | None = None

    def take(self, line: Line) -> None:
        """Process one harness line."""
        kind = line["t"]
        at_ms = line.get("at_ms", line.get("at_us", 0) // 1_000)
        self.end_ms = max(self.end_ms, at_ms)
        if kind == "pin":
            self._pin(line["name"], line["at_us"], line["level"])
        elif kind == "truth":
            values = line["values"]
            self.truth.append((at_ms, {key: values[key] for key in _TRUTHS if key in values}))
        elif kind == "boot":
            self.boots.append((at_ms, line["cause"]))
        elif kind == "reset":
            self.resets.append((at_ms, line["cause"]))
        elif kind == "up":
            self._up(at_ms, line["topic"].rpartition("/")[2], line["payload"])

    def finish(self) -> None:
        """End the run: outputs still on were on until now, and every record gets its time."""
        for name, on_us in self._on_us.items():
            self.spans.setdefault(name, []).append((on_us, self.end_ms * 1_000))
        self._on_us.clear()
        for _, leaf, batch in self._batches:
            zero_ms = self._zero_ms(batch["boot_id"])
            for item in batch["records"]:
                identity = (batch["boot_id"], item["seq"])
                if identity not in self._seen:
                    self._seen.add(identity)
                    if item.get("kind") == "gap":
                        self._gaps.add(identity)
                    self._store(leaf, zero_ms + item["at_ms"], batch["boot_id"], item)
        self._batches.clear()
        self.events.sort(key=lambda event: event[0])
        self.cycles.sort(key=lambda cycle: cycle.at_ms)

    def doses(self) -> list[Dose]:
        """Return all doses of all pumps, sorted by start."""
        if self._doses is None:
            self._doses = sorted(
                (dose for pump in DOSERS for dose in self._doses_of(pump)),
                key=lambda dose: dose.start_us)
        return self._doses

    def true_at(self, key: str, at_ms: int) -> float | None:
        """Return the last true value of `key` before `at_ms`, None before the first."""
        index = bisect_right(self.truth, at_ms, key=lambda item: item[0])
        return self.truth[index - 1][1].get(key) if index else None

    def true_max(self, key: str, from_ms: int, until_ms: int) -> float | None:
        """Return the highest true value of `key` between these times, and just before, None
        without one."""
        first = max(0, bisect_right(self.truth, from_ms, key=lambda item: item[0]) - 1)
        last = bisect_right(self.truth, until_ms, key=lambda item: item[0])
        found = [values[key] for _, values in self.truth[first:last] if key in values]
        return max(found, default=None)

    def lost_between(self, one: Cycle, other: Cycle) -> int:
        """Return the number of records between two cycles of a boot that never arrived.

        A gap event has arrived, but under the number of the last record that was dropped, see
        idro.outbox.decimation: that one counts too.
        """
        return sum((one.boot_id, seq) not in self._seen or (one.boot_id, seq) in self._gaps
                   for seq in range(one.seq + 1, other.seq))

    def boot_before_ms(self, at_ms: int) -> int | None:
        """Return the start of the boot that runs at `at_ms`, None before the first."""
        index = bisect_right(self.boots, at_ms, key=lambda item: item[0])
        return self.boots[index - 1][0] if index else None

    def _pin(self, name: str, at_us: int, level: float) -> None:
        if level and name not in self._on_us:
            self._on_us[name] = at_us
        elif not level and name in self._on_us:
            self.spans.setdefault(name, []).append((self._on_us.pop(name), at_us))

    def _up(self, at_ms: int, leaf: str, payload: str) -> None:
        if leaf not in ("info", "config", "telemetry", "event"):
            return
        message = json.loads(payload)
        if leaf == "config":
            if message["error"]:
                self.config_error = json.dumps(message["error"])
            return
        sent_ms = message["at_ms"] if leaf == "info" else message["sent_at_ms"]
        if sent_ms is not None:
            # The message with the shortest delay gives the best estimate.
            zero_ms = at_ms - sent_ms
            boot_id = message["boot_id"]
            self._zeros_ms[boot_id] = min(zero_ms, self._zeros_ms.get(boot_id, zero_ms))
        if leaf != "info":
            self._batches.append((at_ms, leaf, message))

    def _zero_ms(self, boot_id: str) -> int:
        """Return the start of the clock of a boot; one without info is the oldest unassigned."""
        if boot_id not in self._zeros_ms:
            known = sorted(self._zeros_ms.values())
            unassigned = [
                at_ms for at_ms, _ in self.boots
                if not any(at_ms <= zero_ms < at_ms + 30_000 for zero_ms in known)]
            start_ms = unassigned[0] if unassigned else self.boots[-1][0]
            self._zeros_ms[boot_id] = start_ms + _CLOCK_STARTS_MS
        return self._zeros_ms[boot_id]

    def _store(self, leaf: str, at_ms: int, boot_id: str, item: Line) -> None:
        if leaf == "event":
            self.events.append((at_ms, item["kind"], item["detail"]))
        else:
            self.cycles.append(Cycle(at_ms, boot_id, item["seq"], item["values"], item["faults"]))

    def _doses_of(self, pump: str) -> list[Dose]:
        reported = [
            (at_ms, detail.get("by", "")) for at_ms, kind, detail in self.events
            if kind == "dosed" and detail.get("actuator") == pump]
        doses: list[Dose] = []
        for on_us, off_us in self.spans.get(pump, []):
            last = doses[-1] if doses else None
            if last is not None and on_us - last.end_us <= _SAME_DOSE_US:
                on_total_us = last.on_us + off_us - on_us
                doses[-1] = Dose(pump, last.start_us, off_us, on_total_us, "")
            else:
                doses.append(Dose(pump, on_us, off_us, off_us - on_us, ""))
        return [
            Dose(d.pump, d.start_us, d.end_us, d.on_us, _requester(reported, d.end_us // 1_000))
            for d in doses]


def _requester(reported: list[tuple[int, str]], end_ms: int) -> str:
    near = [(abs(at_ms - end_ms), by) for at_ms, by in reported if abs(at_ms - end_ms) <= 5_000]
    return min(near)[1] if near else ""
