"""Pins and limits of the supported chips, those that have modules with PSRAM.

Sources: Espressif ESP32 datasheet v4.6 (pin overview, strapping pins, IO MUX reset state),
ESP32-S3 datasheet v1.9 (the same, and its table of power-up glitches) and ESP32-S2 datasheet; all
of them for the peak current of 802.11b at full power. A pin that the flash or PSRAM of any module
uses counts as used on all modules.
The ADC range is that of the highest attenuation: on the ESP32 as in the datasheet, on the others
less the calibrated error at both ends, where a signal cannot be distinguished from none or from
an overrange.
"""

from dataclasses import dataclass

from idroserra.core.text import Text
from idroserra.i18n.marker import N_


@dataclass(frozen=True)
class Chip:
    """One chip: its pins by restriction, and its peripherals."""

    name: str
    pins: frozenset[int]
    flash: frozenset[int]
    psram: frozenset[int]
    input_only: frozenset[int]
    strapping: frozenset[int]
    console: frozenset[int]
    high_at_reset: frozenset[int]
    low_at_reset: frozenset[int]  # pulled low for a moment, against any resistor
    adc1: frozenset[int]
    adc2: frozenset[int]
    adc_range_mv: tuple[int, int]  # usable range of the ADC
    adc_error_mv: int  # of a calibrated reading in that range
    uarts: int  # without the console's
    i2cs: int
    radio_ma: int  # peak current at 3.3 V while Wi-Fi transmits
    counters: int = 4  # PCNT units

    def output_refusal(self, pin: int) -> str | None:
        """Return why `pin` cannot be an output, or None if it can."""
        why = self.refusal(pin)
        if why is None and pin in self.input_only:
            return Text(N_("GPIO {pin} is input-only on the {chip}"), pin=pin, chip=self.name)
        return why

    def refusal(self, pin: int) -> str | None:
        """Return why `pin` cannot be used, or None if it can."""
        values = {"pin": pin, "chip": self.name}
        if pin not in self.pins:
            return Text(N_("the {chip} has no GPIO {pin}"), **values)
        if pin in self.flash:
            return Text(N_("GPIO {pin} belongs to the flash of the {chip}"), **values)
        if pin in self.psram:
            return Text(N_("GPIO {pin} belongs to the PSRAM of the {chip}"), **values)
        if pin in self.strapping:
            return Text(N_("GPIO {pin} is a strapping pin of the {chip}: its level decides the "
                           "boot"), **values)
        if pin in self.console:
            return Text(N_("GPIO {pin} is the console of the {chip}"), **values)
        return None

    def analog_refusal(self, pin: int) -> str | None:
        """Return why the chip's ADC cannot read `pin`, or None if it can."""
        if pin in self.adc2:
            return Text(N_("GPIO {pin} is on ADC2, which cannot be read while Wi-Fi runs"),
                        pin=pin)
        if pin not in self.adc1:
            return Text(N_("GPIO {pin} of the {chip} has no ADC"), chip=self.name, pin=pin)
        return None

    def free_outputs(self, used: frozenset[int], safe_level: int = 0) -> list[int]:
        """Return the unused pins that can drive an actuator that is off at `safe_level`."""
        moving = self.low_at_reset if safe_level else self.high_at_reset
        return [pin for pin in sorted(self.pins - used - moving)
                if self.output_refusal(pin) is None]


def _pins(*spans: tuple[int, int]) -> frozenset[int]:
    return frozenset(pin for low, high in spans for pin in range(low, high + 1))


_ESP32 = Chip(
    name="esp32", pins=_pins((0, 19), (21, 23), (25, 27), (32, 39)), flash=_pins((6, 11)),
    psram=frozenset({16, 17}), input_only=_pins((34, 39)),
    strapping=frozenset({0, 2, 5, 12, 15}), console=frozenset({1, 3}),
    high_at_reset=frozenset({14}), low_at_reset=frozenset(), adc1=_pins((32, 39)),
    adc2=frozenset({0, 2, 4, 12, 13, 14, 15, 25, 26, 27}), adc_range_mv=(150, 2_450),
    adc_error_mv=60, uarts=2, i2cs=2, radio_ma=240, counters=8)

_ESP32S3 = Chip(
    name="esp32s3", pins=_pins((0, 21), (26, 48)), flash=_pins((27, 32)),
    psram=frozenset({26}) | _pins((33, 37)), input_only=frozenset(),
    strapping=frozenset({0, 3, 45, 46}), console=frozenset({19, 20, 43, 44}),
    high_at_reset=frozenset({18}), low_at_reset=_pins((1, 18)), adc1=_pins((1, 10)),
    adc2=_pins((11, 20)), adc_range_mv=(50, 2_850), adc_error_mv=50, uarts=2, i2cs=2,
    radio_ma=340)

# GPIO 19 and 20 are USB, 43 and 44 UART 0: either may be the console. GPIO 39 (MTCK) is pulled up
# during reset. The datasheet has no table of glitches: those of the ESP32-S3 are assumed.
_ESP32S2 = Chip(
    name="esp32s2", pins=_pins((0, 21), (26, 46)), flash=_pins((27, 32)), psram=frozenset({26}),
    input_only=frozenset({46}), strapping=frozenset({0, 45, 46}),
    console=frozenset({19, 20, 43, 44}), high_at_reset=frozenset({18, 39}),
    low_at_reset=_pins((1, 18)), adc1=_pins((1, 10)), adc2=_pins((11, 20)),
    adc_range_mv=(35, 2_465), adc_error_mv=35, uarts=1, i2cs=2, radio_ma=310)

CHIPS = {chip.name: chip for chip in (_ESP32, _ESP32S2, _ESP32S3)}

BUY = ("buy a board with an ESP32-S3 N16R8 module (recommended) or an ESP32-WROVER module, or a "
       "LOLIN S2 mini")


# Other chips of MicroPython whose modules have no PSRAM.
WITHOUT_PSRAM = ("esp32c2", "esp32c3", "esp32c6", "esp32h2", "esp8266")


def unknown_chip(name: str) -> str:
    """Return why a board file cannot name this chip, and what to buy if it has no PSRAM."""
    known = f"known: {', '.join(CHIPS)}"
    if name in WITHOUT_PSRAM:
        return f"{name} is not supported: it has no PSRAM, {BUY}; {known}"
    return f"unknown chip {name:.20}; {known}"
