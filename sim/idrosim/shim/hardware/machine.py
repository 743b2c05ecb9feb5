"""Simulated `machine` module."""

import hashlib

from idrosim.shim.board_runtime import CAUSES
from idrosim.shim.hardware.i2c import I2C, SoftI2C
from idrosim.shim.hardware.pins import ADC, PWM, Pin, pin_id, pulse_us
from idrosim.shim.hardware.timers import WDT, Timer, begin_call, block, end_call
from idrosim.shim.hardware.uart import UART
from idrosim.shim.time import virtual_time

RTC_MEMORY_BYTES = 2_048
# drivers/dht/dht.c: the line high, in which callbacks run, low, and the answer of the part.
_DHT_HIGH_US, _DHT_LOW_US, _DHT_ANSWER_US = 250_000, 18_000, 5_000
_ETIMEDOUT = 116  # of newlib
# ports/esp32/modmachine.c, mp_machine_set_freq
_MHZ = (20, 40, 80, 160, 240)


class RTC:
    """The clock and the memory that survive every reset except a power cut."""

    _runtime = None

    def datetime(self, when=None):
        """Return or set (year, month, day, weekday, hour, minute, second, microsecond)."""
        runtime = RTC._runtime
        if when is None:
            now_us = runtime.clock.now_us + runtime.rtc_offset_us
            when = runtime.gmtime(now_us // 1_000_000)
            return when[:3] + (when[6],) + when[3:6] + (now_us % 1_000_000,)
        seconds = virtual_time.mktime(when[:3] + when[4:7])
        runtime.rtc_offset_us = seconds * 1_000_000 + when[7] - runtime.clock.now_us
        return None

    def memory(self, data=None):
        """Return or replace up to 2048 bytes."""
        if data is None:
            return RTC._runtime.rtc_memory
        if len(data) > RTC_MEMORY_BYTES:
            raise ValueError("buffer too long")
        RTC._runtime.rtc_memory = bytes(data)
        return None


def time_pulse_us(pin, pulse_level, timeout_us=1_000_000):
    """Return the width of the next pulse at a pin, us; -1 or -2 as in MicroPython."""
    if pulse_level != 1:
        raise ValueError("only high pulses are simulated")
    runtime = Pin._runtime
    begin_call()
    try:
        return pulse_us(runtime.clock, runtime.world.pin_parts.get(pin_id(pin)), timeout_us)
    finally:
        end_call()


def dht_readinto(pin, buffer):
    """Fill `buffer` with the five bytes of a DHT sensor at a pin. Raises OSError."""
    runtime = Pin._runtime
    runtime.clock.spend(_DHT_HIGH_US + _DHT_LOW_US)
    part = runtime.world.pin_parts.get(pin_id(pin))
    try:
        answer = part.answer(_DHT_LOW_US) if hasattr(part, "answer") else None
    except AssertionError as error:
        answer = runtime.misuse(error)
    block(_DHT_ANSWER_US)
    if answer is None:
        raise OSError(_ETIMEDOUT)
    buffer[:5] = answer


def _freq():
    """Return machine.freq; an ESP32 starts at 160 MHz."""
    now_mhz = [160]

    def freq(hz=None):
        if hz is None:
            return now_mhz[0] * 1_000_000
        mhz = hz // 1_000_000
        if mhz not in _MHZ:
            raise ValueError("frequency must be 20MHz, 40MHz, 80Mhz, 160MHz or 240MHz")
        now_mhz[0] = mhz
        return None

    return freq


def functions(runtime):
    """Return the public names of `machine`."""
    for part in (Pin, PWM, ADC, I2C, SoftI2C, UART, Timer, WDT, RTC):
        part._runtime = runtime
    identity = hashlib.sha256(runtime.job["node"].encode()).digest()[:6]

    def reset():
        runtime.reset("reset")

    def soft_reset():
        runtime.reset("soft")

    def reset_cause():
        return CAUSES[runtime.cause]

    def unique_id():
        return identity

    def idle():
        runtime.clock.spend(1_000)

    def lightsleep(time_ms=0):
        runtime.clock.spend(time_ms * 1_000)

    def disable_irq():
        return 0

    def enable_irq(state=None):
        return None

    return {
        "Pin": Pin, "PWM": PWM, "ADC": ADC, "I2C": I2C, "SoftI2C": SoftI2C, "UART": UART,
        "Timer": Timer, "WDT": WDT, "RTC": RTC, "reset": reset, "soft_reset": soft_reset,
        "reset_cause": reset_cause, "unique_id": unique_id, "freq": _freq(), "idle": idle,
        "lightsleep": lightsleep, "disable_irq": disable_irq, "enable_irq": enable_irq,
        "time_pulse_us": time_pulse_us, "dht_readinto": dht_readinto,
        "PWRON_RESET": CAUSES["power"], "HARD_RESET": CAUSES["reset"],
        "WDT_RESET": CAUSES["wdt"], "DEEPSLEEP_RESET": CAUSES["deepsleep"],
        "SOFT_RESET": CAUSES["soft"],
    }
