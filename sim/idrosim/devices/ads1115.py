"""ADS1115 ADC at register level (TI SBAS444D), with its timing.

A conversion takes 1/data rate plus the 10 % tolerance of the datasheet, and 25 us to wake. A
single-shot conversion samples at its start. In continuous mode (9.4.2.2) the input is sampled
when a new result is read. New settings take effect when the running conversion ends. Reading
before the first conversion of new settings would return another input: an assertion.
"""

import math

from idrosim.devices.shared.part_faults import acknowledge

_WAKE_US = 25
_RESET_CONFIG = 0x8583
_FULL_SCALE_V = (6.144, 4.096, 2.048, 1.024, 0.512, 0.256, 0.256, 0.256)
_RATES_SPS = (8, 16, 32, 64, 128, 250, 475, 860)
# MUX 0..3: positive and negative input; 4..7: one input against ground.
_DIFFERENTIAL = ((0, 1), (0, 3), (1, 3), (2, 3))


class Ads1115:
    """One part. `inputs` holds four callables that return volts, None for an open input.

    fault: None, "unplugged" (no acknowledge), "stuck" (every conversion gives the last code) or
    "swapped" (the cables of the first two inputs).
    """

    def __init__(self, clock):
        self._clock = clock
        self.inputs = [None, None, None, None]
        self.fault = None
        self.power_cycle()

    def power_cycle(self):
        """Reset the registers."""
        self._config = _RESET_CONFIG & 0x7FFF
        self._thresholds = [0x8000, 0x7FFF]
        self._pointer = 0
        self._code = 0
        self._next_code = 0
        self._done_us = None  # when a single conversion ends
        self._begin_us = None  # when continuous conversions with these settings begin
        self._period_us = 0
        self._ended = 0  # number of conversions at the last read

    def write(self, data):
        """Handle an I2C write: the pointer, and two bytes for the register it selects."""
        acknowledge(self)
        size = len(data)
        assert size == 1 or size == 3, f"ads1115: write of {size} bytes"
        pointer = self._pointer = data[0]
        assert pointer <= 3, f"ads1115: reserved bits set in pointer {pointer:02x}"
        if size == 1:
            return
        word = data[1] << 8 | data[2]
        assert pointer != 0, "ads1115: the conversion register is read-only"
        if pointer == 1:
            self._configure(word)
        else:
            self._thresholds[pointer - 2] = word

    def read(self, count):
        """Return `count` bytes of the selected register."""
        acknowledge(self)
        assert count <= 2, f"ads1115: read of {count} bytes"
        pointer = self._pointer
        if pointer == 0:
            word = self._conversion() & 0xFFFF
        elif pointer == 1:
            word = self._config | (0 if self._is_converting() else 0x8000)
        else:
            word = self._thresholds[pointer - 2]
        answer = bytes((word >> 8, word & 0xFF))
        return answer if count == 2 else answer[:count]

    def _configure(self, word):
        now_us = self._clock.now_us
        begin_us = self._begin_us
        is_single = word & 0x0100
        if begin_us is None:
            assert not self._is_converting(), "ads1115: config written during a conversion"
            self._conversion()
            starts_us = now_us + _WAKE_US
        else:
            period_us = self._period_us
            starts_us = begin_us + ((now_us - begin_us) // period_us + 1) * period_us
            assert not (is_single and word & 0x8000), "ads1115: started while it converts"
        self._config = word & 0x7FFF
        self._period_us = 10_000_000 // (9 * _RATES_SPS[word >> 5 & 7])
        self._begin_us = None if is_single else starts_us
        self._ended = 0
        if is_single and word & 0x8000:
            if self.fault != "stuck":
                self._next_code = self._sample()
            self._done_us = starts_us + self._period_us

    def _is_converting(self):
        """Return True during a single-shot conversion, and in continuous mode."""
        done_us = self._done_us
        return self._begin_us is not None or (done_us is not None and self._clock.now_us < done_us)

    def _conversion(self):
        """Return the code in the conversion register."""
        begin_us = self._begin_us
        if begin_us is not None:
            ended = (self._clock.now_us - begin_us) // self._period_us
            assert ended > 0, "ads1115: read before the first conversion of its settings is done"
            if ended != self._ended:
                self._ended = ended
                if self.fault != "stuck":
                    self._code = self._sample()
        elif self._done_us is not None:
            assert not self._is_converting(), "ads1115: read before the conversion is done"
            self._done_us = None
            self._code = self._next_code
        return self._code

    def _sample(self):
        config = self._config
        mux = config >> 12 & 7
        if mux >= 4:
            volts = self._volts(mux - 4)
        else:
            positive, negative = _DIFFERENTIAL[mux]
            volts = self._volts(positive) - self._volts(negative)
        code = math.floor(volts * 32768 / _FULL_SCALE_V[config >> 9 & 7] + 0.5)
        if code > 32767:
            return 32767
        return -32768 if code < -32768 else code

    def _volts(self, channel):
        if self.fault == "swapped" and channel < 2:
            channel = 1 - channel
        source = self.inputs[channel]
        # The board pulls an open input to ground through 1 Mohm.
        return 0.0 if source is None else source()
