"""Runs switches and dimmers under time-limited leases that end unless renewed.

Top-off is the exception: each run is charged in the ledger beforehand and never extended.
"""

from idro.errors import ActuatorError, LedgerError
from idro.protocol.reason import Reason
from idro.safety import interlocks
from idro.safety.limits import (
    AIR_LEASE_MS,
    CIRCULATION,
    CUT_LATE_MS,
    DAY_MS,
    FAN,
    FILL,
    FILL_RUN_ON_MS,
    HEATER,
    IRRIGATION,
    SMALLEST_ON_MS,
)

_DETAIL_CHARS = 120


class Leases:
    """Runs the switched and dimmed Outputs. `limits` is replaced when settings change.

    `air` is the AirInterlocks of heater and humidifier, or None.
    """

    def __init__(self, outputs, ledger, limits, clock, record_event, air):
        self._outputs = outputs
        self._ledger = ledger
        self._clock = clock
        self._record_event = record_event
        self._air = air
        self._air_outputs = () if air is None else air.names
        # switched output: (reason, by, ledger entry or None, its on_ms_total before)
        self._runs = {}
        self._until_ms = {}
        self.limits = limits

    def run(self, actuator, for_ms, origin, readings):
        """Lease a switch for `for_ms`; `origin` is (reason, by). Raises Refused, with it off."""
        by = origin[1]
        output = self._outputs.find(actuator, "switch", by)
        blocked = self._blocked(actuator, readings)
        if blocked:
            self.end(actuator, blocked)
            raise self._outputs.refusal(actuator, by, blocked)
        if actuator in self._air_outputs:
            for_ms = min(for_ms, AIR_LEASE_MS)
        elif actuator == FAN and HEATER in self._air_outputs:
            self.end(HEATER, Reason("fan_runs"))
        if actuator == FILL:
            if output.driver.is_on:
                return
            self.end(actuator)
            for_ms = self._charge_fill(min(for_ms, output.max_on_ms), origin, output.driver)
        elif actuator not in self._runs:
            self._runs[actuator] = (origin[0], by, None, output.driver.on_ms_total)
        elif self._is_leased(output, for_ms):
            return
        try:
            output.driver.on(min(for_ms, output.max_on_ms))
        except ActuatorError as error:
            reason = actuator_failed(error)
            self.end(actuator, reason)
            raise self._outputs.refusal(actuator, by, reason) from None
        self._until_ms[actuator] = self._clock.now_ms() + for_ms
        self._outputs.clear_refusal(actuator)

    def end_blocked_air(self, readings):
        """End the runs that an air interlock blocks."""
        for actuator in self._air_outputs:
            blocked = self._blocked(actuator, readings) if actuator in self._runs else None
            if blocked:
                self.end(actuator, blocked)

    def end(self, actuator, reason=None):
        """End the run of a switch, if it has one, and record it."""
        driver = self._outputs.driver(actuator)
        driver.off()
        run = self._runs.pop(actuator, None)
        if run is None:
            return
        # Whatever has switched it off meanwhile: a cut-off, or off_all() after a failed task.
        on_ms = driver.on_ms_total - run[3]
        if run[2] is not None:
            settle(self._ledger, run[2], on_ms, 0)
        reason = reason or run[0]
        self._record_event("ran", {
            "actuator": actuator, "on_ms": on_ms, "reason": reason, "by": run[1]})

    def set_duty(self, actuator, duty_pct, for_ms, by):
        """Lease a dimmer at `duty_pct` for `for_ms`. Raises Refused, with it dark."""
        output = self._outputs.find(actuator, "dimmer", by)
        is_unchanged = output.driver.duty_pct == duty_pct
        if is_unchanged and (duty_pct == 0 or self._is_leased(output, for_ms)):
            return
        try:
            output.driver.set(duty_pct, min(for_ms, output.max_on_ms))
        except ActuatorError as error:
            raise self._outputs.refusal(actuator, by, actuator_failed(error)) from None
        self._until_ms[actuator] = self._clock.now_ms() + for_ms

    def _is_leased(self, output, for_ms):
        """True if the lease has more than half of `for_ms` left and need not be renewed."""
        left_ms = self._until_ms.get(output.name, 0) - self._clock.now_ms()
        return output.driver.is_on and left_ms > min(for_ms, output.max_on_ms) // 2

    def _blocked(self, actuator, readings):
        """Return the Reason why a switch must be off now, or None."""
        if actuator == CIRCULATION:
            return interlocks.check_low(readings, self.limits.low_mm)
        if actuator == IRRIGATION:
            return interlocks.check_leak(readings) or interlocks.check_low(
                readings, self.limits.low_mm
            )
        if actuator == FILL:
            now_ms, stale_ms = self._clock.now_ms(), self.limits.stale_ms
            return (
                interlocks.check_float(readings, now_ms, stale_ms)
                or interlocks.check_reading(interlocks.LEVEL, readings, now_ms, stale_ms)
                or interlocks.check_full(readings, self.limits.full_mm)
            )
        if actuator in self._air_outputs:
            return self._air.blocked(actuator, readings, self._clock.now_ms(), self.limits)
        return None

    def _charge_fill(self, for_ms, origin, driver):
        """Charge a top-off run; return the ms it may last. Raises Refused."""
        spent_ms = self._ledger.spent(FILL, DAY_MS)[0]
        left_ms = self.limits.fill_day_ms - spent_ms - CUT_LATE_MS
        for_ms = min(for_ms, FILL_RUN_ON_MS, left_ms)
        if for_ms < SMALLEST_ON_MS:
            raise self._outputs.refusal(FILL, origin[1], Reason("fill_spent"))
        try:
            entry_id = self._ledger.reserve(FILL, for_ms + CUT_LATE_MS, 0)
        except LedgerError as error:
            raise self._outputs.refusal(FILL, origin[1], error.reason) from None
        self._runs[FILL] = (origin[0], origin[1], entry_id, driver.on_ms_total)
        return for_ms


def actuator_failed(error):
    """Return the Reason of an ActuatorError."""
    return Reason("actuator_failed", detail=error.detail[:_DETAIL_CHARS])


def settle(ledger, entry_id, on_ms, volume_ul):
    """Settle a reserve. If the write fails, the reserve stays charged in full."""
    try:
        ledger.settle(entry_id, on_ms, volume_ul)
    except LedgerError:
        return
