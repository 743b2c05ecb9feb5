"""Allocates the pins of a chip to the keys of a board file.

Each method allocates one pin, or raises a BoardError that lists the free pins.
"""

from typing import NoReturn

from idroserra.boards.chips import Chip
from idroserra.core.errors import BoardError
from idroserra.core.text import Text
from idroserra.i18n.marker import N_


class Pins:
    """The pins of a chip and their allocation."""

    def __init__(self, file: str, chip: Chip) -> None:
        self._file = file
        self._chip = chip
        self._used: dict[int, str] = {}

    def off_at_reset(self, key: str, pin: int, safe_level: int) -> int:
        """Allocate an output that must stay at `safe_level` while the chip resets."""
        moving = self._chip.low_at_reset if safe_level else self._chip.high_at_reset
        if pin in moving:
            why = N_("GPIO {pin} goes low for a moment during reset{free}") if safe_level else N_(
                "GPIO {pin} goes high during reset{free}")
            self._refuse(key, Text(why, pin=pin, free=self.free(safe_level)))
        return self.drive(key, pin)

    def drive(self, key: str, pin: int) -> int:
        """Allocate an output."""
        why = self._chip.output_refusal(pin)
        if why is not None:
            self._refuse(key, Text("{why}{free}", why=why, free=self.free()))
        return self.take(key, pin)

    def listen(self, key: str, pin: int) -> int:
        """Allocate an input that the part drives."""
        why = self._chip.refusal(pin)
        if why is not None:
            self._refuse(key, Text("{why}{free}", why=why, free=self.free()))
        return self.take(key, pin)

    def pull_up(self, key: str, pin: int) -> int:
        """Allocate an input with the chip's internal pull-up."""
        why = self._chip.output_refusal(pin)
        if why is not None:
            self._refuse(key, Text(N_("{why}: an internal pull-up is required{free}"), why=why,
                                   free=self.free()))
        return self.take(key, pin)

    def analog(self, key: str, pin: int | None) -> int:
        """Allocate an input of the chip's ADC."""
        if pin is None:
            self._refuse(key, Text(N_("missing: the GPIO whose voltage is read")))
        why = self._chip.refusal(pin) or self._chip.analog_refusal(pin)
        if why is not None:
            self._refuse(key, Text("{why}; {free}", why=why, free=self.analog_pins()))
        return self.take(key, pin)

    def analog_pins(self) -> str:
        """Return the free inputs of the chip's ADC as text."""
        free = sorted(p for p in self._chip.adc1 - set(self._used) if not self._chip.refusal(p))
        return Text(N_("free ADC pins: {pins}"), pins=_listed(free))

    def take(self, key: str, pin: int) -> int:
        """Allocate a pin without checking its capabilities."""
        if pin in self._used:
            self._refuse(key, Text(N_("GPIO {pin} is used by {key}{free}"), pin=pin,
                                   key=self._used[pin], free=self.free()))
        self._used[pin] = key
        return pin

    def free(self, safe_level: int = 0) -> str:
        """Return the free pins for an output that is off at `safe_level`, as text."""
        free = self._chip.free_outputs(frozenset(self._used), safe_level)
        return Text(N_("; free here: {pins}"), pins=_listed(free))

    def _refuse(self, key: str, why: str) -> NoReturn:
        raise BoardError(self._file, key, why)


def _listed(pins: list[int]) -> str:
    return ", ".join(map(str, pins)) or Text(N_("none"))
