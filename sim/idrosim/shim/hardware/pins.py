"""Simulated machine.Pin, PWM and ADC: outputs drive the world, inputs read its parts."""

from idrosim.shim.hardware.timers import block, schedule

_INPUT_ONLY = {"esp32": (34, 35, 36, 37, 38, 39), "esp32s2": (46,)}
_LAST_PINS = {"esp32": 39, "esp32s2": 46, "esp32s3": 48}
# Not in an image with PSRAM (ports/esp32/machine_pin.h), that of the S3 with octal PSRAM, or not
# in the chip.
_ABSENT = {
    "esp32": (16, 17, 20, 24, 28, 29, 30, 31), "esp32s2": tuple(range(22, 33)),
    "esp32s3": tuple(range(22, 38)),
}
_CONVERSION_US = 40


class Pin:
    """One GPIO. The state belongs to the pin, not to the object, as on the ESP32."""

    IN, OUT, OPEN_DRAIN = 1, 3, 7
    PULL_DOWN, PULL_UP = 1, 2
    IRQ_RISING, IRQ_FALLING = 1, 2
    DRIVE_0, DRIVE_1, DRIVE_2, DRIVE_3 = 0, 1, 2, 3
    _runtime = None
    _modes = {}
    _levels = {}
    _pulls = {}

    def __init__(self, id, mode=-1, pull=-1, *, value=None, drive=None, hold=None):
        chip = Pin._runtime.job["board"]["chip"]
        if not isinstance(id, int) or not 0 <= id <= _LAST_PINS[chip] or id in _ABSENT[chip]:
            raise ValueError("invalid pin")
        self._id = id
        self.init(mode, pull, value=value)

    def __repr__(self):
        return f"Pin({self._id})"

    def init(self, mode=-1, pull=-1, *, value=None, drive=None, hold=None):
        """Set mode, pull and, before the output is enabled, its level."""
        if value is not None:
            Pin._levels[self._id] = 1 if value else 0
        if mode != -1:
            chip = Pin._runtime.job["board"]["chip"]
            if mode == Pin.OUT and self._id in _INPUT_ONLY.get(chip, ()):
                raise ValueError("pin can only be input")
            Pin._modes[self._id] = mode
        if pull != -1:
            Pin._pulls[self._id] = pull
        self._drive()

    def value(self, level=None):
        """Return the level, or drive it."""
        if level is None:
            if Pin._modes.get(self._id) == Pin.OUT:
                return Pin._levels.get(self._id, 0)
            part = Pin._runtime.world.pin_parts.get(self._id)
            level = None if part is None else part.level()
            if level is not None:
                return level
            return 1 if Pin._pulls.get(self._id) == Pin.PULL_UP else 0
        Pin._levels[self._id] = 1 if level else 0
        self._drive()
        return None

    def __call__(self, level=None):
        return self.value(level)

    def on(self):
        """Drive high."""
        self.value(1)

    def off(self):
        """Drive low."""
        self.value(0)

    def toggle(self):
        """Invert the level."""
        self.value(1 - Pin._levels.get(self._id, 0))

    def irq(self, handler=None, trigger=3, *, priority=1, wake=None, hard=False):
        """Call `handler(pin)` at the edges in `trigger` of the part at this pin.

        Raises ValueError for a hard interrupt, which the ESP32 does not have.
        """
        if hard:
            raise ValueError("hard interrupts are not implemented")
        part = Pin._runtime.world.pin_parts.get(self._id)
        if hasattr(part, "watch"):
            part.watch(None if handler is None else lambda level: schedule(handler, self)
                       if trigger & (Pin.IRQ_RISING if level else Pin.IRQ_FALLING) else None)

    def mode(self):
        """Return the current mode."""
        return Pin._modes.get(self._id, Pin.IN)

    def _drive(self):
        if Pin._modes.get(self._id) == Pin.OUT:
            try:
                Pin._runtime.world.set_level(self._id, Pin._levels.get(self._id, 0))
            except AssertionError as error:
                Pin._runtime.misuse(error)


