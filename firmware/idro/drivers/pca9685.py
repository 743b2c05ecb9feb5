"""PCA9685: I2C expander with sixteen outputs, each on, off or dimmed in 4096 steps.

NXP PCA9685 rev. 4. The part keeps driving its outputs while the program is dead, and a reset of
the chip does not clear them. A pin of the chip therefore drives its OE line: while high, all
outputs are low. 10 k to 3.3 V hold it high while the chip resets, then boot does; it goes low only
after the registers are read back. When the bus fails it goes high again, so a cut-off needs no
working bus.
"""

import struct

from idro.errors import FAILURES

_MODE1, _MODE2, _FIRST_LED, _ALL_LED, _PRESCALE = 0x00, 0x01, 0x06, 0xFA, 0xFE
_ASLEEP, _AWAKE = 0x30, 0x20  # auto-increment, no all-call address
_TOTEM_POLE = 0x04  # outputs are low while OE is high
_MODES = bytes((_AWAKE, _TOTEM_POLE))
_ALL_OFF = b"\x00\x00\x00\x10"
_PINS = 16
_FULL = 4_096
_OSCILLATOR_HZ = 25_000_000
_OSCILLATOR_US = 500  # from wake-up until outputs may be used
_ATTEMPTS = 3


def build(spec, i2c, off, sleep_us):
    """Return the Pca9685 of a board's expander entry; `off` is the pin at OE, an output."""
    return Pca9685(i2c, spec["address"], off, spec["freq_hz"], sleep_us)


class Pca9685:
    """One expander; `oe` is a machine.Pin output. All outputs start off."""

    def __init__(self, i2c, address, oe, freq_hz, sleep_us):
        self._i2c = i2c
        self._address = address
        self._oe = oe
        self._sleep_us = sleep_us
        # Equation 1: 25 MHz / (4096 (prescale + 1)), rounded to the nearest.
        self._prescale = (_OSCILLATOR_HZ + 2_048 * freq_hz) // (_FULL * freq_hz) - 1
        # One element an output: a cut-off may fire while another output is driven.
        self._duties = [0] * _PINS
        self._read_back = bytearray(4 * _PINS)
        self.on_halt = []  # called when every output is switched off
        self.halt()

    def output(self, number, safe_level):
        """Return output `number` as a pin. `safe_level` is 0, the level OE forces."""
        return OutputPin(self, number)

    def pwm(self, number):
        """Return output `number` as a PWM for a dimmer."""
        return OutputPin(self, number)

    def halt(self):
        """Switch every output off, without the bus."""
        self._oe.value(1)
        for number in range(_PINS):
            self._duties[number] = 0
        # A cut-off amid this loop may have set the part up again, with the duties that were left.
        self._is_set_up = False
        self._oe.value(1)
        for lost in self.on_halt:
            lost()

    def drive(self, number, counts):
        """Drive an output high for `counts` of 4096. Raises OSError or MemoryError, with all off,
        if it fails."""
        self._duties[number] = counts
        failure = OSError("it does not follow")
        first, count = number, 1
        for _ in range(_ATTEMPTS):
            try:
                if not (self._is_set_up and self._is_in_mode()):
                    self._set_up()
                    first, count = 0, _PINS
                self._write(_FIRST_LED + 4 * first, self._counts(first, count))
                if self._is_verified():
                    self._oe.value(0)
                    # A cut-off that fired meanwhile and failed has set halt().
                    if self._is_set_up:
                        return
                    self._oe.value(1)
            except FAILURES as error:
                failure = error
            # Another output's cut-off may have fired: write all outputs.
            first, count = 0, _PINS
        self.halt()
        raise failure

    def _set_up(self):
        """Wake the part from any state with all outputs off, while OE is high."""
        self._oe.value(1)
        self._write(_MODE1, bytes((_ASLEEP,)))
        self._write(_MODE2, bytes((_TOTEM_POLE,)))
        self._write(_ALL_LED, _ALL_OFF)
        self._write(_PRESCALE, bytes((self._prescale,)))
        self._write(_MODE1, bytes((_AWAKE,)))
        self._sleep_us(_OSCILLATOR_US)
        self._is_set_up = True

    def _is_in_mode(self):
        """True unless the part lost its supply, and with it its settings."""
        i2c, address = self._i2c, self._address
        modes = i2c.readfrom_mem(address, _MODE1, 2)
        prescale = i2c.readfrom_mem(address, _PRESCALE, 1)
        return modes == _MODES and prescale[0] == self._prescale

    def _is_verified(self):
        # Compare with the current duties: a cut-off may have fired since the write.
        self._i2c.readfrom_mem_into(self._address, _FIRST_LED, self._read_back)
        return self._is_in_mode() and self._read_back == self._counts(0, _PINS)

    def _counts(self, first, count):
        """Return the registers of `count` outputs: the counts at which each goes on and off."""
        registers = b""
        for number in range(first, first + count):
            duty = self._duties[number]
            if duty == 0:
                registers += _ALL_OFF
            else:
                registers += struct.pack("<HH", _FULL if duty == _FULL else 0, duty % _FULL)
        return registers

    def _write(self, register, data):
        self._i2c.writeto_mem(self._address, register, data)


class OutputPin:
    """One output with the `value` method of machine.Pin and `duty_u16` of machine.PWM."""

    def __init__(self, expander, number):
        self._expander = expander
        self._number = number

    def value(self, level):
        """Drive the output on or off. Off never fails; on may raise OSError."""
        self._drive(_FULL if level else 0)

    def duty_u16(self, duty_u16):
        """Drive the output at 0..65535. 0 never fails; others may raise OSError."""
        self._drive((duty_u16 * _FULL + 32_767) // 65_535)

    def _drive(self, duty):
        try:
            self._expander.drive(self._number, duty)
        except FAILURES:
            if duty:
                raise

