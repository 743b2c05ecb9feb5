"""The one gate to every actuator. Whoever wants something to run asks here, person or control.

A dose is checked, charged in the ledger, given in quanta of at most a second, each behind fresh
checks and with the driver's own cut-off armed, switched off in `finally` and settled with what the
driver says was given. One doser runs at a time. Switches and dimmers are leased: they end by
themselves unless asked for again. Filling is charged in the ledger too.
"""

from collections import namedtuple

from idro.errors import ActuatorError, LedgerError, NodeError
from idro.protocol.samples import Actuation
from idro.safety import interlocks
from idro.safety.arming import Arming
from idro.safety.ledger import LATCHES, STOPPED
from idro.safety.limits import (
    CIRCULATION,
    DAY_MS,
    DOSERS,
    FILL,
    FILL_RUN_ON_MS,
    OPEN_RESERVE_HOLD_MS,
    QUANTUM_MS,
    on_ms_for,
    volume_ul_in,
)

CONTROL = "control"

# One actuator as the gate holds it: kind is "doser", "switch" or "dimmer".
Output = namedtuple("Output", ("name", "kind", "driver", "max_on_ms"))
# Shorter runs of a peristaltic pump give nothing that can be counted.
SMALLEST_ON_MS = 100


class Refused(NodeError):
    """The gate says no. `code` is stable, `reason` is for the grower."""

    def __init__(self, code, reason):
        super().__init__(reason)
        self.code = code
        self.reason = reason


