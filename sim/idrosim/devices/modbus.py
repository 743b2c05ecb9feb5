"""A Modbus probe at register level: its words are the inverse of the register map of its board.

Its quantities follow the probes of the simulated greenhouse: a pH electrode, a cell, thermometers.
"""

import struct

from idrosim.devices.shared.modbus_line import FAULTS, ModbusSlave
from idrosim.devices.shared.probe_signals import signal_of
from idrosim.probes import water_probes

__all__ = ("FAULTS",)

_EC_PER_C = 0.02  # temperature compensation of the probes
_NERNST_MV = 59.16
_FRONT_END_UV_PER_MV = 3_000  # the map gives the signal as three times the electrode's


def wire(wiring, spec):
    """Put the slave at its address on its line; return it and its first probe."""
    probes = {}
    signals = {}  # key of a field: function that returns its value
    for key in spec["measures"]:
        kind, build, name = signal_of(key, spec["source"])
        probe = probes.get(kind)
        if probe is None:
            probe = probes[kind] = wiring.probe(spec, kind, build, measure=key)
        signals[key] = _as_transmitted(key, wiring.reader(probe, name), probes, wiring, spec)
    if "ph" in probes:
        electrode_mv = wiring.reader(probes["ph"], "electrode_mv")
        signals["signal_uv"] = lambda: electrode_mv() * _FRONT_END_UV_PER_MV
    slave = ModbusSlave(lambda function: words(spec["reads"], signals, function))
    wiring.on_line(spec, slave)
    return slave, probes[signal_of(spec["measures"][0], spec["source"])[0]]


def words(reads, signals, function):
    """Return {register: word} of a function; None if the probe does not know the function."""
    found = {}
    for own_function, start, count, fields in reads:
        if own_function != function:
            continue
        data = bytearray(2 * count)
        for field in fields:
            key, place, form = field[:3]
            if key == "":
                value = field[7]
            elif key == "signal_uv" and place in [one[1] for one in fields if one[0] == "ph"]:
                continue  # the driver takes the pH itself as the signal
            elif key in signals:
                value = signals[key]()
            else:
                continue
            raw = encoded(value, field)
            data[place:place + len(raw)] = raw
        for index in range(count):
            found[start + index] = data[2 * index] << 8 | data[2 * index + 1]
    return found or None


def encoded(value, field):
    """Return the bytes of `value` in the registers of a field."""
    _, _, form, is_swapped, factor, divisor, offset = field[:7]
    number = (value - offset) * divisor / factor
    if form[1] != "f":
        bits = 8 * struct.calcsize(form)
        low = -(1 << bits - 1) if form[1] in "hi" else 0
        number = min(max(int(number + (0.5 if number >= 0 else -0.5)), low), low + (1 << bits) - 1)
    raw = struct.pack(form, number)
    return raw[2:] + raw[:2] if is_swapped else raw


def _as_transmitted(key, read, probes, wiring, spec):
    """Return the function of a quantity: pH from the electrode, EC at 25 C, others as they are."""
    if key == "ph":
        return lambda: 7.0 - read() / _NERNST_MV
    if key != "ec_us_cm":
        return read
    if "temp" not in probes:
        probes["temp"] = wiring.probe(spec, "temp", water_probes.TempProbe, measure="own_temp")
    temp_c = wiring.reader(probes["temp"], "temp_c")
    return lambda: read() / (1.0 + _EC_PER_C * (temp_c() - 25.0))
