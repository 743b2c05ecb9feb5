"""Dimmable light: PWM on the dimming input of its driver, with a cut-off timer.

With safe_level 1 (an inverting stage) full light is a duty of 0.
"""

from idro.drivers.shared.cutoff_timer import Cutoff

_FULL_U16 = 65_535


def build(spec, pwm, timer, clock):
    """Return the Dimmer of a board's actuator entry; `pwm` is machine.PWM-like."""
    return Dimmer(spec, pwm, timer, clock)


class Dimmer:
    """One dimmable output, dark from construction on."""

    def __init__(self, spec, pwm, timer, clock):
        self._pwm = pwm
        self._is_inverted = spec["safe_level"] == 1
        self._wanted_pct = 0
        self._drive_safe()
        self._cutoff = Cutoff(spec, self._drive_safe, timer, clock)

    @property
    def duty_pct(self):
        """The current level, 0..100."""
        return self._wanted_pct if self._cutoff.is_running else 0

    @property
    def is_on(self):
        """True while the output is driven above its safe level."""
        return self._cutoff.is_running

    @property
    def on_ms_total(self):
        """On-time at any level since boot in ms."""
        return self._cutoff.on_ms_total

    def set(self, duty_pct, for_ms):
        """Drive at `duty_pct` (0..100) for `for_ms`. Raises ActuatorError, with it dark."""
        if not isinstance(duty_pct, int) or not 0 <= duty_pct <= 100:
            self._cutoff.refuse(f"{duty_pct} % is not in 0..100")
        if duty_pct == 0:
            self._cutoff.halt()
            return
        self._wanted_pct = duty_pct
        self._cutoff.start(for_ms, self._drive_on)

    def off(self):
        """Go dark. Return the ms it was on since the last off(), cut or not."""
        return self._cutoff.stop()

    def lost(self):
        """End the run: the expander has switched the output off."""
        self._cutoff.lost()

    def _drive_safe(self):
        self._pwm.duty_u16(_FULL_U16 if self._is_inverted else 0)

    def _drive_on(self):
        level_u16 = (self._wanted_pct * _FULL_U16 + 50) // 100
        self._pwm.duty_u16(_FULL_U16 - level_u16 if self._is_inverted else level_u16)