def pulse_us(clock, part, timeout_us):
    """Return the width of the present or next high pulse of `part`, us; spend the time.

    -2: no pulse began within `timeout_us`; -1: it did not end within `timeout_us`.
    """
    pulse = None if part is None else part.pulse()
    now_us = clock.now_us
    if pulse is None or pulse[0] - now_us > timeout_us:
        clock.spend(timeout_us)
        return -2
    start_us = max(now_us, pulse[0])
    width_us = pulse[1] - start_us
    clock.spend(start_us - now_us + min(width_us, timeout_us))
    return -1 if width_us > timeout_us else width_us


def pin_id(pin):
    """Return the number of a Pin, or a plain number itself."""
    return pin._id if isinstance(pin, Pin) else pin


class PWM:
    """One PWM channel."""

    _runtime = None

    def __init__(self, dest, freq=5_000, duty=None, duty_u16=None, duty_ns=None, invert=False):
        self._id = pin_id(dest)
        self._is_inverted = invert
        self._freq_hz = freq
        self._duty_u16 = 0
        self.init(duty=duty, duty_u16=0 if duty is None and duty_u16 is None else duty_u16,
                  duty_ns=duty_ns)

    def init(self, *, freq=None, duty=None, duty_u16=None, duty_ns=None, invert=None):
        """Change the given settings."""
        if freq is not None:
            self.freq(freq)
        if duty is not None:
            self.duty(duty)
        if duty_u16 is not None:
            self.duty_u16(duty_u16)
        if duty_ns is not None:
            self.duty_ns(duty_ns)

    def deinit(self):
        """Stop; the pin is released to its pull-down."""
        PWM._runtime.world.set_level(self._id, 0)

    def freq(self, freq_hz=None):
        """Return or set the frequency."""
        if freq_hz is None:
            return self._freq_hz
        if not 1 <= freq_hz <= 40_000_000:
            raise ValueError("frequency must be from 1Hz to 40MHz")
        self._freq_hz = freq_hz
        return None

    def duty(self, duty=None):
        """Return or set the duty cycle, 0..1023."""
        if duty is None:
            return self._duty_u16 * 1_023 // 65_535
        return self.duty_u16(duty * 65_535 // 1_023)

    def duty_ns(self, duty_ns=None):
        """Return or set the pulse width, ns."""
        if duty_ns is None:
            return self._duty_u16 * 1_000_000_000 // (65_535 * self._freq_hz)
        return self.duty_u16(duty_ns * self._freq_hz * 65_535 // 1_000_000_000)

    def duty_u16(self, duty_u16=None):
        """Return or set the duty cycle, 0..65535."""
        if duty_u16 is None:
            return self._duty_u16
        if not 0 <= duty_u16 <= 65_535:
            raise ValueError("duty_u16 must be from 0 to 65535")
        self._duty_u16 = duty_u16
        ratio = duty_u16 / 65_535
        PWM._runtime.world.set_duty(self._id, 1 - ratio if self._is_inverted else ratio)
        return None


class ADC:
    """The ADC of the chip at one pin."""

    ATTN_0DB, ATTN_2_5DB, ATTN_6DB, ATTN_11DB = 0, 1, 2, 3
    _runtime = None

    def __init__(self, pin, *, atten=0):
        self._id = pin_id(pin)
        self._converter = ADC._runtime.world.own_adc
        if not self._converter.has(self._id):
            raise ValueError("invalid pin")
        self.atten(atten)

    def init(self, *, atten=0):
        """Set the attenuation."""
        self.atten(atten)

    def atten(self, atten):
        """Set the attenuation. Raises ValueError for an unknown one."""
        if atten not in (0, 1, 2, 3):
            raise ValueError("invalid atten")
        self._atten = atten

    def read(self):
        """Return the code, 12 bits, of an ESP32-S2 13."""
        block(_CONVERSION_US)
        return self._converter.code(self._id, self._atten)

    def read_u16(self):
        """Return the code scaled to 16 bits."""
        code = self.read()
        bits = self._converter.bits
        return code << 16 - bits | code >> 2 * bits - 16

    def read_uv(self):
        """Return the calibrated voltage, uV."""
        return self._converter.microvolts(self.read(), self._atten)
