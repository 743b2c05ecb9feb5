"""A hand-made run of a node, line by line as the harness prints it, for the judge of campaigns."""

import json

from idrosim.campaign.invariants import CaseTerms, RunTrace, check_invariants

HOUR_MS = 3_600_000
GOOD = {"reservoir.ph": 6.5, "reservoir.ec_us_cm": 1_500, "reservoir.level_mm": 200}


class Run:
    """Writes the lines of a run: boot at 0.4 s, circulation on, a sample every 10 s."""

    def __init__(self, hours=2.0):
        self.trace = RunTrace()
        self._end_ms = int(hours * HOUR_MS)
        self._items = []
        self._lost = set()  # seq of records that never arrived
        self.line(t="boot", at_ms=400, cause="power")
        self.pin("circulation", 5_000, 1)

    def line(self, **line):
        self.trace.take(line)

    def pin(self, name, at_ms, level):
        self.line(t="pin", at_us=at_ms * 1_000, name=name, level=level)

    def dose(self, pump, at_ms, seconds=3.0, by="control"):
        while seconds > 0:
            quantum_ms = int(min(1.0, seconds) * 1_000)
            self.pin(pump, at_ms, 1)
            at_ms += quantum_ms
            self.pin(pump, at_ms, 0)
            seconds -= 1.0
        self.event(at_ms, "dosed", actuator=pump, by=by)

    def event(self, at_ms, kind, **detail):
        self._items.append(("event", at_ms, {"kind": kind, "detail": detail}))

    def samples(self, faults=None, from_ms=4_000, until_ms=None):
        for at_ms in range(from_ms, until_ms or self._end_ms, 10_000):
            broken = {key: code for key, (since, to, code) in (faults or {}).items()
                      if since <= at_ms < to}
            values = {key: value for key, value in GOOD.items() if key not in broken}
            self._items.append(("telemetry", at_ms, {"values": values, "faults": broken}))

    def lose(self, from_ms, until_ms, has_gap=False):
        """The records of these times never arrive. With `has_gap` an event tells of them, under
        the number of the last one, as decimation writes it."""
        lost = [seq for seq, (_, at_ms, _) in enumerate(self._items, 1)
                if from_ms <= at_ms < until_ms]
        if has_gap:
            seq = lost.pop()
            at_ms = self._items[seq - 1][1]
            self._items[seq - 1] = ("event", at_ms, {"kind": "gap", "detail": {}})
        self._lost.update(lost)

    def truth(self, **values):
        for at_ms in range(0, self._end_ms, 60_000):
            truth = {"reservoir.ph": 6.5, "reservoir.level_mm": 200.0} | values
            self.line(t="truth", at_ms=at_ms, values=truth)

    def violated(self, flash=None, **terms):
        """Return the violated invariants."""
        for seq, (leaf, at_ms, item) in enumerate(self._items, 1):
            if seq in self._lost:
                continue
            batch = {"boot_id": "b1", "sent_at_ms": self._end_ms,
                     "records": [{"seq": seq, "at_ms": at_ms, **item}]}
            self.line(t="up", at_ms=self._end_ms, topic=f"x/up/{leaf}", payload=json.dumps(batch))
        self.line(t="end", at_ms=self._end_ms)
        self.trace.finish()
        found = check_invariants(self.trace, CaseTerms(**terms), flash)
        assert all(violation.text for violation in found)
        return {violation.invariant for violation in found}
