"""Benches of the I2C expanders: driver, simulated part, and the line that switches all off."""

from idro.drivers import dimmer, mcp23017, pca9685, pcf8574
from idrosim.devices import mcp23017 as mcp23017_part
from idrosim.devices import pca9685 as pca9685_part
from idrosim.devices import pcf8574 as pcf8574_part
from support.portable_fakes import FakeClock, FakeI2c, cutoff_timer


class OffLine:
    """The pin at the line that switches the part off; `level` None: its resistor drives it."""

    def __init__(self, part):
        self._part = part
        self.level = None

    def value(self, level):
        self.level = level
        self._part.set_level(level)


class _Bench:
    safe_level = 0  # of its loads
    write = "writeto_mem"  # the method of machine.I2C that drives its outputs

    def __init__(self, part, clock, address):
        self.clock = clock
        self._timer = cutoff_timer(clock)
        self.part = part
        self.levels = {}
        self.edges = []
        part.on_change = self._changed
        self.i2c = FakeI2c(clock, {address: part})
        self.line = OffLine(part)

    def _changed(self, number, level):
        self.levels[number] = level
        self.edges.append((self.clock.now_ms(), number, level))

    def load(self, build, number, safe_level=None, max_on_ms=10_000):
        """Return a driver at an output, as the firmware builds it."""
        safe_level = self.safe_level if safe_level is None else safe_level
        return self._built(
            build, self.expander.output(number, safe_level), safe_level, max_on_ms)

    def _built(self, build, pin, safe_level, max_on_ms):
        spec = {"name": "ph_down", "max_on_ms": max_on_ms, "safe_level": safe_level}
        load = build(spec, pin, self._timer, self.clock)
        self.expander.on_halt.append(load.lost)
        return load


class Mcp23017Bench(_Bench):
    """An MCP23017 with its pin levels; None if a pin floats."""

    off_level = 0  # of its RESET line

    def __init__(self):
        super().__init__(mcp23017_part.Mcp23017(), FakeClock(), 0x20)
        self.expander = mcp23017.Mcp23017(self.i2c, 0x20, self.line)

    def is_on(self, number, safe_level=0):
        return self.levels.get(number) == 1 - safe_level


class Pcf8574Bench(_Bench):
    """A PCF8574 with its pin levels; None while the supply of its relays is off."""

    off_level = 0  # of its supply switch
    safe_level = 1
    write = "writeto"

    def __init__(self):
        super().__init__(pcf8574_part.Pcf8574(), FakeClock(), 0x38)
        self.boot()

    def boot(self):
        """Do what the firmware does at a start of the chip."""
        self.line.value(0)
        self.expander = pcf8574.build({"address": 0x38}, self.i2c, self.line, None)
        self.expander.watch(self._timer, self.clock)

    def is_on(self, number):
        return self.levels.get(number) == 0


class Pca9685Bench(_Bench):
    """A PCA9685 with the duty of each of its outputs."""

    off_level = 1  # of its OE line

    def __init__(self, freq_hz=1_000):
        clock = FakeClock()
        super().__init__(pca9685_part.Pca9685(clock), clock, 0x40)
        self._spec = {"name": "lamps", "address": 0x40, "freq_hz": freq_hz}
        self.boot()

    def boot(self):
        """Do what the firmware does at a start of the chip."""
        self.line.value(1)
        self.expander = pca9685.build(self._spec, self.i2c, self.line, self.clock.spend)

    def duty(self, number):
        return self.levels.get(number, 0)

    def is_on(self, number):
        return self.duty(number) == 1

    def lamp(self, number):
        return self._built(dimmer.build, self.expander.pwm(number), 0, 900_000)
