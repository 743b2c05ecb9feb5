"""The firmware as a policy of the scoreboard: its control cycle and its safety gate.

The code is the firmware's own: idro.app.control_cycle decides, idro.control checks the readings
and chooses the dose, idro.safety checks, charges and gives it. Only parts, pins, flash and clock
are simulated. This is the only file of the simulator that imports the firmware. CPython only.
"""

from __future__ import annotations

import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from idro.app.control_cycle import ControlContext, ControlCycle
from idro.app.correction_task import CorrectionTask
from idro.app.dosing_cycle import DosingCycle
from idro.app.event_log import EventLog
from idro.app.overrides import Overrides
from idro.app.persistent_state import PersistentState
from idro.app.sampling import Sampler
from idro.protocol import settings
from idro.protocol.reason import Reason
from idro.protocol.settings_table import SETTINGS
from idro.safety import limits
from idro.safety.gate import Gate
from idro.safety.ledger import Ledger
from idro.safety.outputs import Output, Refused
from idrosim.benchmark.cases import DEPTH_MM, HARD_FROM_MEQ_L, Cell, alkalinity_meq_l
from idrosim.benchmark.peer_policies import (
    DEADBAND_PH,
    DEADBAND_US_CM,
    Doses,
    PolicySetup,
    Readings,
)

NAME = "idroserra"
_QUANTITIES = ("ph", "ec_us_cm", "level_mm")
# The grower corrects a fresh fill, in hard water acid first, which adds to EC, else nutrient,
# which lowers pH; EC once. pH that is further off than the limit is corrected, also again, until
# the grower leaves: hard water loses CO2. Once corrected, it comes before EC only if it is off by
# more than _AGAIN_FIRST_PH. A correction that ends without a step is not begun again before the
# water has mixed. The totals have the margin of `idroserra node correct`. The targets are those
# that the page offers: acid before nutrient, which lowers pH, ends short of the setpoint, and so
# does base, as pH rises while CO2 leaves.
_SOFT_CORRECTION_PH, _HARD_CORRECTION_PH, _AGAIN_FIRST_PH = 0.2, 0.15, 0.25
_GROWER_LEAVES_S = 4.0 * 3_600.0
_MARGIN, _HARD_MARGIN = 1.15, 1.6
_SHORT_PH = 0.05
# Of requests that control does not make.
_BY_HAND, _AGENT, _CIRCULATION_MS = Reason("by_hand"), "agent", 900_000
_BURST_UV = 1_000  # spread of a burst of samples of a working probe


class TooStrongError(ValueError):
    """A setting would be below its range. `key` is its name."""

    def __init__(self, key: str, why: str) -> None:
        super().__init__(why)
        self.key = key


def settings_of(cell: Cell, setup: PolicySetup, every_s: float) -> dict[str, Any]:
    """Return the settings after commissioning, checked by the firmware.

    Raises TooStrongError if a dose would be below the range of a setting.
    """
    flow = SETTINGS["doser.ul_per_s"]
    checked: dict[str, Any] = settings.check({
        "dosing.enabled": True, "ph.target": setup.target_ph, "ph.deadband": DEADBAND_PH,
        "ph.down_ul_per_ph": _setting("ph.down_ul_per_ph", 1e3 * setup.acid_ml_per_ph),
        "ph.up_ul_per_ph": _setting("ph.up_ul_per_ph", 1e3 * setup.base_ml_per_ph),
        "ec.target_us_cm": round(setup.target_us_cm), "ec.deadband_us_cm": round(DEADBAND_US_CM),
        "ec.ul_per_100_us_cm": _setting(
            "ec.ul_per_100_us_cm", 1e3 * setup.nutrient_ml_per_100_us_cm),
        "reservoir.area_cm2": _setting("reservoir.area_cm2", 1e4 * cell.volume_l / DEPTH_MM),
        "level.target_mm": round(DEPTH_MM), "sample.every_ms": round(1e3 * every_s),
        "doser.ul_per_s": min(flow.high, round(1e3 * cell.pump_ml_s)),
        "mixing.wait_ms": round(1e3 * cell.mixing_s),
    })
    return checked


def _setting(key: str, value: float) -> int:
    """Return the rounded setting, limited to its maximum, which only doses less."""
    row = SETTINGS[key]
    if value < row.low:
        raise TooStrongError(key, f"{key} would be {value:.0f} {row.unit}, the minimum is "
                                  f"{row.low}: the stock is too strong for this water")
    return int(min(round(value), row.high))


class _Clock:
    def __init__(self) -> None:
        self.at_ms = 0

    def now_ms(self) -> int:
        return self.at_ms

    async def sleep_ms(self, duration_ms: int) -> None:
        self.at_ms += duration_ms

    def unix_ms(self) -> None:
        return None

    def start_day_at(self, second_of_day: int) -> None:
        raise AssertionError("there is no saved time of day")


