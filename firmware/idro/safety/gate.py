"""Safety gate: the one path to every actuator, for control and for people.

A dose is checked, charged in the ledger and delivered in quanta of at most 1 s. The checks are
repeated after each quantum, and the driver's cut-off timer limits it. The doser is switched off in
`finally`, and the ledger is settled with the on-time that the driver measured. One doser runs at a
time. Switches and dimmers are leased (see leases).
"""

from idro.errors import FAILURES, ActuatorError, LedgerError, NodeError
from idro.protocol.reason import Reason
from idro.protocol.types import Actuation
from idro.safety import interlocks
from idro.safety.arming import Arming
from idro.safety.leases import Leases, actuator_failed, settle
from idro.safety.ledger import LATCHES, STOPPED
from idro.safety.limits import (
    CIRCULATION,
    CORRECTED,
    CUT_LATE_MS,
    HEATER,
    HUMIDIFIER,
    OPEN_RESERVE_HOLD_MS,
    QUANTUM_MS,
    SMALLEST_ON_MS,
    on_ms_for,
    volume_ul_in,
)
from idro.safety.outputs import CONTROL, Outputs

_OUTPUT_FAILURES = (NodeError,) + FAILURES  # noqa: RUF005  the board knows no * here


class Gate:
    """Owns every actuator driver. `outputs` maps names to Output."""

    def __init__(self, outputs, ledger, limits, clock, record_event):
        self._outputs = Outputs(outputs, record_event)
        self._dosers = [output.name for output in self._outputs.of_kind("doser")]
        self._ledger = ledger
        self._limits = limits
        self._clock = clock
        self._record_event = record_event
        self.arming = Arming()
        self._air = self._build_air_interlocks()
        self._leases = Leases(self._outputs, ledger, limits, clock, record_event, self._air)
        self._dosing = None
        self._is_halted = False
        self.stop_count = 0  # a dose that was requested before a stop is refused
        self.given = None  # the Actuation of the last dose that ended, or failed
        self._is_armed = False
        if ledger.was_damaged:
            record_event("latched", {"reason": Reason(LATCHES[ledger.latch_code])})

    @property
    def dosing(self):
        """The name of the running doser, or None."""
        return self._dosing

    @property
    def is_armed(self):
        """True if every channel that a doser needs is armed: its readings are plausible."""
        return self._is_armed

    @property
    def latch_code(self):
        """The latch reason as an index of ledger.LATCHES, 0 if not latched."""
        return self._ledger.latch_code

    @property
    def latch_reason(self):
        """The Reason why dosing is latched until a person resumes it, or None."""
        code = self._ledger.latch_code
        return Reason(LATCHES[code]) if code else None

    def set_limits(self, limits):
        """Apply the Limits of new settings."""
        self._limits = self._leases.limits = limits

    def observe(self, readings):
        """Process one sampling cycle: update arming, end blocked runs, retry the ledger."""
        self._ledger.retry_write()
        self.arming.observe(readings)
        now_ms = self._clock.now_ms()
        if self._air is not None:
            self._air.observe(readings, now_ms, self._limits)
            self._leases.end_blocked_air(readings)
        is_armed = bool(self._dosers)
        for name in self._dosers:
            if interlocks.check_armed(name, self.arming, now_ms):
                is_armed = False
                break
        if is_armed and not self._is_armed:
            self._record_event("armed", {})
        self._is_armed = is_armed

    def disarm(self):
        """Let the dosers wait for plausible readings, as after a boot: a probe was calibrated, or
        comes back into the water."""
        for name in self._dosers:
            self.arming.forget(interlocks.NEEDS[name])

    def _build_air_interlocks(self):
        """Return the AirInterlocks, or None if the board has no heater and no humidifier."""
        driver = self._outputs.driver
        if driver(HEATER) is None and driver(HUMIDIFIER) is None:
            return None
        from idro.safety.air_interlocks import AirInterlocks

        return AirInterlocks(self._outputs, self.arming, self._record_event)

    def headroom(self, doser, readings, by):
        """Return (volume_ul, Reason): the most `doser` may give now, and what limits it.

        Without side effects: control calls it before it decides.
        """
        if self._outputs.driver(doser) is None:
            return 0, Reason("no_output", actuator=doser)
        blocked = self._blocked(doser, readings, by)
        if blocked:
            return 0, blocked
        return interlocks.headroom(doser, self._ledger, self._limits)

    def mixing_left_ms(self):
        """Return the ms until the last dose has mixed, 0 if it has."""
        since_ms = self._ledger.since_any_ms()
        return 0 if since_ms is None else max(0, self._limits.mixing_ms - since_ms)

    async def dose(self, actuator, volume_ul, reason, by, readings):
        """Dose `volume_ul`; return the Actuation. Raises Refused, with nothing dosed.

        `readings` maps channels to the latest Sample and is checked again after each quantum.
        """
        on_ms = self._checked_on_ms(actuator, volume_ul, by, readings)
        return await self._run_dose(actuator, actuator, on_ms, volume_ul, (reason, by), readings)

    def correction_headroom(self, doser, readings, mixing_ms):
        """Return (volume_ul, Reason) of the next correction step, as `headroom` does for a dose.

        The last dose must be `mixing_ms` ago.
        """
        if self._outputs.driver(doser) is None:
            return 0, Reason("no_output", actuator=doser)
        blocked = (
            self._blocked(doser, readings, "")
            or interlocks.check_ph(
                doser, readings, self.arming, self._clock.now_ms(), self._limits)
            or interlocks.check_mixing(doser, self._ledger, mixing_ms)
        )
        if blocked:
            return 0, blocked
        return interlocks.correction_headroom(doser, self._ledger, self._limits)

    async def correct(self, doser, volume_ul, mixing_ms, origin, readings):
        """Dose one correction step, released at the board; `origin` is (reason, by).

        Returns the Actuation. Raises Refused, with nothing dosed.
        """
        by = origin[1]
        self._outputs.find(doser, "doser", by)
        headroom_ul, why = self.correction_headroom(doser, readings, mixing_ms)
        if volume_ul > headroom_ul:
            raise self._outputs.refusal(doser, by, why)
        on_ms = self._deliverable_on_ms(doser, volume_ul, by)
        return await self._run_dose(doser, CORRECTED[doser], on_ms, volume_ul, origin, readings)

    async def _run_dose(self, actuator, channel, on_ms, volume_ul, origin, readings):
        """Charge a run to a ledger channel, then dose; return the Actuation."""
        by = origin[1]
        self._dosing = actuator
        self._is_halted = False
        try:
            try:
                late_ul = volume_ul_in(CUT_LATE_MS, self._limits.caps[actuator].flow_ul_per_s)
                entry_id = self._ledger.reserve(
                    channel, on_ms + CUT_LATE_MS, volume_ul + late_ul)
            except LedgerError as error:
                raise self._outputs.refusal(actuator, by, error.reason) from None
            return await self._give(actuator, on_ms, entry_id, origin, readings)
        finally:
            self._dosing = None

    def run(self, actuator, for_ms, reason, by, readings):
        """Lease a switch for `for_ms` from now. Raises Refused, with it off."""
        self._leases.run(actuator, for_ms, (reason, by), readings)

    def end(self, actuator, reason=None):
        """End the run of a switch, if it has one, and record it."""
        self._leases.end(actuator, reason)

    def set_duty(self, actuator, duty_pct, for_ms, by):
        """Lease a dimmer at `duty_pct` for `for_ms` from now. Raises Refused, with it dark."""
        self._leases.set_duty(actuator, duty_pct, for_ms, by)

    def stop(self, by):
        """Stop all dosing until a person resumes it, across resets. A running dose is cut.

        The pumps rest before the flash is written; one that fails does not keep the others on.
        """
        self.stop_count += 1
        self._is_halted = True
        self._drive_safe("doser")
        if not self._ledger.latch_code:  # a fault stays: what is resumed must be seen
            self._set_latch(STOPPED)
        self._record_event("stopped", {"by": by})

    def resume(self, by):
        """Release dosing after a stop or a latch. What was requested before it is refused."""
        if self._ledger.latch_code:
            self.stop_count += 1
        self._set_latch(0)
        self._record_event("resumed", {"by": by})

    def latch(self, code):
        """Latch dosing with a code of ledger.LATCHES, until a person resumes it.

        The first fault stays. One found while a person has stopped dosing latches, too."""
        if self._ledger.latch_code not in (0, STOPPED):
            return
        self._set_latch(code)
        self._record_event("latched", {"reason": Reason(LATCHES[code])})

    def off_all(self):
        """Drive every output safe and cut a running dose. Never raises NodeError.

        What ran is settled where the run ends: in `_give` for a dose, in Leases.end for a switch.
        """
        self._is_halted = True
        self._drive_safe()

    def _drive_safe(self, kind=None):
        """Drive the outputs of a kind safe, None: all. Goes on where one of them fails."""
        for output in self._outputs.all():
            if kind is None or output.kind == kind:
                try:
                    output.driver.off()
                except _OUTPUT_FAILURES:
                    continue

    def _checked_on_ms(self, actuator, volume_ul, by, readings):
        """Return the on-time in ms of an allowed dose. Raises Refused."""
        self._outputs.find(actuator, "doser", by)
        blocked = self._blocked(actuator, readings, by)
        if blocked:
            raise self._outputs.refusal(actuator, by, blocked)
        headroom_ul, why = interlocks.headroom(actuator, self._ledger, self._limits)
        if volume_ul > headroom_ul:
            raise self._outputs.refusal(actuator, by, why)
        return self._deliverable_on_ms(actuator, volume_ul, by)

    def _deliverable_on_ms(self, actuator, volume_ul, by):
        """Return the on-time in ms for `volume_ul`. Raises Refused if too short for the pump."""
        on_ms = on_ms_for(volume_ul, self._limits.caps[actuator].flow_ul_per_s)
        if on_ms < SMALLEST_ON_MS:
            raise self._outputs.refusal(actuator, by, Reason("too_small"))
        return on_ms

    async def _give(self, actuator, on_ms, entry_id, origin, readings):
        driver = self._outputs.driver(actuator)
        flow_ul_per_s = self._limits.caps[actuator].flow_ul_per_s
        before_ms = driver.on_ms_total
        at_ms = self._clock.now_ms()
        cut = Reason("dose_failed")  # of any other error, which ends the task
        try:
            cut = await self._pump(driver, on_ms, actuator, readings)
        except ActuatorError as error:
            cut = actuator_failed(error)
        finally:
            driver.off()
            given_ms = driver.on_ms_total - before_ms
            given_ul = volume_ul_in(given_ms, flow_ul_per_s)
            settle(self._ledger, entry_id, given_ms, given_ul)
            self.given = Actuation(actuator, given_ul, given_ms, at_ms, cut)
            self._record_dosed(self.given, origin)
        return self.given

    def _record_dosed(self, given, origin):
        reason, by = origin
        detail = {
            "actuator": given.actuator, "volume_ul": given.volume_ul, "on_ms": given.on_ms,
            "reason": reason, "by": by}
        if given.cut is not None:
            detail["cut"] = given.cut
        self._outputs.clear_refusal(given.actuator)
        self._record_event("dosed", detail)

    async def _pump(self, driver, on_ms, actuator, readings):
        """Run in quanta; return the Reason why the run was cut short, or None. Raises
        ActuatorError."""
        until_ms = driver.on_ms_total + on_ms
        while True:
            left_ms = until_ms - driver.on_ms_total
            if left_ms <= 0:
                return None
            quantum_ms = min(QUANTUM_MS, left_ms)
            driver.on(quantum_ms)
            await self._clock.sleep_ms(quantum_ms)
            driver.off()
            cut = self._cut_reason(actuator, readings)
            if cut:
                return cut

    def _cut_reason(self, doser, readings):
        if self._ledger.latch_code:
            return self.latch_reason
        if self._is_halted:
            return Reason("all_off")
        return interlocks.check_readings(
            doser, readings, self._clock.now_ms(), self._limits
        ) or interlocks.check_circulation(self._outputs.driver(CIRCULATION))

    def _blocked(self, doser, readings, by):
        """Return the Reason why a dose is blocked now, or None."""
        if self._ledger.latch_code:
            return self.latch_reason
        if self._ledger.error:
            return self._ledger.failure()
        now_ms = self._clock.now_ms()
        if self._ledger.had_open_reserve and now_ms < OPEN_RESERVE_HOLD_MS:
            return Reason("power_failed", left_ms=OPEN_RESERVE_HOLD_MS - now_ms)
        if by == CONTROL and self._limits.authority_pct == 0:
            return Reason("advice_only")
        if self._dosing:
            return Reason("busy", actuator=self._dosing)
        return (
            interlocks.check_readings(doser, readings, now_ms, self._limits)
            or interlocks.check_armed(doser, self.arming, now_ms)
            or interlocks.check_circulation(self._outputs.driver(CIRCULATION))
            or interlocks.check_gaps(doser, self._ledger, self._limits, by == CONTROL)
        )

    def _set_latch(self, code):
        try:
            self._ledger.set_latch(code)
        except LedgerError:
            return  # active in memory; a ledger without writes refuses every dose
