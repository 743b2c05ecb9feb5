"""PCF8574 and PCF8574A: I2C expander with eight outputs for relays that are on at a low level.

NXP PCF8574/74A rev. 5: no registers, a byte written is the level of the pins. After power-up all
are high, held by 100 uA: only a load that is off when high may be there. The part cannot be reset
and keeps its outputs while the program is dead or its bus hangs. A pin of the chip therefore
switches the supply of its relays or loads: 10 k to ground hold that off while the chip resets, and
it is on only while an output is on that was read back. As a byte that interference leads to the
part switches relays, all are written and read back once a second meanwhile.
"""

from idro.drivers.shared.expander_pin import ExpanderPin
from idro.errors import FAILURES

_ALL_OFF = b"\x01" * 8
_ATTEMPTS = 3
_REFRESH_MS = 1_000


def build(spec, i2c, off, sleep_us):
    """Return the Pcf8574 of a board's expander entry; `off` is the pin of the supply switch."""
    return Pcf8574(i2c, spec["address"], off)


class Pcf8574:
    """One expander; `supply` is a machine.Pin output. All outputs start off."""

    def __init__(self, i2c, address, supply):
        self._i2c = i2c
        self._address = address
        self._supply = supply
        # One element a pin: a cut-off may fire while another pin is driven.
        self._levels = bytearray(_ALL_OFF)
        self._halts = 0
        self.on_halt = []  # called when every output is switched off
        self.halt()

    def output(self, number, safe_level):
        """Return pin P`number` as an output. `safe_level` is 1, the level after power-up."""
        return ExpanderPin(self, number, safe_level)

    def watch(self, timer, clock):
        """Have the CutoffTimer call refresh() once a second."""
        timer.add(_Refresh(self, clock))

    def refresh(self):
        """Write and read back the outputs if one is on; all go off if they do not follow.

        If none is on, the supply goes off: a cut-off may have fired before drive() wrote it."""
        if self._levels == _ALL_OFF:
            self._supply.value(0)
        else:
            try:  # noqa: SIM105  (MicroPython has no contextlib)
                self.drive(0, self._levels[0])
            except FAILURES:
                pass  # drive() has called halt()

    def halt(self):
        """Switch every output off, without the bus."""
        self._levels[:] = _ALL_OFF
        self._halts += 1
        self._supply.value(0)
        for lost in self.on_halt:
            lost()

    def drive(self, number, level):
        """Drive a pin. Raises OSError, with every output off, if the part does not follow,
        and MemoryError."""
        halts = self._halts
        self._levels[number] = level
        failure = OSError("it does not follow")
        for _ in range(_ATTEMPTS):
            try:
                self._i2c.writeto(self._address, self._port())
                # Compare with the current levels: a cut-off may have fired since the write.
                if self._i2c.readfrom(self._address, 1) == self._port():
                    self._supply.value(0 if self._levels == _ALL_OFF else 1)
                    # A cut-off that fired meanwhile and failed has called halt().
                    if self._halts == halts:
                        return
                    break
            except FAILURES as error:
                failure = error
        self.halt()
        raise failure

    def _port(self):
        port = 0
        for number, level in enumerate(self._levels):
            port |= level << number
        return bytes((port,))


class _Refresh:
    """Stands among the cut-offs of a CutoffTimer: what is due there is written again."""

    def __init__(self, expander, clock):
        self._expander = expander
        self._clock = clock
        self.drive_safe = expander.halt
        self.until_ms = 0

    def halt(self):
        self._expander.refresh()
        self.until_ms = self._clock.now_ms() + _REFRESH_MS