class _Memory:
    """RTC memory and NVS of a board that is never reset."""

    def __init__(self) -> None:
        self._values: dict[str, Any] = {}

    def memory(self, data: bytes | None = None) -> bytes:
        return data or b""

    def blob(self, key: str) -> Any:
        return self._values.get(key)

    def put(self, **values: Any) -> None:
        self._values.update(values)


class _SimulatedPart:
    """A part that returns the reading of the probe."""

    spread_uv = _BURST_UV

    def __init__(self, quantity: str) -> None:
        self.quantity, self.value = quantity, 0.0

    async def read(self, context: Any) -> dict[str, float]:
        return {self.quantity: self.value}


class _SimulatedLoad:
    """A driver of an output that records its on-time."""

    def __init__(self, clock: _Clock) -> None:
        self._clock, self._from_ms, self._until_ms = clock, 0, 0
        self.on_ms_total = 0

    @property
    def is_on(self) -> bool:
        return self._clock.at_ms < self._until_ms

    def on(self, for_ms: int) -> None:
        self.off()
        self._from_ms = self._clock.at_ms
        self._until_ms = self._from_ms + for_ms

    def off(self) -> int:
        ran_ms = max(0, min(self._clock.at_ms, self._until_ms) - self._from_ms)
        self.on_ms_total += ran_ms
        self._from_ms = self._until_ms = self._clock.at_ms
        return ran_ms


class _DoseQueue:
    """Holds the dose requested by the control cycle until the end of the cycle."""

    def __init__(self) -> None:
        self.job: tuple[Any, ...] | None = None

    @property
    def is_busy(self) -> bool:
        return self.job is not None

    def submit(self, *job: Any) -> None:
        self.job = job


class _Button:
    """A button that is pressed whenever the node is ready."""

    def was_pressed(self) -> bool:
        return True

    def forget(self) -> None:
        return


class _Outbox:
    """Holds events only."""

    def __init__(self) -> None:
        self.events: list[tuple[int, str, dict[str, Any]]] = []

    def append_event(self, at_ms: int, kind: str, detail: dict[str, Any]) -> None:
        self.events.append((at_ms, kind, detail))


