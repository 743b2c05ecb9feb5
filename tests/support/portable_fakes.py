"""Fakes of the board for the portable tests: virtual clock, buses, pins and timers.

The buses connect to the simulator's devices, so drivers see the registers and timing of the part.
"""

import struct

from idro.drivers.shared.cutoff_timer import CutoffTimer
from idro.errors import SensorError
from idrosim.devices.shared.onewire_bus import crc8
from idrosim.shim.hardware.pcnt import PCNT
from idrosim.shim.hardware.pins import pulse_us
from support.oracle_tables import lines

_I2C_US_PER_BYTE = 100
_ENODEV = 19


class FakeClock:
    """Virtual time for driver (`now_ms`, `sleep_ms`) and device (`now_us`); fires timers due."""

    def __init__(self):
        self.now_us = 0
        self.timers = []

    def now_ms(self):
        return self.now_us // 1000

    def unix_ms(self):
        return None

    async def sleep_ms(self, duration_ms):
        self.advance_ms(duration_ms)

    def advance_ms(self, duration_ms):
        """Advance the time and fire the timers that expire."""
        self.spend(duration_ms * 1000)

    def spend(self, duration_us):
        """Advance the time in us, as a busy wait does."""
        end_us = self.now_us + duration_us
        while True:
            due = [t for t in self.timers
                   if t.due_us is not None and t.due_us <= end_us and not t.is_firing]
            if not due:
                break
            first = min(due, key=lambda timer: timer.due_us)
            self.now_us = max(self.now_us, first.due_us)
            first.fire()
        self.now_us = max(self.now_us, end_us)  # callbacks may have advanced the time
        for timer in self.timers:
            timer.resume()


class FakeTimer:
    """machine.Timer: periodic on a FakeClock. While the time advances, calls are skipped for as
    long as the last one said that there is nothing to do."""

    PERIODIC = 1

    def __init__(self, clock):
        self._clock = clock
        self._callback = None
        self.due_us = None
        self.is_firing = False  # no callback runs inside another
        clock.timers.append(self)

    def init(self, mode, period, callback):
        assert mode == self.PERIODIC, f"timer mode {mode}"
        self._callback = callback
        self._period_us = period * 1000
        self.due_us = self._clock.now_us + self._period_us

    def fire(self):
        self.due_us += self._period_us
        self.is_firing = True
        try:
            ticks = self._callback(self) * 1000 // self._period_us
        finally:
            self.is_firing = False
        self.due_us += max(0, ticks - 1) * self._period_us

    def resume(self):
        """Call at every period again."""
        if self.due_us is not None:
            late_us = self.due_us - self._clock.now_us
            self.due_us -= max(0, late_us - 1) // self._period_us * self._period_us


def cutoff_timer(clock):
    """Return a CutoffTimer on a FakeClock."""
    return CutoffTimer(FakeTimer(clock), clock)


class FakePin:
    """machine.Pin as an output; `edges` are its level changes: [(at_ms, level)]."""

    def __init__(self, clock):
        self._clock = clock
        self.level = None
        self.edges = []

    def value(self, level):
        if level != self.level:
            self.edges.append((self._clock.now_ms(), level))
        self.level = level


class FakePwm:
    """machine.PWM: the duty last set, 0 to 65535."""

    def __init__(self):
        self.duty = None

    def duty_u16(self, duty):
        assert 0 <= duty <= 65535, f"duty {duty}"
        self.duty = duty


class FakeI2c:
    """machine.I2C with the simulator's devices at their addresses; a byte takes 100 us.

    `errors` are exceptions that the next transfers raise, one each.
    """

    def __init__(self, clock, devices):
        self._clock = clock
        self.devices = devices
        self.errors = []
        self.transfers = 0

    def writeto(self, address, data):
        self._device(address, len(data)).write(bytes(data))

    def writeto_mem(self, address, register, data):
        self._device(address, 1 + len(data)).write(bytes((register,)) + bytes(data))

    def readfrom(self, address, count):
        return bytes(self._device(address, count).read(count))

    def readfrom_into(self, address, buffer):
        buffer[:] = self._device(address, len(buffer)).read(len(buffer))

    def readfrom_mem(self, address, register, count):
        buffer = bytearray(count)
        self.readfrom_mem_into(address, register, buffer)
        return bytes(buffer)

    def readfrom_mem_into(self, address, register, buffer):
        device = self._device(address, 2 + len(buffer))
        device.write(bytes((register,)))
        buffer[:] = device.read(len(buffer))

    def _device(self, address, count):
        self.transfers += 1
        self._clock.spend((1 + count) * _I2C_US_PER_BYTE)
        if self.errors:
            raise self.errors.pop(0)
        if address not in self.devices:
            raise OSError(_ENODEV)
        return self.devices[address]


