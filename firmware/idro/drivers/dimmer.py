"""Dimmable light: PWM on the dimming input of its driver, with a cut-off timer.

With safe_level 1 (an inverting stage) full light is a duty of 0.
"""

from idro.drivers.shared.cutoff_timer import Cutoff

_FULL_U16 = 65_535


def build(spec, pwm, timer, clock):
    """Return the Dimmer of a board's actuator entry; `pwm` is machine.PWM-like."""
    return Dimmer(spec, pwm, timer, clock)


class Dimmer(Cutoff):
    """One dimmable output."""

    def __init__(self, spec, pwm, timer, clock):
        self._pwm = pwm
        self._is_inverted = spec["safe_level"] == 1
        self._wanted_pct = 0
        super().__init__(spec, self._drive_safe, timer, clock)

    @property
    def duty_pct(self):
        """The current level, 0..100."""
        return self._wanted_pct if self.is_on else 0

    def set(self, duty_pct, for_ms):
        """Drive at `duty_pct` (0..100) for `for_ms`. Raises ActuatorError, with it dark."""
        if not isinstance(duty_pct, int) or not 0 <= duty_pct <= 100:
            self.refuse(f"{duty_pct} % is not in 0..100")
        if duty_pct == 0:
            self.halt()
            return
        self._wanted_pct = duty_pct
        self.start(for_ms, self._drive_on)

    def _drive_safe(self):
        self._pwm.duty_u16(_FULL_U16 if self._is_inverted else 0)

    def _drive_on(self):
        level_u16 = (self._wanted_pct * _FULL_U16 + 50) // 100
        self._pwm.duty_u16(_FULL_U16 - level_u16 if self._is_inverted else level_u16)