class Gate:
    """Holds every actuator driver. `outputs` maps names to Output."""

    def __init__(self, outputs, ledger, limits, clock, record_event):
        self._outputs = outputs
        self._ledger = ledger
        self._limits = limits
        self._clock = clock
        self._record_event = record_event
        self._dosing = None
        self._runs = {}  # switched output: (reason, by, ledger entry or None)
        self._leased_until_ms = {}
        self._told = {}  # actuator: code of the last refusal told
        self.arming = Arming()
        if ledger.was_damaged:
            record_event("latched", {"reason": LATCHES[ledger.latch_code]})

    @property
    def dosing(self):
        """The name of the doser that is running, or None."""
        return self._dosing

    @property
    def latch(self):
        """Why dosing is locked until a person looks, or an empty text."""
        return LATCHES[self._ledger.latch_code]

    def set_limits(self, limits):
        """Put the Limits of new settings in force."""
        self._limits = limits

    def room(self, doser, readings, by):
        """Return (volume_ul, why) that `doser` could be given now; 0 with the reason that forbids.

        Changes nothing: control asks before it decides.
        """
        if doser not in self._outputs:
            return 0, f"there is no {doser}"
        blocked = self._blocked(doser, readings, by)
        if blocked:
            return 0, blocked[1]
        volume_ul, why = interlocks.room(doser, self._ledger, self._limits)
        return volume_ul, why[1]

    def unmixed_ms(self):
        """Return the ms until the last dose of any doser has mixed, 0 where it has."""
        wait_ms = 0
        for doser in DOSERS:
            since_ms = self._ledger.since_ms(doser)
            if since_ms is not None:
                wait_ms = max(wait_ms, self._limits.mixing_ms - since_ms)
        return wait_ms

    async def dose(self, actuator, volume_ul, reason, by, readings):
        """Give `volume_ul` of a doser; returns the Actuation. Raises Refused, with nothing given.

        `readings` maps channels to the latest Sample and is looked at again before each quantum.
        """
        on_ms = self._checked_on_ms(actuator, volume_ul, by, readings)
        self._dosing = actuator
        try:
            try:
                entry_id = self._ledger.reserve(actuator, on_ms, volume_ul)
            except LedgerError as error:
                raise self._refusal(actuator, by, "ledger", str(error)) from None
            return await self._give(actuator, on_ms, entry_id, (reason, by), readings)
        finally:
            self._dosing = None

    def run(self, actuator, for_ms, reason, by, readings):
        """Lease a switched output for `for_ms` from now. Raises Refused; then it is off."""
        output = self._output(actuator, "switch", by)
        blocked = self._run_blocked(actuator, readings)
        if blocked:
            self.end(actuator, blocked[1])
            raise self._refusal(actuator, by, blocked[0], blocked[1])
        if actuator == FILL:
            if output.driver.is_on:
                return  # a fill is charged run by run: it ends, and is asked for anew
            self.end(actuator)
            for_ms = self._charge_fill(for_ms, reason, by)
        elif actuator not in self._runs:
            self._runs[actuator] = (reason, by, None)
        elif self._is_leased(output, for_ms):
            return
        try:
            output.driver.on(min(for_ms, output.max_on_ms))
            self._leased_until_ms[actuator] = self._clock.now_ms() + for_ms
        except ActuatorError as error:
            self.end(actuator, str(error))
            raise self._refusal(actuator, by, "actuator", str(error)) from None
        self._told.pop(actuator, None)

    def end(self, actuator, reason=None):
        """End the run of a switched output, if there is one; tells what it ran."""
        on_ms = self._outputs[actuator].driver.off()
        run = self._runs.pop(actuator, None)
        if run is None:
            return
        if run[2] is not None:
            self._settle(run[2], on_ms, 0)
        detail = {"actuator": actuator, "on_ms": on_ms, "reason": reason or run[0], "by": run[1]}
        self._record_event("ran", detail)

    def set_duty(self, actuator, duty_pct, for_ms, by):
        """Lease a dimmer at `duty_pct` for `for_ms` from now. Raises Refused; then it is dark."""
        output = self._output(actuator, "dimmer", by)
        if output.driver.duty_pct == duty_pct and (
            duty_pct == 0 or self._is_leased(output, for_ms)
        ):
            return
        try:
            output.driver.set(duty_pct, min(for_ms, output.max_on_ms))
            self._leased_until_ms[actuator] = self._clock.now_ms() + for_ms
        except ActuatorError as error:
            raise self._refusal(actuator, by, "actuator", str(error)) from None

    def stop(self, by):
        """Stop all dosing now and until a person resumes it, resets included."""
        self._latch(STOPPED)
        for output in self._outputs.values():
            if output.kind == "doser":
                output.driver.off()
        self._record_event("stopped", {"by": by})

    def resume(self, by):
        """Release dosing after a stop or a latch."""
        self._latch(0)
        self._told.clear()
        self._record_event("resumed", {"by": by})

    def lock(self, code):
        """Latch dosing for one of the reasons of ledger.LATCHES until a person looks."""
        if self._ledger.latch_code:
            return
        self._latch(code)
        self._record_event("latched", {"reason": LATCHES[code]})

    def off_all(self):
        """Drive every output safe. Never raises NodeError: the rest is still driven."""
        for output in self._outputs.values():
            try:
                output.driver.off()
            except (NodeError, OSError):
                continue

    def _checked_on_ms(self, actuator, volume_ul, by, readings):
        self._output(actuator, "doser", by)
        blocked = self._blocked(actuator, readings, by)
        if blocked:
            raise self._refusal(actuator, by, blocked[0], blocked[1])
        room_ul, why = interlocks.room(actuator, self._ledger, self._limits)
        if volume_ul > room_ul:
            raise self._refusal(actuator, by, why[0], why[1])
        on_ms = on_ms_for(volume_ul, self._limits.caps[actuator].flow_ul_per_s)
        if on_ms < SMALLEST_ON_MS:
            raise self._refusal(actuator, by, "small", "less than the pump can give")
        return on_ms

    async def _give(self, actuator, on_ms, entry_id, told, readings):
        driver = self._outputs[actuator].driver
        flow = self._limits.caps[actuator].flow_ul_per_s
        before_ms = driver.on_ms_total
        at_ms = self._clock.now_ms()
        cut = None
        try:
            cut = await self._pump(actuator, on_ms, readings)
        except ActuatorError as error:
            cut = error.detail
        finally:
            driver.off()
            given_ms = driver.on_ms_total - before_ms
            given_ul = volume_ul_in(given_ms, flow)
            self._settle(entry_id, given_ms, given_ul)
        reason, by = told
        if cut:
            reason = f"{reason}; cut short: {cut}"
        self._told.pop(actuator, None)
        self._record_event("dosed", {
            "actuator": actuator, "volume_ul": given_ul, "on_ms": given_ms, "reason": reason,
            "by": by,
        })
        return Actuation(actuator, given_ul, given_ms, at_ms, reason)

    async def _pump(self, actuator, on_ms, readings):
        """Run in quanta; returns why it was cut short, or None. Raises ActuatorError."""
        driver = self._outputs[actuator].driver
        until_ms = driver.on_ms_total + on_ms
        while True:
            rest_ms = until_ms - driver.on_ms_total
            if rest_ms <= 0:
                return None
            quantum_ms = min(QUANTUM_MS, rest_ms)
            driver.on(quantum_ms)
            await self._clock.sleep_ms(quantum_ms)
            driver.off()
            cut = self._cut_reason(actuator, readings)
            if cut:
                return cut[1]

    def _cut_reason(self, doser, readings):
        if self._ledger.latch_code:
            return "latched", self.latch
        now_ms = self._clock.now_ms()
        return interlocks.check_readings(
            doser, readings, now_ms, self._limits
        ) or interlocks.check_circulation(self._circulation())

    def _blocked(self, doser, readings, by):
        """Return (code, why) that forbids a dose now, or None."""
        if self._ledger.latch_code:
            return "latched", self.latch
        now_ms = self._clock.now_ms()
        if self._ledger.had_open_reserve and now_ms < OPEN_RESERVE_HOLD_MS:
            left = interlocks.left(OPEN_RESERVE_HOLD_MS - now_ms)
            return "holdoff", f"power failed during a dose, {left} left"
        if self._dosing:
            return "busy", f"{self._dosing} is dosing"
        return (
            interlocks.check_readings(doser, readings, now_ms, self._limits)
            or interlocks.check_armed(doser, self.arming, now_ms)
            or interlocks.check_circulation(self._circulation())
            or interlocks.check_gaps(doser, self._ledger, self._limits, by == CONTROL)
        )

    def _is_leased(self, output, for_ms):
        """True while a lease runs for at least another half of `for_ms`: no need to renew it."""
        rest_ms = self._leased_until_ms.get(output.name, 0) - self._clock.now_ms()
        return output.driver.is_on and rest_ms > min(for_ms, output.max_on_ms) // 2

    def _run_blocked(self, actuator, readings):
        if actuator == CIRCULATION:
            return interlocks.check_low(readings, self._limits.low_mm)
        if actuator == FILL:
            now_ms = self._clock.now_ms()
            return interlocks.check_reading(
                interlocks.LEVEL, readings, now_ms, self._limits.stale_ms
            ) or interlocks.check_full(readings, self._limits.full_mm)
        return None

    def _charge_fill(self, for_ms, reason, by):
        """Charge a fill ahead of it; returns the ms it may run. Raises Refused."""
        spent_ms = self._ledger.spent(FILL, DAY_MS)[0]
        for_ms = min(for_ms, FILL_RUN_ON_MS, self._limits.fill_day_ms - spent_ms)
        for_ms = min(for_ms, self._outputs[FILL].max_on_ms)
        if for_ms < SMALLEST_ON_MS:
            raise self._refusal(FILL, by, "budget", "top-off time of the day is spent")
        try:
            entry_id = self._ledger.reserve(FILL, for_ms, 0)
        except LedgerError as error:
            raise self._refusal(FILL, by, "ledger", str(error)) from None
        self._runs[FILL] = (reason, by, entry_id)
        return for_ms

    def _settle(self, entry_id, on_ms, volume_ul):
        try:
            self._ledger.settle(entry_id, on_ms, volume_ul)
        except LedgerError:
            return  # the reserve stays charged in full, which is the safe side

    def _latch(self, code):
        try:
            self._ledger.set_latch(code)
        except LedgerError:
            return  # in force in memory; a ledger that cannot be written refuses every dose

    def _circulation(self):
        output = self._outputs.get(CIRCULATION)
        return output.driver if output else None

    def _output(self, actuator, kind, by):
        output = self._outputs.get(actuator)
        if output is None or (kind == "doser" and actuator not in DOSERS):
            raise self._refusal(actuator, by, "unknown", f"there is no {actuator}")
        if output.kind != kind:
            raise self._refusal(actuator, by, "kind", f"{actuator} is a {output.kind}")
        return output

    def _refusal(self, actuator, by, code, reason):
        """Return a Refused to raise; control's refusals are told once, a person's always."""
        if by != CONTROL or self._told.get(actuator) != code:
            self._record_event("refused", {"actuator": actuator, "reason": reason, "by": by})
        self._told[actuator] = code
        return Refused(code, reason)
