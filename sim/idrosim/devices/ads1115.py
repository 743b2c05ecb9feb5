"""ADS1115 at register level (TI SBAS444D): what an I2C master sees, at the time it sees it.

A conversion takes 1/data rate, 10 % slow at worst as the datasheet allows, plus 25 us to wake. It
samples when it starts; the conversion register keeps the previous result until it is done.
"""

import math

_ENODEV = 19
_WAKE_US = 25
_RESET_CONFIG = 0x8583
_FULL_SCALE_V = (6.144, 4.096, 2.048, 1.024, 0.512, 0.256, 0.256, 0.256)
_RATES_SPS = (8, 16, 32, 64, 128, 250, 475, 860)
# MUX 0..3: positive and negative input; 4..7: one input against ground.
_DIFFERENTIAL = ((0, 1), (0, 3), (1, 3), (2, 3))


class Ads1115:
    """One part. `inputs` holds four callables that return volts, None for an open input.

    fault: None, "unplugged" (no acknowledge) or "stuck" (every conversion gives the last code).
    """

    def __init__(self, clock):
        self._clock = clock
        self.inputs = [None, None, None, None]
        self.fault = None
        self.power_cycle()

    def power_cycle(self):
        """Take the registers back to their reset values."""
        self._config = _RESET_CONFIG & 0x7FFF
        self._thresholds = [0x8000, 0x7FFF]
        self._pointer = 0
        self._code = 0
        self._next_code = 0
        self._done_us = None

    def write(self, data):
        """Take one I2C write: the pointer, and two bytes for the register it points to."""
        if self.fault == "unplugged":
            raise OSError(_ENODEV)
        size = len(data)
        assert size == 1 or size == 3, f"ads1115: write of {size} bytes"
        assert data[0] <= 3, f"ads1115: reserved bits set in pointer {data[0]:02x}"
        self._pointer = data[0]
        if size == 1:
            return
        word = data[1] << 8 | data[2]
        assert self._pointer != 0, "ads1115: the conversion register is read-only"
        if self._pointer == 1:
            self._configure(word)
        else:
            self._thresholds[self._pointer - 2] = word

    def read(self, count):
        """Return `count` bytes of the register pointed to."""
        if self.fault == "unplugged":
            raise OSError(_ENODEV)
        assert count <= 2, f"ads1115: read of {count} bytes"
        self._settle()
        if self._pointer == 0:
            word = self._code & 0xFFFF
        elif self._pointer == 1:
            word = self._config | (0x8000 if self._done_us is None else 0)
        else:
            word = self._thresholds[self._pointer - 2]
        answer = bytes((word >> 8, word & 0xFF))
        return answer if count == 2 else answer[:count]

    def _configure(self, word):
        self._settle()
        assert self._done_us is None, "ads1115: config written during a conversion"
        assert word & 0x0100, "ads1115: continuous mode, which no board of ours uses"
        self._config = word & 0x7FFF
        if word & 0x8000:
            if self.fault != "stuck":
                self._next_code = self._sample()
            period_us = 1_100_000 // _RATES_SPS[word >> 5 & 7]
            self._done_us = self._clock.now_us + _WAKE_US + period_us

    def _settle(self):
        if self._done_us is not None and self._clock.now_us >= self._done_us:
            self._done_us = None
            self._code = self._next_code

    def _sample(self):
        mux = self._config >> 12 & 7
        if mux >= 4:
            volts = self._volts(mux - 4)
        else:
            positive, negative = _DIFFERENTIAL[mux]
            volts = self._volts(positive) - self._volts(negative)
        full_scale_v = _FULL_SCALE_V[self._config >> 9 & 7]
        code = math.floor(volts * 32768 / full_scale_v + 0.5)
        return min(32767, max(-32768, code))

    def _volts(self, channel):
        source = self.inputs[channel]
        # The 1 Mohm at every input of the board takes an open one to ground.
        return 0.0 if source is None else source()
