"""The ADC of ESP32 chips: raw codes of the silicon and calibrated microvolts.

ESP32 (datasheet v4.6 4.1.2, ESP-IDF esp_adc line fitting): code = (V - offset) / gain. The gain
follows a 1.1 V reference that differs by 6 % from chip to chip. Below the offset, 142 mV at 11 dB,
every code is 0 and calibrates to the offset; above 2.6 V codes rise faster and end at 4095 near
3.15 V, so readings there are too high. Chips from before 2018 do not store their reference and
assume 1.1 V. ESP32-S3 and -S2 are calibrated from 0 V, and saturate below their supply voltage.
All have noise of some codes. MicroPython reads the ESP32-S2 with 13 bits (ports/esp32/adc.h).
"""

from idrosim.devices.shared.part_faults import FaultyPart

_BITS = {"esp32": 12, "esp32s2": 13, "esp32s3": 12}
_NOMINAL_MV = 1_100
_NOISE_CODES = 6
_11_DB = 3
# By attenuation: ESP-IDF's scale of ADC1 (mV per code is reference * scale / 2^28) and offset.
_SCALES = (57_431, 76_236, 105_481, 196_602)
_OFFSETS_MV = (75, 78, 107, 142)
_BEND_MV = 2_600
_BEND_CODES_MV2 = 0.001193  # so that 3.15 V is the last code
# By chip: pins of ADC1, which Wi-Fi does not use, and mV of the last code.
_CHIPS = {
    "esp32": (range(32, 40), None),
    "esp32s3": (range(1, 11), (950, 1_250, 1_750, 3_100)),
    "esp32s2": (range(1, 11), (750, 1_050, 1_300, 2_500)),
}
# Error after calibration at 11 dB, from the datasheets.
ERRORS_MV = {"esp32": 60, "esp32s3": 50, "esp32s2": 35}


class Esp32Adc(FaultyPart):
    """One converter. `inputs` maps pins to callables that return volts; others are at ground.

    vref_mv is the true reference, efuse_mv the stored one (None on old silicon), error_mv an
    error outside the calibration. fault: None, "unplugged" (the pull-downs of the board take every
    input to ground) or "stuck" (repeats the last code).
    """

    FAULTS = ("unplugged", "stuck")

    def __init__(self, chip, rng, vref_mv=_NOMINAL_MV, efuse_mv=_NOMINAL_MV, error_mv=0.0):
        self._pins, self._tops_mv = _CHIPS[chip]
        self.bits = _BITS[chip]
        self._top = (1 << self.bits) - 1
        self._rng = rng
        self._vref_mv = vref_mv
        self._stored_mv = _NOMINAL_MV if efuse_mv is None else efuse_mv
        self._error_mv = error_mv
        self._codes = {}  # last code by pin
        self.inputs = {}

    def has(self, pin):
        """Return True if `pin` can be read while Wi-Fi runs."""
        return pin in self._pins

    def code(self, pin, atten):
        """Return the current code of `pin`, from 0, at attenuation 0 (none) to 3 (11 dB)."""
        if self._fault == "stuck":
            return self._codes.get(pin, 0)
        source = self.inputs.get(pin)
        volts = 0.0 if source is None or self._fault == "unplugged" else source()
        input_mv = volts * 1_000.0 + self._error_mv if volts > 0.0 else 0.0
        exact = self._exact_code(input_mv, atten) + self._rng.gauss(_NOISE_CODES)
        code = self._codes[pin] = min(self._top, max(0, int(exact + 0.5) if exact > 0 else 0))
        return code

    def microvolts(self, code, atten):
        """Return the calibrated voltage of a code, uV."""
        if self._tops_mv is not None:
            return code * self._tops_mv[atten] * 1_000 // self._top
        gain = self._stored_mv * _SCALES[atten]
        return ((code * gain >> 12) * 1_000 >> 16) + _OFFSETS_MV[atten] * 1_000

    def _exact_code(self, volts_mv, atten):
        if self._tops_mv is not None:
            return volts_mv * self._top / self._tops_mv[atten]
        mv_per_code = self._vref_mv * _SCALES[atten] / 268_435_456.0
        code = (volts_mv - _OFFSETS_MV[atten]) / mv_per_code
        if atten == _11_DB and volts_mv > _BEND_MV:
            code += _BEND_CODES_MV2 * (volts_mv - _BEND_MV) ** 2
        return code
