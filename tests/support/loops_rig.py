"""The control loops of a node on the rig of the safety gate, with fake parts, pins and memories.
"""

import asyncio
from pathlib import Path

from idro.app.control_cycle import ControlContext, ControlCycle
from idro.app.correction_task import CorrectionTask
from idro.app.dose_task import DoseTask
from idro.app.dosing_cycle import DosingCycle
from idro.app.event_log import EventLog
from idro.app.overrides import Overrides
from idro.app.persistent_state import PersistentState
from idro.app.sampling import Sampler
from idro.drivers.button import Button
from idro.errors import SensorError
from idro.protocol import settings
from idro.protocol.reason import Reason
from idroserra.core.reasons import reason_from_json
from support.event_detail import as_sent
from support.safety_rig import GOOD, Clock, Nvs, Rig, Rtc

EVERY_MS = 10_000
NOON_S = 43_200


class Part:
    """A part that reads `value`: a number, or a fault code."""

    def __init__(self, channel: str, value: float | int | str):
        self.source, self.key = channel.split(".")
        self.value = value
        self.spread_uv = 1_000

    async def read(self, context):
        if isinstance(self.value, str):
            raise SensorError(self.key, self.value)
        return {self.key: self.value}


class DayClock(Clock):
    """The rig's clock with the time of day fixed at noon."""

    def second_of_day(self, utc_offset_min: int) -> int:
        return NOON_S

    def unix_ms(self) -> None:
        return None

    def restore(self, unix_ms: int) -> None:
        raise AssertionError("no wall time was ever known")

    def start_day_at(self, second_of_day: int) -> None:
        assert second_of_day == NOON_S


class Turn:
    """Awaited, lets every other task run once."""

    def __await__(self):
        yield


def beat(name: str, within_ms: int | None = None) -> None:
    """Stand in for the supervisor's beat()."""
    assert name in ("dosing", "correction", "irrigation")


class EventList:
    """An outbox that holds events only, as (kind, detail)."""

    def __init__(self):
        self.events: list[tuple[str, dict]] = []

    def append_event(self, at_ms: int, kind: str, detail: dict) -> None:
        self.events.append((kind, as_sent(detail)))


class Contact:
    """The pin of the button: 0 while it is pressed."""

    def __init__(self):
        self.level = 1

    def value(self) -> int:
        return self.level


class Values:
    """Active settings of the node."""

    def __init__(self, values: dict):
        self.values = values


class LoopsRig:
    """The control loops and what they use. `cycles()` runs the control and dosing tasks."""

    def __init__(self, folder: Path, *, has_irrigation: bool = False, **values):
        self.has_irrigation = has_irrigation
        self.rig = Rig(folder, clock_class=DayClock, **values)
        self.rtc, self.nvs = Rtc(), Nvs()
        self.settings = Values(settings.check(values))
        meter = {"irrigation.flow_ml_per_min": 0} if has_irrigation else {}
        self.parts = {channel: Part(channel, value) for channel, value in (GOOD | meter).items()}
        self.outbox = EventList()
        self.events = self.outbox.events
        self._event_loop = asyncio.new_event_loop()
        self.build()

    def close(self) -> None:
        self._event_loop.close()

    def build(self) -> None:
        self.clock = self.rig.clock
        self.gate = self.rig.gate
        self.outputs = dict(self.rig.outputs)
        if not self.has_irrigation:
            self.outputs.pop("irrigation", None)
        self.kept = PersistentState(self.rtc, self.nvs, self.clock)
        sensors = [
            ({"source": part.source, "measures": [part.key]}, part)
            for part in self.parts.values()
        ]
        log = EventLog(self.clock)
        log.open(self.outbox)
        self.sampler = Sampler(sensors, self.clock, log.record)
        readings = self.sampler.readings
        self.overrides = Overrides(self.clock, self.gate, readings)
        self.doses = DoseTask(self.gate, readings, beat)
        self.contact = Contact()
        context = ControlContext(
            self.clock, self.settings.values, self.sampler, self.gate, self.outputs, log)
        self.dosing = DosingCycle(
            context, doses=self.doses, persistent=self.kept, granted_pct=100)
        self.correction = CorrectionTask(
            context, button=Button(self.contact, self.clock), doses=self.doses, beat=beat,
            dosing_cycle=self.dosing)
        self.loops = ControlCycle(
            context, overrides=self.overrides, dosing_cycle=self.dosing,
            correction=self.correction, beat=beat)

    def reset(self, *, power_cut: bool) -> None:
        """Start over, with RTC memory lost in a power cut."""
        if power_cut:
            self.rtc = Rtc()
        self.rig.reboot()
        self.build()

    def read(self, **values) -> None:
        """Let a part read a number, or fail with a fault code, by quantity."""
        for part in self.parts.values():
            part.value = values.get(part.key, part.value)

    def cycles(self, count: int, held_ms: int = 0) -> None:
        """Run control cycles; in each the button is polled and held for `held_ms`."""
        self._event_loop.run_until_complete(self._cycles(count, held_ms))

    def run_for(self, duration_ms: int) -> None:
        self.cycles(-(-duration_ms // EVERY_MS))

    def give_submitted(self) -> None:
        """Give the dose that was submitted, as the running task does."""
        self._event_loop.run_until_complete(self.doses._give(self.doses._job))

    def _hold_button(self, held_ms: int) -> None:
        if held_ms:
            self.contact.level = 0
            self.correction.poll()
            self.clock.advance(held_ms)
            self.contact.level = 1
        for _ in range(10):
            self.correction.poll()

    async def _cycles(self, count: int, held_ms: int) -> None:
        doser = asyncio.create_task(self.doses.run())
        await Turn()
        for _ in range(count):
            await self.sampler.cycle(self.loops.moved_by)
            self.gate.observe(self.sampler.readings)
            self.loops.cycle()
            if self.correction.is_open:
                self._hold_button(held_ms)
            while self.doses.is_busy:
                if doser.done():
                    doser.result()  # raises what ended it
                await Turn()
            self.kept.save(NOON_S)
            self.clock.advance(EVERY_MS - self.clock.now_ms() % EVERY_MS)
        doser.cancel()
        await asyncio.gather(doser, return_exceptions=True)

    def reasons(self, loop: str) -> list[Reason]:
        """Return the Reasons of the recorded decisions of a loop."""
        return [
            reason_from_json(detail["reason"]) for detail in self.events_of("decided", loop=loop)]

    def events_of(self, kind: str, **wanted) -> list[dict]:
        """Return the details of the events of a kind, of the loops and of the gate."""
        events = self.events + self.rig.events
        return [
            detail for name, detail in events
            if name == kind and all(detail.get(key) == wanted[key] for key in wanted)
        ]
