"""Mutates board files, and checks independently that a compiled board is safe."""

import random
from copy import deepcopy
from typing import Any

from idroserra.boards import compiler
from idroserra.boards.chips import CHIPS

STRANGE = [
    -1, 0, 1, 2, 4, 5, 6, 12, 14, 21, 25, 34, 40, 68, 72, 10_000, 2**31, 2**64, 10**30,
    True, 1.5, float("nan"), float("inf"), "", "x", "ph", "i2c.main", "adc.main", "esp32s3",
    "doser", "sht4x", "down", "up", "a" * 200, "\u00e9\n", [], ["ph"], ["ph", "ph"], {}, {"a": 1},
]


def as_toml(value: Any) -> str:
    """Return one value as inline TOML."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        return f'"{escaped}"'
    if isinstance(value, list):
        return f"[{', '.join(as_toml(item) for item in value)}]"
    if isinstance(value, dict):
        pairs = (f"{as_toml(key)} = {as_toml(item)}" for key, item in value.items())
        return f"{{{', '.join(pairs)}}}"
    return str(value)


def places(value: Any) -> list[tuple[Any, Any]]:
    """Return every (container, key) inside `value`."""
    keys = value if isinstance(value, dict) else range(len(value))
    found = [(value, key) for key in keys]
    for key in keys:
        if isinstance(value[key], dict | list):
            found += places(value[key])
    return found


def mutate(table: Any, rng: random.Random) -> None:
    """Replace, delete, add or duplicate one random value."""
    container, key = rng.choice(places(table))
    kind = rng.randrange(4)
    if kind == 0:
        del container[key]
    elif kind == 1 and isinstance(container, dict):
        container[rng.choice(["pin", "bus", "addressx", "every_ms", "name"])] = _strange(rng)
    elif kind == 2 and isinstance(container, list):
        container.append(container[key])
    elif isinstance(container[key], int) and rng.random() < 0.5:
        container[key] = rng.randrange(50)
    else:
        container[key] = _strange(rng)


def _strange(rng: random.Random) -> Any:
    """Return a copy, so that a later change of it changes no other place."""
    return deepcopy(rng.choice(STRANGE))


def check_board(board: compiler.Board) -> None:
    """Assert that a board is safe, without the code that compiled it."""
    chip = CHIPS[board["chip"]]
    pins = [pin for bus in board["i2c"].values() for pin in (bus["scl_pin"], bus["sda_pin"])]
    pins += [bus["pin"] for bus in board["onewire"].values()]
    direct = [actuator for actuator in board["actuators"] if "expander" not in actuator]
    pins += [actuator["pin"] for actuator in direct]
    # The pin that switches an expander's outputs off must do so while the chip resets.
    lines = {e["off_pin"]: e["off_level"] for e in board["expanders"]}
    assert not {pin for pin, level in lines.items() if level == 0} & chip.high_at_reset
    assert not {pin for pin, level in lines.items() if level == 1} & chip.low_at_reset
    pins += [expander["off_pin"] for expander in board["expanders"]]
    low_when_off = {e["name"] for e in board["expanders"] if e["part"] == "pca9685"}
    assert not any(
        a["safe_level"] for a in board["actuators"] if a.get("expander") in low_when_off
    )
    high_from_power_up = {e["name"] for e in board["expanders"] if e["part"] == "pcf8574"}
    assert all(a["safe_level"] and a["pin"] < 8 for a in board["actuators"]
               if a.get("expander") in high_from_power_up)
    places = [(a["expander"], a["pin"]) for a in board["actuators"] if "expander" in a]
    assert len(places) == len(set(places))
    assert {name for name, _ in places} <= {expander["name"] for expander in board["expanders"]}
    pins += [bus[key] for bus in board["uart"].values() for key in ("tx_pin", "rx_pin")]
    pins += [bus[key] for bus in board["rs485"].values() for key in bus if key.endswith("_pin")]
    assert len(board["uart"]) + len(board["rs485"]) <= chip.uarts
    pins += [sensor[key] for sensor in board["sensors"] for key in sensor if key.endswith("pin")]
    assert not set(pins) & chip.input_only
    analog = [pin for adc in board["adcs"] for pin in adc.get("pins", ())]
    assert set(analog) <= chip.adc1
    pins += analog
    assert len(pins) == len(set(pins))
    assert not set(pins) & (chip.strapping | chip.flash | chip.console)
    assert set(pins) <= chip.pins
    assert sum("soft" not in bus for bus in board["i2c"].values()) <= chip.i2cs
    for actuator in board["actuators"]:
        assert type(actuator["max_on_ms"]) is int
        assert 0 < actuator["max_on_ms"] <= 1_800_000
        assert actuator["part"] != "doser" or actuator["max_on_ms"] <= 10_000
        assert actuator["safe_level"] in (0, 1)
        moving = chip.low_at_reset if actuator["safe_level"] else chip.high_at_reset
        assert "expander" in actuator or actuator["pin"] not in moving
    channels = [f"{s['source']}.{q}" for s in board["sensors"] for q in s["measures"]]
    assert len(channels) == len(set(channels)) > 0
    for sensor in board["sensors"]:
        if sensor["part"] == "linear_analog":
            check_line(sensor, {actuator["name"] for actuator in board["actuators"]})
    for line in board["onewire"]:
        on_line = [s for s in board["sensors"] if s.get("bus") == f"onewire.{line}"]
        assert len(on_line) < 2 or len({s["rom"] for s in on_line}) == len(on_line)
    parts = board["adcs"] + board["expanders"] + board["sensors"]
    devices = [(part["bus"], part["address"]) for part in parts if "address" in part]
    assert len(devices) == len(set(devices))


def check_line(sensor: dict[str, Any], outputs: set[str]) -> None:
    """Assert that neither a cut cable nor a short of an analog board is a number, and that no acid
    depends on a pH whose dead probe looks alive."""
    first, second = ((sensor[f"{name}_mv"], sensor[f"{name}_value"])
                     for name in ("point1", "point2"))
    slope = (second[1] - first[1]) / (second[0] - first[0])
    assert slope != 0
    assert sensor["high_mv"] <= 3_200
    [quantity] = sensor["measures"]
    at_0 = first[1] - first[0] * slope
    assert sensor["low_mv"] > 0 or (quantity == "ec_us_cm" and at_0 < 3)
    if quantity == "ph" and sensor["source"] == "reservoir" and outputs & {"ph_down", "ph_up"}:
        assert abs(1 / slope) >= 100
