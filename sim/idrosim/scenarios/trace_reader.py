"""Reads the harness lines of a run: collects evidence and writes the trace file.

Records of the node are dated in scenario time, and repeats are dropped. The trace is JSON lines in
the order of arrival. It contains nothing that depends on the machine, so the same scenario and
seed give the same file.
"""

import json
from collections.abc import Mapping
from typing import Any, TextIO

import msgspec

from idrosim.scenarios.expectations import Evidence
from idrosim.scenarios.reasons import words_of

Line = dict[str, Any]


class TraceReader:
    """Collects the lines of one lockstep run."""

    def __init__(self, wanted: frozenset[str] | None = None, trace: TextIO | None = None) -> None:
        self.evidence = Evidence(wanted)
        self.truth: Mapping[str, float] = {}  # the last
        self.measured: dict[str, float] = {}  # the last of each channel
        self.config_error: str | None = None
        self.config_rev = 0  # highest reported by the node
        self._trace = trace
        self._is_comparing = wanted is not None and "records:conflicts" in wanted
        self._boots_ms: list[int] = []  # scenario time of every boot
        self._boot_ids: dict[str, int] = {}  # boot_id: its at_ms 0 in scenario time
        self._hashes: dict[tuple[str, int], int] = {}  # (boot_id, seq): hash of the content
        self._repeats = self._conflicts = 0
        self._on_us: dict[str, int] = {}
        self._at_ms = 0

    def take(self, line: Line) -> None:
        """Process one line."""
        kind = line["t"]
        self._at_ms = line.get("at_ms", self._at_ms)
        if kind == "truth":
            self._truth(line)
        elif kind == "pin":
            self._pin(line)
        elif kind == "up":
            self._up(line)
        elif kind == "flash":
            for key, value in line["values"].items():
                self.evidence.add(f"flash:{key}", line["at_ms"], value)
        elif kind == "boot":
            self._boots_ms.append(line["at_ms"])
            self._write({"at_ms": line["at_ms"], "boot": line["cause"]})
        elif kind in ("reset", "broker"):
            if kind == "reset":
                self.evidence.events.append((line["at_ms"], "reset", {"cause": line["cause"]}))
            self._write({key: value for key, value in line.items() if key != "t"})

    def finish(self) -> None:
        """End the run: outputs still on were on until now."""
        for name, on_us in self._on_us.items():
            self.evidence.runs.setdefault(name, []).append((on_us, self._at_ms * 1_000))
        self._on_us.clear()
        highest: dict[str, int] = {}
        for boot_id, seq in self._hashes:
            highest[boot_id] = max(seq, highest.get(boot_id, 0))
        counted = {
            "holes": sum(highest.values()) - len(self._hashes), "repeats": self._repeats,
            "conflicts": self._conflicts}
        for key, value in counted.items():
            self.evidence.add(f"records:{key}", self._at_ms, value)

    def _truth(self, line: Line) -> None:
        self.truth = line["values"]
        for key, value in line["values"].items():
            self.evidence.add(f"true:{key}", line["at_ms"], value)
        self._write({"at_ms": line["at_ms"], "true": line["values"]})

    def _pin(self, line: Line) -> None:
        name, at_us = line["name"], line["at_us"]
        if line["level"] and name not in self._on_us:
            self._on_us[name] = at_us
        elif not line["level"] and name in self._on_us:
            self.evidence.runs.setdefault(name, []).append((self._on_us.pop(name), at_us))
        self._write({"at_us": at_us, "pin": name, "level": line["level"]})

    def _up(self, line: Line) -> None:
        leaf = line["topic"].rpartition("/")[2]
        self.evidence.add(f"messages:{leaf}", line["at_ms"], 1.0)
        if leaf == "status":
            self._write({"at_ms": line["at_ms"], "status": line["payload"]})
            return
        message = msgspec.json.decode(line["payload"])
        if leaf == "info":
            self._boot_ids[message["boot_id"]] = line["at_ms"] - message["at_ms"]
        elif leaf == "config":
            if message["error"]:
                self.config_error = words_of(message["error"])
            self.config_rev = max(self.config_rev, message["rev"])
        elif leaf == "ack":
            detail = {"outcome": message["outcome"], "reason": message["reason"]}
            self.evidence.events.append((line["at_ms"], "ack", detail))
            self._write({"at_ms": line["at_ms"], "ack": message["outcome"],
                         "id": message["id"], "reason": message["reason"]})
        elif leaf in ("telemetry", "event"):
            self._batch(leaf, message)

    def _batch(self, leaf: str, batch: Line) -> None:
        boot_ms = self._boot_ms(batch["boot_id"])
        for record in batch["records"]:
            identity = (batch["boot_id"], record["seq"])
            content = hash(json.dumps(record)) if self._is_comparing else 0
            if identity in self._hashes:
                self._repeats += 1
                self._conflicts += content != self._hashes[identity]
                continue
            self._hashes[identity] = content
            at_ms = boot_ms + record["at_ms"]
            if leaf == "event":
                self.evidence.events.append((at_ms, record["kind"], record["detail"]))
                self._write({"at_ms": at_ms, "event": record["kind"], "detail": record["detail"]})
                continue
            for channel, value in record["values"].items():
                self.measured[channel] = value
                self.evidence.add(f"measured:{channel}", at_ms, value)
                self.evidence.add(f"fault:{channel}", at_ms, 0.0)
            for channel in record["faults"]:
                self.evidence.add(f"fault:{channel}", at_ms, 1.0)
            self._write({"at_ms": at_ms, "measured": record["values"], "faults": record["faults"]})

    def _boot_ms(self, boot_id: str) -> int:
        """Return the start of a boot; one without a message started before the present one."""
        if boot_id not in self._boot_ids:
            known = set(self._boot_ids.values())
            earlier = [at_ms for at_ms in self._boots_ms[:-1] if at_ms not in known]
            self._boot_ids[boot_id] = earlier[0] if earlier else self._boots_ms[-1]
        return self._boot_ids[boot_id]

    def _write(self, line: Line) -> None:
        if self._trace is not None:
            self._trace.write(json.dumps(line, sort_keys=True) + "\n")
