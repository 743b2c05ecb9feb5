"""Allocates the pins of a chip to the keys of a board file.

Each method allocates one pin, or raises a BoardError that lists the free pins.
"""

from typing import NoReturn

from idroserra.boards.chips import Chip
from idroserra.core.errors import BoardError


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
            way = "low for a moment" if safe_level else "high"
            self._refuse(key, f"GPIO {pin} goes {way} during reset{self.free(safe_level)}")
        return self.drive(key, pin)

    def drive(self, key: str, pin: int) -> int:
        """Allocate an output."""
        why = self._chip.output_refusal(pin)
        if why is not None:
            self._refuse(key, f"{why}{self.free()}")
        return self.take(key, pin)

    def listen(self, key: str, pin: int) -> int:
        """Allocate an input that the part drives."""
        why = self._chip.refusal(pin)
        if why is not None:
            self._refuse(key, f"{why}{self.free()}")
        return self.take(key, pin)

    def pull_up(self, key: str, pin: int) -> int:
        """Allocate an input with the chip's internal pull-up."""
        why = self._chip.output_refusal(pin)
        if why is not None:
            self._refuse(key, f"{why}: an internal pull-up is required{self.free()}")
        return self.take(key, pin)

    def analog(self, key: str, pin: int | None) -> int:
        """Allocate an input of the chip's ADC."""
        if pin is None:
            self._refuse(key, "missing: the GPIO whose voltage is read")
        why = self._chip.refusal(pin) or self._chip.analog_refusal(pin)
        if why is not None:
            self._refuse(key, f"{why}; {self.analog_pins()}")
        return self.take(key, pin)

    def analog_pins(self) -> str:
        """Return the free inputs of the chip's ADC as text."""
        free = sorted(p for p in self._chip.adc1 - set(self._used) if not self._chip.refusal(p))
        return f"free ADC pins: {', '.join(map(str, free)) or 'none'}"

    def take(self, key: str, pin: int) -> int:
        """Allocate a pin without checking its capabilities."""
        if pin in self._used:
            self._refuse(key, f"GPIO {pin} is used by {self._used[pin]}{self.free()}")
        self._used[pin] = key
        return pin

    def free(self, safe_level: int = 0) -> str:
        """Return the free pins for an output that is off at `safe_level`, as text."""
        free = self._chip.free_outputs(frozenset(self._used), safe_level)
        return f"; free here: {', '.join(map(str, free)) or 'none'}"

    def _refuse(self, key: str, why: str) -> NoReturn:
        raise BoardError(self._file, key, why)
