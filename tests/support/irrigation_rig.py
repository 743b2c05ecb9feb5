"""A simulated irrigation pump on virtual time."""

from idro.control import irrigation
from idro.control.filters import Reading
from idro.protocol import settings
from idro.protocol.reason import Reason
from idro.protocol.types import Sample

FULL = Reading(200, None)
LOST = Reading(None, "no_ack")
NOON_S, MIDNIGHT_S = 43_200, 0
NFT = {"irrigation.on_s": 900, "irrigation.off_s": 900, "irrigation.drain_s": 300}
MIST = {"irrigation.on_s": 5, "irrigation.off_s": 300, "irrigation.drain_s": 0}


class Pump:
    """A pump that follows the decisions of irrigation, evaluated every `step_ms`."""

    def __init__(self, level=FULL, **values):
        self.values = settings.check({key.replace("__", "."): v for key, v in values.items()})
        self.timer, self.meter = irrigation.CycleTimer(), irrigation.FlowCheck()
        self.level = level
        self.second_of_day = NOON_S
        self.now_ms = 5_000
        self.until_ms = 0
        self.on_ms_total = 0
        self.refusal: Reason | None = None
        self.reasons: list[Reason] = []
        self.runs: list[list[int]] = []
        self.events: list[tuple[str, dict]] = []

    @property
    def is_on(self) -> bool:
        return self.now_ms < self.until_ms

    def update(self) -> None:
        self.timer.update(self.is_on or self.meter.is_stuck_on, self.now_ms)
        decision = irrigation.decide(
            self.level, self.values, self.timer, self.meter, self.now_ms, self.second_of_day
        )
        self.reasons.append(decision.reason)
        if decision.actuator is not None and self.refusal is None:
            assert decision.on_ms > 0
            if not self.is_on:
                self.runs.append([self.now_ms, self.now_ms])
            self.until_ms = self.now_ms + decision.on_ms
            self.runs[-1][1] = self.until_ms
        elif self.is_on:
            self.until_ms = self.runs[-1][1] = self.now_ms
        if self.refusal is not None and decision.actuator is not None:
            self.timer.refused(self.refusal)
        self.timer.update(self.is_on or self.meter.is_stuck_on, self.now_ms)

    def run_for(self, duration_s: int, step_ms: int = 10_000) -> None:
        end_ms = self.now_ms + duration_s * 1_000
        while self.now_ms < end_ms:
            self.update()
            due_ms = self.timer.due_ms or end_ms
            step = min(step_ms, max(100, due_ms - self.now_ms), end_ms - self.now_ms)
            self.on_ms_total += max(0, min(step, self.until_ms - self.now_ms))
            self.now_ms += step

    def sample(self, flow_ml_per_min: int, fault: str | None = None) -> None:
        """Process one sample of the flow meter, ten seconds after the last one."""
        sample = Sample(
            irrigation.FLOW, None if fault else flow_ml_per_min, fault, self.now_ms
        )
        is_water_out = self.timer.is_water_out(self.values, self.now_ms)
        event = self.meter.update(sample, self.on_ms_total, self.values, is_water_out)
        if event is not None:
            self.events.append(event)

    def measured(self, count: int, flow_ml_per_min: int, *, is_on: bool = True) -> None:
        """Process `count` samples with the pump continuously on, or off."""
        for _ in range(count):
            self.now_ms += 10_000
            self.on_ms_total += 10_000 if is_on else 0
            self.sample(flow_ml_per_min)

    @property
    def is_water_out(self) -> bool:
        return self.timer.is_water_out(self.values, self.now_ms)
