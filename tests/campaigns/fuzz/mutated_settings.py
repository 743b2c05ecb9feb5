"""Mutated settings of down/config and of a flash slot, and an independent check of the result.

The check has its own copy of the limits of invariant I1.
"""

import binascii
import json
import math
import random
from collections.abc import Iterator
from typing import Any

from idro.protocol.settings import defaults
from idro.protocol.settings_table import SETTINGS
from idro.safety import limits

NODE = "idro-one"
_STRANGE: list[Any] = [
    None, True, False, -1, 0, 1, 0.5, 1e308, -1e308, 10**30, 2**31, 2**53, -0.0, "", "5.8", "true",
    [], [1], {}, {"a": 1}, "\u00e9", "ph.target",
]
_WORDS = ("NaN", "Infinity", "1e400", "-1e400", "9" * 400, "0x1", "null", "1_000", "truey")


def inputs(rng: random.Random) -> Iterator[tuple[str, bytes]]:
    """Yield ("config", a down/config) or ("slot", contents of a slot), endlessly."""
    while True:
        values = _valid(rng)
        for _ in range(rng.choice((0, 0, 1, 1, 2, 3))):
            _change(values, rng)
        kind = rng.choice(("config", "config", "slot"))
        rev: Any = rng.choice((1, 7, 2**31, 2**53, 0, -1, "7", None)) if rng.random() < 0.1 else 7
        if kind == "config":
            text = json.dumps({"v": 1, "rev": rev, "by": "anna", "values": values})[:-1]
            data = f'{_spoiled(text, rng)},"auth":"{"f" * 64}"}}'.encode()
        else:
            stored = _spoiled(json.dumps({"rev": rev, "by": "anna", "values": values}), rng)
            crc = binascii.crc32(stored.encode())
            data = b"idro1 %d %08x\n" % (len(stored.encode()), crc) + stored.encode()
        yield kind, _damaged(data, rng) if rng.random() < 0.2 else data


def _valid(rng: random.Random) -> dict[str, Any]:
    """Return some settings in their ranges, which may contradict each other."""
    values: dict[str, Any] = {}
    for key in rng.sample(sorted(SETTINGS), rng.randrange(len(SETTINGS))):
        row = SETTINGS[key]
        if row.kind == "bool":
            values[key] = rng.random() < 0.5
        elif row.kind == "int":
            values[key] = rng.choice((row.low, row.high, rng.randint(row.low, row.high)))
        else:
            values[key] = rng.choice((row.low, row.high, rng.uniform(row.low, row.high)))
    if rng.random() < 0.7:  # else nearly all would be refused for the same few reasons
        for key in values:
            if key.startswith(("level.", "climate.", "irrigation.")):
                values[key] = defaults()[key]
    return values


def _change(values: dict[str, Any], rng: random.Random) -> None:
    key = rng.choice(sorted(SETTINGS))
    row = SETTINGS[key]
    kind = rng.randrange(4)
    if kind == 0:
        values[rng.choice((key + "x", key.upper(), "dosing", "", "__class__", "a" * 300))] = 1
    elif kind == 1 and row.low is not None:
        edge = rng.choice((row.low, row.high))
        values[key] = edge + rng.choice((-1, 1, -1e-6, 1e-6, -1e9, 1e9))
    elif kind == 2:
        values[key] = rng.choice(_STRANGE)
    else:
        values.pop(key, None)


def _spoiled(text: str, rng: random.Random) -> str:
    """Sometimes insert invalid JSON or a duplicate key into a text."""
    if rng.random() < 0.1:
        at = rng.choice([at for at, char in enumerate(text) if char == ":"])
        return f"{text[:at + 1]} {rng.choice(_WORDS)}{text[at + 1:]}"
    if rng.random() < 0.1:
        key = rng.choice(sorted(SETTINGS))
        return text.replace('"values": {', f'"values": {{"{key}": {rng.choice(_WORDS)}, ', 1)
    return text


def _damaged(data: bytes, rng: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(changed))
        kind = rng.randrange(3)
        if kind == 0:
            changed[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            del changed[at:at + rng.randint(1, 40)]
        else:
            changed[at:at] = rng.randbytes(rng.randint(1, 8))
        if not changed:
            break
    return bytes(changed)


def check(values: dict[str, Any]) -> None:
    """Assert that active settings are complete, in range, and exceed no limit."""
    assert set(values) == set(SETTINGS)
    for key, value in values.items():
        row = SETTINGS[key]
        if row.kind == "bool":
            assert value is True or value is False, (key, value)
            continue
        assert type(value) in ((int,) if row.kind == "int" else (int, float)), (key, value)
        assert math.isfinite(value), (key, value)
        assert row.low <= value <= row.high, (key, value)
    assert values["level.low_mm"] < values["level.target_mm"] < values["level.full_mm"]
    found = limits.derive(values)
    for channel, caps in found.caps.items():
        flow = values["doser.ul_per_s"]
        assert 0 <= caps.dose_ul <= 10 * flow, channel
        assert caps.hour_ul <= 30 * flow, channel
        assert caps.day_ul <= 100 * flow, channel
        assert caps.gap_ms >= 120_000, channel
    assert found.fill_day_ms <= 1_800_000
    assert found.air_max_c <= 40
