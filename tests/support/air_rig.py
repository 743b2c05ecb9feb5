"""The safety gate of a board with air outputs only, for tests."""

from idro.drivers import switch
from idro.protocol.types import Sample
from idro.safety import limits
from idro.safety.gate import Gate
from idro.safety.outputs import Output, Refused
from support.safety_rig import BY_HAND, Pin, Rig

CYCLE_MS = 10_000


class AirRig(Rig):
    """A board with air outputs only; `Rig` records the edges of its pins."""

    def __init__(self, folder, names=("fan", "heater", "humidifier"), **values):
        self.names = names
        super().__init__(folder, **values)
        self.air = {"air.temp_c": 20.0, "air.rh_pct": 60.0}

    def boot(self):
        super().boot()
        self.outputs = {}
        for name in self.names:
            spec = {"name": name, "max_on_ms": 900_000, "safe_level": 0}
            driver = switch.build(spec, Pin(name, self.edge), self.timer, self.clock)
            self.outputs[name] = Output(name, "switch", driver, 900_000)
        self.gate = Gate(
            self.outputs, self.ledger, limits.derive(self.values), self.clock, self._event
        )

    def cycles(self, count=1, wanted=(), **changed):
        """Run control cycles in which control requests the `wanted` outputs.

        `changed` values are by quantity; a string is a fault code."""
        for _ in range(count):
            self.clock.advance(CYCLE_MS)
            now_ms = self.clock.now_ms()
            for channel in self.air:
                value = self.air[channel] = changed.get(channel.split(".")[1], self.air[channel])
                is_fault = isinstance(value, str)
                self.readings[channel] = Sample(
                    channel, None if is_fault else value, value if is_fault else None, now_ms
                )
            self.gate.observe(self.readings)
            for name in wanted:
                self.refusal(name, "control")

    def refusal(self, name, by="ann", for_ms=600_000):
        """Request a run; return the Reason of the refusal, or None."""
        try:
            self.gate.run(name, for_ms, BY_HAND, by, self.readings)
        except Refused as refused:
            return refused.reason
        return None

    def states(self):
        return [detail["state"] for detail in self.events_of("air_too_hot")]
