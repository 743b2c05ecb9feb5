"""Any probe with Modbus RTU on RS485, by the register map of its TOML file in boards/modbus.

The board compiler turns the map into reads, each a request with its fields; nothing here knows a
probe. A probe that was silent has lost its supply: it settles again before its readings count.
"""

import struct

from idro.drivers.shared.bus_retry import with_retries
from idro.drivers.shared.modbus_rtu import request
from idro.errors import SensorError

SIGNAL = "signal_uv"  # key of the raw signal of an electrode


def build(spec, bus, clock, settings):
    """Return the ModbusProbe of a board's sensor entry; `bus` is its ModbusBus."""
    return ModbusProbe(spec, bus, clock)


class ModbusProbe:
    """One probe. signal_uv is that of its electrode on the scale of a sen0161, by its map, and
    spread_uv its last change; None without one."""

    def __init__(self, spec, bus, clock):
        self._part = spec["part"]
        self._bus = bus
        self._clock = clock
        self._timeout_ms = spec["timeout_ms"]
        self._settle_ms = spec["settle_ms"]
        self._reads = [
            (request(spec["address"], function, start, count), fields)
            for function, start, count, fields in spec["reads"]]
        self._ready_ms = clock.now_ms() + self._settle_ms
        self._is_lost = False
        self.signal_uv = self.spread_uv = None

    async def read(self, context):
        """Return {quantity: value} of the whole map. Raises SensorError."""
        last_uv = self.signal_uv
        self.signal_uv = self.spread_uv = None
        # A probe that stays away costs the others one time-out a cycle.
        try:
            if self._is_lost:
                values = await self._measure()
            else:
                values = await with_retries(self._part, self._measure)
        except OSError as error:
            raise SensorError(self._part, "no_ack", repr(error)) from None
        except SensorError as error:
            self._is_lost = error.fault == "no_ack"
            raise
        now_ms = self._clock.now_ms()
        if self._is_lost:
            self._is_lost = False
            self._ready_ms = now_ms + self._settle_ms
        if now_ms < self._ready_ms:
            raise SensorError(self._part, "stale", f"settles for {self._ready_ms - now_ms} ms")
        if SIGNAL in values:
            self.signal_uv = values[SIGNAL]
            if last_uv is not None:
                self.spread_uv = int(abs(self.signal_uv - last_uv))
        return values

    async def _measure(self):
        values = {}
        for asked, fields in self._reads:
            data = await self._bus.read(self._part, asked, self._timeout_ms)
            for field in fields:
                key, value = _value(self._part, data, field)
                values[key] = value
        return values


def _value(part, data, field):
    """Return (key, value) of one field in the bytes of its read. Raises SensorError."""
    key, at, form, is_swapped, factor, divisor, offset, low, high = field
    raw = data[at:at + struct.calcsize(form)]
    if is_swapped:
        raw = raw[2:] + raw[:2]
    value = struct.unpack(form, raw)[0] * factor / divisor + offset
    if low <= value <= high:  # false for a NaN
        return key, value
    fault = "out_of_range" if key else "mismatch"
    raise SensorError(part, fault, f"{key or 'a fixed register'}: {value}")
