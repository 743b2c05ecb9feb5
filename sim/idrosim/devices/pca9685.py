"""PCA9685 at register level (NXP PCA9685 rev. 4): sixteen 12-bit PWM outputs and the OE line.

Power-on state (7.3): asleep, every output full-off, one register per transfer, totem-pole outputs
that are low while OE is high. New counts of an output take effect at the stop of a transfer
(OCH = 0). A write that the datasheet forbids or leaves undefined is an assertion.
"""

from idrosim.devices.shared.part_faults import ENODEV, FaultyPart, acknowledge

_MODE1, _MODE2, _FIRST_LED, _LAST_LED = 0x00, 0x01, 0x06, 0x45
_ALL_LED, _LAST_ALL_LED, _PRESCALE = 0xFA, 0xFD, 0xFE
_RESTART, _EXTERNAL, _AUTO, _SLEEP, _ALL_CALL = 0x80, 0x40, 0x20, 0x10, 0x01
_INVERT, _ON_ACK, _TOTEM_POLE, _OE_HIGH = 0x10, 0x08, 0x04, 0x03
_FULL = 0x10  # bit 4 of a high byte: full on or full off
_COUNTS = 4_096
_PINS = 16
_OSCILLATOR_US = 500
_POWER_ON = b"\x11\x04\xe2\xe4\xe8\xe0" + b"\x00\x00\x00\x10" * _PINS
_POWER_ON_PRESCALE = 0x1E
SOFTWARE_RESET = b"\x06"


