"""Test benches of the EZO circuits on I2C and UART."""

from idro.drivers.shared.ezo import milli
from idrosim.devices.shared import ezo_interfaces
from support.portable_fakes import FakeClock, FakeI2c, FakeUart, oracle, run


class Bench:
    """A driver and its circuit, connected by `line`: "i2c" or "uart"."""

    def __init__(self, driver, circuit_class, signal, line="i2c", address=0x63):
        self.clock = FakeClock()
        self.circuit = circuit_class(self.clock, lambda: self.signal)
        self.signal = signal
        spec = {"source": "reservoir", "part": driver.PART, "bus": line + ".main"}
        if line == "i2c":
            self.part = ezo_interfaces.EzoI2c(self.circuit)
            self.bus = FakeI2c(self.clock, {address: self.part})
            spec["address"] = address
        else:
            self.part = ezo_interfaces.EzoUart(self.circuit)
            self.bus = FakeUart(self.part)
        self.sensor = driver.build(spec, self.bus, self.clock, {})

    def read(self, temp_c=25.0):
        """Return what the driver reads in water of `temp_c`."""
        return run(self.sensor.read({"reservoir.temp_c": temp_c}))

    def answer_hex(self, command, wait_ms, count):
        """Return the bytes of a bare I2C exchange in the notation of the oracle."""
        if command:
            self.part.write(command.encode())
        self.clock.advance_ms(wait_ms)
        answer = self.part.read(count)
        # A response ends at its NUL or consists of the status byte.
        end = answer.find(b"\x00", 1)
        return answer[:end + 1 if end > 1 else 1].hex().upper()


class Hurried:
    """A line that reads 50 ms before the response is due, which no driver may do."""

    def __init__(self, line):
        self._line = line

    async def prepare(self):
        await self._line.prepare()

    async def exchange(self, command, wait_ms):
        return await self._line.exchange(command, wait_ms - 50)


def check_patience(bench):
    """Assert that a driver never reads its circuit before the response is due."""
    bench.read()
    assert bench.part.early_read_count == 0, "read before its time"


def exchanges():
    """Return {transaction: bytes} of the oracle's table."""
    return {row[0]: row[1] for row in oracle("hw_ezo_i2c.csv")}


def check_milli():
    """Assert which numbers the parser accepts and rejects."""
    for text, value in (("9.560", 9560), ("1413", 1_413_000), ("-0.89", -890), ("0", 0),
                        ("0.07", 70), ("19.5", 19_500), ("14.0004", 14_000)):
        assert milli(text) == value, text
    for text in ("", "-", ".5", "1e3", "nan", "1,2", " 1", "1.-2", "+1", "0x10", "1.2.3"):
        try:
            value = milli(text)
        except ValueError:
            continue
        raise AssertionError(f"{text} is {value}")
