"""What each chip's pins can do, as far as a greenhouse's wiring depends on it.

Sources: Espressif ESP32 datasheet v4.6 (pin overview, strapping pins, IO MUX reset state) and
ESP32-S3 datasheet v1.9 (the same, and its table of power-up glitches). A pin that the flash or
the PSRAM of some module uses counts as taken on all of them.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Chip:
    """The pins of one chip by what they must not be used for."""

    name: str
    pins: frozenset[int]
    flash: frozenset[int]
    input_only: frozenset[int]
    strapping: frozenset[int]
    console: frozenset[int]
    high_at_reset: frozenset[int]
    adc1: frozenset[int]
    adc2: frozenset[int]
    timers: int
    uarts: int  # besides the console's

    def output_refusal(self, pin: int) -> str | None:
        """Return why `pin` cannot drive anything, or None if it can."""
        return self.refusal(pin) or (
            f"GPIO {pin} is input-only on the {self.name}" if pin in self.input_only else None
        )

    def refusal(self, pin: int) -> str | None:
        """Return why `pin` cannot be wired to anything, or None if it can."""
        if pin not in self.pins:
            return f"the {self.name} has no GPIO {pin}"
        if pin in self.flash:
            return f"GPIO {pin} belongs to the flash of the {self.name}"
        if pin in self.strapping:
            return f"GPIO {pin} is a strapping pin of the {self.name}: its level decides the boot"
        if pin in self.console:
            return f"GPIO {pin} is the console of the {self.name}"
        return None

    def analog_refusal(self, pin: int) -> str | None:
        """Return why `pin` cannot be read by the chip's own converter, or None if it can."""
        if pin in self.adc2:
            return f"GPIO {pin} is on ADC2, which cannot be read while Wi-Fi runs"
        if pin not in self.adc1:
            return f"GPIO {pin} of the {self.name} has no converter"
        return None

    def free_outputs(self, used: frozenset[int]) -> list[int]:
        """Return the pins that may still drive an actuator, in order."""
        return [
            pin
            for pin in sorted(self.pins - used - self.high_at_reset)
            if self.output_refusal(pin) is None
        ]


def _pins(*spans: tuple[int, int]) -> frozenset[int]:
    return frozenset(pin for low, high in spans for pin in range(low, high + 1))


_ESP32 = Chip(
    name="esp32",
    pins=_pins((0, 19), (21, 23), (25, 27), (32, 39)),
    flash=_pins((6, 11)),
    input_only=_pins((34, 39)),
    strapping=frozenset({0, 2, 5, 12, 15}),
    console=frozenset({1, 3}),
    high_at_reset=frozenset({14}),
    adc1=_pins((32, 39)),
    adc2=frozenset({0, 2, 4, 12, 13, 14, 15, 25, 26, 27}),
    timers=4,
    uarts=2,
)

_ESP32S3 = Chip(
    name="esp32s3",
    pins=_pins((0, 21), (26, 48)),
    flash=_pins((26, 37)),
    input_only=frozenset(),
    strapping=frozenset({0, 3, 45, 46}),
    console=frozenset({19, 20, 43, 44}),
    high_at_reset=frozenset({18}),
    adc1=_pins((1, 10)),
    adc2=_pins((11, 20)),
    timers=4,
    uarts=2,
)

CHIPS = {chip.name: chip for chip in (_ESP32, _ESP32S3)}