class FakeUart:
    """machine.UART with time-out 0, connected to a simulated part."""

    def __init__(self, part):
        self.part = part
        self.write_count = 0

    def read(self):
        return self.part.read() or None

    def write(self, data):
        self.write_count += 1
        self.part.write(bytes(data))
        return len(data)


class LineUart:
    """machine.UART with time-out 0 on a simulated RS485 line. `babble` is received at every read,
    `has_echo`: it receives what it sends."""

    def __init__(self, clock, line):
        self._clock = clock
        self._line = line
        self._sent_us = 0
        self.has_echo = False
        self.babble = b""
        self._echo = b""

    def write(self, data):
        self._line.write(data)
        self._sent_us = self._clock.now_us + len(data) * self._line.char_us
        if self.has_echo:
            self._echo = bytes(data)

    def flush(self):
        self._clock.spend(int(self._sent_us) + 1 - self._clock.now_us)

    def read(self):
        found, self._echo = self._echo, b""
        return found + self._line.read() + self.babble or None


class FakeGpio:
    """What parts on their own pins get: Pin, time_pulse_us, sleep_us, dht_readinto, PCNT."""

    def __init__(self, clock, parts):
        self._clock = clock
        self.parts = parts  # pin: part
        self.Pin = FakeGpioPin
        self.PCNT = FakePcnt
        self.units = iter(range(4))
        FakeGpioPin.parts = parts
        FakePcnt._units = {}

    def sleep_us(self, duration_us):
        self._clock.now_us += duration_us

    def time_pulse_us(self, pin, level, timeout_us):
        assert level == 1, "only high pulses"
        return pulse_us(self._clock, self.parts[pin.number], timeout_us)

    def dht_readinto(self, pin, buffer):
        self._clock.spend(268_000)
        answer = self.parts[pin.number].answer(18_000)
        self._clock.spend(5_000)
        if answer is None:
            raise OSError(116)
        buffer[:] = answer


class FakeGpioPin:
    """machine.Pin connected to a simulated part."""

    IN, OUT = 1, 3
    PULL_DOWN, PULL_UP = 1, 2
    parts = {}

    def __init__(self, number, mode, pull=-1, *, value=None):
        self.number = number
        if mode == self.OUT and value is not None:
            self.value(value)

    def value(self, level=None):
        part = self.parts[self.number]
        return part.level() if level is None else part.set_level(level)


class FakePcnt(PCNT):
    """esp32.PCNT of an ESP32-S3, connected to a simulated part."""

    @classmethod
    def _sync(cls):
        return None

    @classmethod
    def _chip(cls):
        return "esp32s3"

    @classmethod
    def _part(cls, pin):
        return FakeGpioPin.parts[pin.number]


class FakeOneWire:
    """The frozen `onewire.OneWire` on the simulator's bus."""

    def __init__(self, line):
        self._line = line

    def reset(self, required=False):
        is_present = self._line.reset()
        assert is_present or not required, "no presence pulse"
        return is_present

    def readbit(self):
        return self._line.readbit()

    def readbyte(self):
        return self._line.readbyte()

    def readinto(self, buffer):
        for index in range(len(buffer)):
            buffer[index] = self._line.readbyte()

    def writebit(self, bit):
        self._line.writebit(bit)

    def writebyte(self, byte):
        self._line.writebyte(byte)

    def write(self, data):
        for byte in data:
            self._line.writebyte(byte)

    def select_rom(self, rom):
        self.reset()
        self.writebyte(0x55)
        self.write(rom)

    def crc8(self, data):
        return crc8(data)


def run(coroutine):
    """Return the result of a coroutine that waits only for a FakeClock, which never yields."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value
    raise AssertionError("the coroutine waits for real time")


def fault_of(coroutine):
    """Return the fault code of the SensorError that `coroutine` must raise."""
    try:
        value = run(coroutine)
    except SensorError as error:
        return error.fault
    raise AssertionError(f"no SensorError, but {value}")


def refusal_of(error_class, function, *args):
    """Return the message of the `error_class` that `function(*args)` must raise."""
    try:
        value = function(*args)
    except error_class as error:
        return str(error)
    raise AssertionError(f"no {error_class.__name__}, but {value}")


def single(value):
    """Return `value` as a float with a 24-bit mantissa, as on the ESP32."""
    return struct.unpack("f", struct.pack("f", value))[0]


def oracle(name):
    """Return the rows of a table of tests/oracle as lists of text."""
    return list(lines(name))[1:]
