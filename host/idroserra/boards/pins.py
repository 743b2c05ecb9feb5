"""The pins of one chip on one board: what each may be wired to, and what is taken so far.

Each method takes one pin for the key of a board file, or refuses it with a BoardError that says
which pins are free.
"""

from typing import NoReturn

from idroserra.boards.chips import Chip
from idroserra.core.errors import BoardError


class Pins:
    """What of a chip's pins is taken so far."""

    def __init__(self, file: str, chip: Chip) -> None:
        self._file = file
        self._chip = chip
        self._taken: dict[int, str] = {}

    def off_at_reset(self, key: str, pin: int, safe_level: int) -> int:
        """Take a pin that must stay at `safe_level` while the chip resets."""
        moving = self._chip.low_at_reset if safe_level else self._chip.high_at_reset
        if pin in moving:
            way = "low for a moment" if safe_level else "high"
            self._refuse(key, f"GPIO {pin} goes {way} during reset{self.free(safe_level)}")
        return self.drive(key, pin)

    def drive(self, key: str, pin: int) -> int:
        """Take a pin that drives something."""
        why = self._chip.output_refusal(pin)
        if why is not None:
            self._refuse(key, f"{why}{self.free()}")
        return self.take(key, pin)

    def listen(self, key: str, pin: int) -> int:
        """Take a pin that something else drives."""
        why = self._chip.refusal(pin)
        if why is not None:
            self._refuse(key, f"{why}{self.free()}")
        return self.take(key, pin)

    def pull_up(self, key: str, pin: int) -> int:
        """Take a pin that the chip itself pulls up."""
        why = self._chip.output_refusal(pin)
        if why is not None:
            self._refuse(key, f"{why}: it needs a pull-up that the chip switches on{self.free()}")
        return self.take(key, pin)

    def analog(self, key: str, pin: int | None) -> int:
        """Take a pin for the chip's own converter."""
        if pin is None:
            self._refuse(key, "missing: the GPIO whose voltage is read")
        why = self._chip.refusal(pin) or self._chip.analog_refusal(pin)
        if why is not None:
            self._refuse(key, f"{why}; {self.analog_pins()}")
        return self.take(key, pin)

    def analog_pins(self) -> str:
        """Return what the chip's own converter can read, in words."""
        free = sorted(p for p in self._chip.adc1 - set(self._taken) if not self._chip.refusal(p))
        return f"readable here: {', '.join(map(str, free)) or 'none'}"

    def take(self, key: str, pin: int) -> int:
        """Take a pin, whatever it can do."""
        if pin in self._taken:
            self._refuse(key, f"GPIO {pin} is taken by {self._taken[pin]}{self.free()}")
        self._taken[pin] = key
        return pin

    def free(self, safe_level: int = 0) -> str:
        """Return which pins may still drive something that is off at `safe_level`, in words."""
        free = self._chip.free_outputs(frozenset(self._taken), safe_level)
        return f"; free here: {', '.join(str(pin) for pin in free) or 'none'}"

    def _refuse(self, key: str, why: str) -> NoReturn:
        raise BoardError(self._file, key, why)