class Pca9685(FaultyPart):
    """One part. `on_change(number, duty)` is called when an output changes: 0, 1 or a share.

    fault: None, "unplugged" (no acknowledge, outputs stay) or "stuck" (acknowledges and ignores
    writes).
    """

    FAULTS = ("unplugged", "stuck")

    def __init__(self, clock):
        self._clock = clock
        self.on_change = None
        self._oe_level = 1  # its pull-up
        self._registers = bytearray(len(_POWER_ON))
        self._duties = [0] * _PINS
        self.power_cycle()

    def power_cycle(self):
        """Reset registers and pointer to their power-on values."""
        self._registers[:] = _POWER_ON
        self._prescale = _POWER_ON_PRESCALE
        self._pointer = 0
        self._awake_us = None  # start time of the oscillator
        self._is_stopped = False  # awake with RESTART set: PWM waits for a restart
        self._report_changes()

    @property
    def freq_hz(self):
        """PWM frequency of all outputs, from the 25 MHz oscillator (equation 1)."""
        return 25_000_000 / (_COUNTS * (self._prescale + 1))

    def set_level(self, level):
        """Set the level of the OE line; high drives all outputs low."""
        self._oe_level = level
        self._report_changes()

    def write(self, data):
        """Handle a write: the pointer, and bytes for the registers from there."""
        acknowledge(self)
        assert data, "pca9685: empty write"
        self._pointer = data[0]
        is_led = False
        for byte in data[1:]:
            place = self._pointer
            is_led = is_led or _is_led(place)
            if self._fault != "stuck":
                self._put(place, byte)
            self._move_on()
        if is_led and self._fault != "stuck":
            # A new duty and a stop condition also clear RESTART (7.3.1.1).
            self._registers[_MODE1] &= ~_RESTART & 0xFF
            self._is_stopped = False
        self._report_changes()

    def read(self, count):
        """Return `count` registers, starting at the pointer."""
        acknowledge(self)
        content = bytearray(count)
        for index in range(count):
            content[index] = self._get(self._pointer)
            self._move_on()
        return bytes(content)

    def general_call(self, data):
        """Handle a write to address 0: SWRST (7.1.4) resets, others are ignored."""
        if self._fault != "stuck" and data == SOFTWARE_RESET:
            self.power_cycle()

    @property
    def answers_all_call(self):
        """True if the part accepts writes to the LED All Call address 0x70."""
        return bool(self._registers[_MODE1] & _ALL_CALL)

    def state(self):
        """Return the state that survives a reset of the board, JSON-able."""
        return {
            "registers": list(self._registers), "prescale": self._prescale,
            "pointer": self._pointer, "awake_us": self._awake_us, "is_stopped": self._is_stopped}

    def restore(self, state):
        """Restore what `state` returned."""
        self._registers[:] = bytes(state["registers"])
        self._prescale = state["prescale"]
        self._pointer = state["pointer"]
        self._awake_us = state["awake_us"]
        self._is_stopped = state["is_stopped"]
        self._report_changes()

    def _move_on(self):
        if self._registers[_MODE1] & _AUTO:
            self._pointer = 0 if self._pointer in (_LAST_LED, 0xFF) else self._pointer + 1

    def _get(self, place):
        if place <= _LAST_LED:
            return self._registers[place]
        if place == _PRESCALE:
            return self._prescale
        assert _ALL_LED <= place <= _LAST_ALL_LED, f"pca9685: register {place:02x} read"
        return 0  # write-only

    def _put(self, place, byte):
        if place == _MODE1:
            self._set_mode1(byte)
        elif place == _PRESCALE:
            assert self._registers[_MODE1] & _SLEEP, "pca9685: PRESCALE written while awake"
            assert byte >= 3, f"pca9685: prescale {byte}"
            self._prescale = byte
        elif _ALL_LED <= place <= _LAST_ALL_LED:
            for number in range(_PINS):
                self._set_led(_FIRST_LED + 4 * number + place - _ALL_LED, byte)
        elif _FIRST_LED <= place <= _LAST_LED:
            self._set_led(place, byte)
        else:
            assert place < _FIRST_LED, f"pca9685: register {place:02x} written"
            if place == _MODE2:
                assert not byte & (_INVERT | _ON_ACK | _OE_HIGH), f"pca9685: MODE2 {byte:02x}"
                assert byte & _TOTEM_POLE, "pca9685: open drain, which cannot drive a MOSFET"
            self._registers[place] = byte

    def _set_led(self, place, byte):
        is_high_byte = (place - _FIRST_LED) & 1
        assert not is_high_byte or byte <= 0x1F, f"pca9685: register {place:02x} is {byte:02x}"
        self._registers[place] = byte

    def _set_mode1(self, byte):
        assert not byte & _EXTERNAL, "pca9685: external clock is not simulated"
        before = self._registers[_MODE1]
        was_asleep, sleeps = before & _SLEEP, byte & _SLEEP
        restart = before & _RESTART
        if sleeps and not was_asleep:
            if any(0 < duty < 1 for duty in self._set_duties()):
                restart = _RESTART
            self._awake_us = None
        elif was_asleep and not sleeps:
            self._awake_us = self._clock.now_us
            self._is_stopped = bool(restart)
        if byte & _RESTART and restart and not sleeps:
            assert self._is_settled(), "pca9685: RESTART within 500 us of waking"
            restart = 0
            self._is_stopped = False
        self._registers[_MODE1] = restart | byte & ~_RESTART

    def _is_settled(self):
        return (self._awake_us is not None
                and self._clock.now_us - self._awake_us >= _OSCILLATOR_US)

    def _set_duties(self):
        """Return the duty of each output by its registers: 0, 1 or a share."""
        found = []
        for number in range(_PINS):
            place = _FIRST_LED + 4 * number
            on_low, on_high, off_low, off_high = self._registers[place:place + 4]
            if off_high & _FULL:
                found.append(0)
            elif on_high & _FULL:
                found.append(1)
            else:
                count = ((off_high << 8 | off_low) - (on_high << 8 | on_low)) % _COUNTS
                assert count, f"pca9685: output {number} switches on and off at the same count"
                found.append(count / _COUNTS)
        return found

    def _report_changes(self):
        now = [0] * _PINS
        is_running = not self._registers[_MODE1] & _SLEEP and not self._is_stopped
        if self._oe_level == 0 and is_running:
            now = self._set_duties()
            assert self._is_settled() or not any(now), "pca9685: used within 500 us of waking"
        before, self._duties = self._duties, now
        if self.on_change is None:
            return
        for number in range(_PINS):
            if now[number] != before[number]:
                self.on_change(number, now[number])


class GeneralCall:
    """Address 0 of a bus: writes go to every part."""

    def __init__(self):
        self.parts = []

    @property
    def fault(self):
        """Return "unplugged" if every part has a fault, else None."""
        return None if any(part.fault is None for part in self.parts) else "unplugged"

    def write(self, data):
        """Pass a write to the parts."""
        acknowledge(self)
        for part in self.parts:
            if part.fault != "unplugged":
                part.general_call(data)

    def read(self, count):
        """Raise OSError: a general call cannot be read."""
        raise OSError(ENODEV)


class AllCall(GeneralCall):
    """Address 0x70: writes the same registers of every part."""

    @property
    def fault(self):
        """Return "unplugged" if no part without a fault has ALLCALL set, else None."""
        is_there = any(p.answers_all_call and p.fault is None for p in self.parts)
        return None if is_there else "unplugged"

    def write(self, data):
        """Pass a write to the parts that have ALLCALL set."""
        acknowledge(self)
        for part in self.parts:
            if part.answers_all_call and part.fault != "unplugged":
                part.write(data)


def _is_led(place):
    return _FIRST_LED <= place <= _LAST_LED or _ALL_LED <= place <= _LAST_ALL_LED
