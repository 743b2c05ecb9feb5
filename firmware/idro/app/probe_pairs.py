"""The sampler of a board with a pair of pH probes; no other board loads it.

Control and the safety gate read the first probe only: with a mean, every drift would act by half,
and the value would jump where one of them fails. While the two differ, the first has the fault
`pair_differs` or `pair_suspect`, and the second `pair_suspect` if it is likelier wrong: the gate
gives no acid or base. Where they differ or one has no value, all doses have the reduced share of
their budgets. The name may change: then the fault of the first ends, and another begins.
"""

from idro.app.sampling import Sampler
from idro.control.probe_pair import ProbePair
from idro.protocol.reason import Reason
from idro.protocol.types import Sample
from idro.safety.limits import REDUCED_PCT

_FAULTS = _DIFFERS, _SUSPECT = "pair_differs", "pair_suspect"
_TITRATIONS = (("ph_down", "ph.down_ul_per_ph", -1), ("ph_up", "ph.up_ul_per_ph", 1))


class PairedSampler(Sampler):
    """A Sampler that compares the probes of a pair at the end of each cycle."""

    def __init__(self, sensors, clock, record_event, outputs, values):
        super().__init__(sensors, clock, self._record)
        self._record_to = record_event
        self._values = values
        self.pair = ProbePair()
        self._suspect: int | None = None  # in the last cycle
        spec = [spec for spec, _ in sensors if "pair" in spec][0]
        self._paired = (spec["pair"] + ".ph", spec["source"] + ".ph")
        # [driver, titration, sign, on_ms counted so far] of acid and base
        self._dosers = [
            [outputs[name].driver, key, sign, outputs[name].driver.on_ms_total]
            for name, key, sign in _TITRATIONS if name in outputs]

    async def cycle(self, moved_by, beat=None, within_ms=0):
        """Read all sensors once and compare the pair, unless a person calibrates a probe."""
        await super().cycle(moved_by, beat, within_ms)
        pair = self.pair
        first, second = [self.readings[channel] for channel in self._paired]
        pair.update(first, second, moved_by, self._predicted(), self._clock.now_ms())
        self.authority_pct, self.doubt = 100, None
        if pair.suspect is not None or pair.is_alone:
            self.authority_pct, self.doubt = REDUCED_PCT, Reason("authority_pair")
        if None not in (pair.suspect, self._suspect) and pair.suspect != self._suspect:
            self._renamed()
        self._suspect = pair.suspect
        if pair.suspect is not None and not pair.is_paused:
            self._doubt(first, 0, _DIFFERS)
            self._doubt(second, 1, None)

    def _doubt(self, sample, index, fault):
        """Replace the value of a probe by the fault: `pair_suspect` if it is likelier wrong."""
        if self.pair.suspect == index:
            fault = _SUSPECT
        if fault is not None and sample.value is not None:
            channel = sample.channel
            self._windows[channel].clear()
            self.readings[channel] = Sample(channel, None, fault, sample.at_ms)
            self._bad(channel, fault, sample.at_ms)

    def _renamed(self):
        """End the fault of the first: its next one has the other name. Recorded as such."""
        channel = self._paired[0]
        outage = self._outages.get(channel)
        if outage is not None and outage.fault in _FAULTS:
            del self._outages[channel]
            lasted_ms = self._clock.now_ms() - outage.since_ms
            self._record(
                "fault_ended", {"channel": channel, "fault": outage.fault, "lasted_ms": lasted_ms})

    def _record(self, kind, detail):
        if kind == "fault_began" and detail["fault"] in _FAULTS:
            detail["reason"] = self.pair.reason(self._paired)
        self._record_to(kind, detail)

    def _predicted(self):
        """Return by how much doses since the last cycle move pH, by the titration."""
        moved = 0.0
        for doser in self._dosers:
            driver, key, sign, counted_ms = doser
            doser[3] = driver.on_ms_total
            volume_ul = (doser[3] - counted_ms) * self._values["doser.ul_per_s"] / 1_000
            moved += sign * volume_ul / self._values[key]
        return moved