class FirmwarePolicy:
    """Control cycle and gate of one node. `events` are those it recorded."""

    def __init__(self, cell: Cell, setup: PolicySetup, every_s: float) -> None:
        self._flow_ml_s = cell.pump_ml_s
        self._is_hard = alkalinity_meq_l(cell.water) > HARD_FROM_MEQ_L
        values = settings_of(cell, setup, every_s)
        self.clock = _Clock()
        log = EventLog(self.clock)
        outbox = _Outbox()
        log.open(outbox)
        self.events = outbox.events
        self._parts = [_SimulatedPart(quantity) for quantity in _QUANTITIES]
        self.outputs = {
            name: Output(name, "doser", _SimulatedLoad(self.clock), limits.DOSE_ON_MS)
            for name in limits.DOSERS}
        for name in (limits.CIRCULATION, limits.FILL):
            self.outputs[name] = Output(name, "switch", _SimulatedLoad(self.clock), 900_000)
        self.sampler = self.new_sampler(values, log.record)
        persistent = PersistentState(_Memory(), _Memory(), self.clock)
        self._folder = tempfile.TemporaryDirectory(prefix="idroserra-score-")
        paths = tuple(str(Path(self._folder.name) / name) for name in ("ledger.a", "ledger.b"))
        ledger = Ledger(paths, persistent.chain_ms, False)
        active = limits.derive(values, int(cell.volume_l))
        self.gate = Gate(self.outputs, ledger, active, self.clock, log.record)
        overrides = Overrides(self.clock, self.gate, self.sampler.readings)
        self.doses = _DoseQueue()
        context = ControlContext(self.clock, values, self.sampler, self.gate, self.outputs, log)
        dosing_cycle = DosingCycle(
            context, doses=self.doses, persistent=persistent, granted_pct=100)
        self.correction = CorrectionTask(
            context, button=_Button(), doses=self.doses, beat=_beat,
            dosing_cycle=dosing_cycle)
        self.control = ControlCycle(
            context, overrides=overrides, dosing_cycle=dosing_cycle,
            correction=self.correction, beat=_beat)
        self._setup = setup
        self._doser: str | None = None  # of the grower's corrections
        self._has_fed = False
        self._mixing_s = cell.mixing_s
        self._again_s = 0.0  # when a correction may begin

    def new_sampler(self, values: dict[str, Any], record_event: Any) -> Sampler:
        """Return the sampler of the node."""
        sensors = [
            ({"source": "reservoir", "measures": [part.quantity]}, part) for part in self._parts]
        return Sampler(sensors, self.clock, record_event)

    @property
    def valve_is_open(self) -> bool:
        """True while the node fills the tank."""
        return bool(self.outputs[limits.FILL].driver.is_on)

    def _correct(self, readings: Readings) -> None:
        """Let the grower correct the fresh fill, and then any remaining difference."""
        if not self.correction.is_open and self._again_s <= readings.at_s < _GROWER_LEAVES_S:
            with suppress(Refused):  # such as dosing that is locked
                self._begin_correction(readings)
        was_open = self.correction.is_open
        self.correction.poll()
        ended = self.events[-1] if was_open and not self.correction.is_open else None
        if ended is not None and not ended[2].get("given_ul"):
            self._again_s = readings.at_s + self._mixing_s

    def _begin_correction(self, readings: Readings) -> None:
        setup = self._setup
        off_ph = readings.ph - setup.target_ph
        lacks_us_cm = setup.target_us_cm - readings.ec_us_cm
        limit_ph = _HARD_CORRECTION_PH if self._is_hard else _SOFT_CORRECTION_PH
        doser, ml_per_ph = "ph_down", setup.acid_ml_per_ph
        if off_ph < 0.0:
            doser, ml_per_ph = "ph_up", setup.base_ml_per_ph
        is_far = abs(off_ph) > limit_ph and self._doser in (None, doser)
        first_ph = limit_ph if self._doser is None else _AGAIN_FIRST_PH
        is_acid_first = self._is_hard and is_far and off_ph > first_ph
        if lacks_us_cm > DEADBAND_US_CM and not self._has_fed and not is_acid_first:
            self._has_fed = True
            ml = 1e-2 * lacks_us_cm * setup.nutrient_ml_per_100_us_cm
            self.correction.begin(
                "nutrient_a", round(setup.target_us_cm), _total_ul(ml), "grower")
        elif is_far:
            self._doser = doser
            margin = _HARD_MARGIN if self._is_hard and doser == "ph_down" else _MARGIN
            target_ph = setup.target_ph
            if doser == "ph_up":
                target_ph -= _SHORT_PH
            elif lacks_us_cm > DEADBAND_US_CM:
                target_ph += _SHORT_PH
            self.correction.begin(
                doser, round(1e3 * target_ph), _total_ul(abs(off_ph) * ml_per_ph, margin),
                "grower")

    def observe(self, readings: Readings) -> None:
        """Sample the readings and let the gate see them."""
        self.clock.at_ms = max(self.clock.at_ms, round(1e3 * readings.at_s))
        values = readings.ph, round(readings.ec_us_cm), round(readings.level_mm)
        for part, value in zip(self._parts, values, strict=True):
            part.value = value
        self.sample()

    def sample(self) -> None:
        """Sample what the parts read and let the gate see it."""
        _finish(self.sampler.cycle(self.control.moved_by))
        self.gate.observe(self.sampler.readings)

    def act(self, readings: Readings) -> Doses:
        """Run one control cycle; return the doses given, ml."""
        self.observe(readings)
        self._correct(readings)
        self.control.cycle()
        job, self.doses.job = self.doses.job, None
        if job is None:
            return {}
        actuator, volume_ul, (reason, by), on_done, *step = job
        load = self.outputs[actuator].driver
        before_ms = load.on_ms_total
        give = step[0][0] if step else lambda: self.gate.dose(
            actuator, volume_ul, reason, by, self.sampler.readings)
        try:
            given = _finish(give())
        except Refused as refused:
            on_done(None, refused.reason)
            return {}
        on_done(given, None)
        return {actuator: 1e-3 * (load.on_ms_total - before_ms) * self._flow_ml_s}

    def close(self) -> None:
        """Delete the ledger."""
        self._folder.cleanup()

    def request_dose(self, actuator: str, ml: float) -> tuple[float, str]:
        """Ask the gate for a dose, at most what it allows now, with the circulation running.

        Returns (ml given, "") or (0, code of the refusal).
        """
        seen, gate = self.sampler.readings, self.gate
        load = self.outputs[actuator].driver
        before_ms = load.on_ms_total
        try:
            gate.run(limits.CIRCULATION, _CIRCULATION_MS, _BY_HAND, _AGENT, seen)
            most_ul, why = gate.headroom(actuator, seen, _AGENT)
            if most_ul <= 0:
                return 0.0, str(why.code)
            _finish(gate.dose(actuator, min(round(1e3 * ml), most_ul), _BY_HAND, _AGENT, seen))
        except Refused as refused:
            return 0.0, str(refused.reason.code)
        return 1e-3 * (load.on_ms_total - before_ms) * self._flow_ml_s, ""

    def request_tap(self, for_s: float) -> str:
        """Ask the gate to open the tap; return the code of the refusal, "" if it opens."""
        try:
            self.gate.run(limits.FILL, round(1e3 * for_s), _BY_HAND, _AGENT, self.sampler.readings)
        except Refused as refused:
            return str(refused.reason.code)
        return ""


def _total_ul(ml: float, margin: float = _MARGIN) -> int:
    return max(1_000, round(1e3 * margin * ml))


def _beat(name: str, within_ms: int | None = None) -> None:
    return


def _finish(coroutine: Any) -> Any:
    """Run a coroutine that waits only for the virtual clock."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        return done.value
    raise AssertionError("the firmware waited for something")
