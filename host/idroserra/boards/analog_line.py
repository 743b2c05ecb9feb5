"""The line of a linear_analog: two points and an electrical range, in mV at the converter's input.

A cut cable gives 0 V: that must lie outside the range, or mean a cell in air. A short gives the
supply, which is a fault only above high_mv: that is not checked.
"""

from collections.abc import Mapping
from typing import Any

from idro.protocol.quantities import QUANTITIES
from idroserra.boards.schema import Sensor
from idroserra.core.errors import BoardError

PART = "linear_analog"
KEYS = ("low_mv", "high_mv", "point1_mv", "point1_value", "point2_mv", "point2_value",
        "self_compensated")
LEAST_LOW_MV = 50  # above what a cut cable gives
LEAST_APART_MV = 100
# Below it, the noise of a converter hides that the signal of an electrode is flat.
LEAST_MV_PER_PH = 100
# mV per unit at the input, for every use. 5 mV, which converter, clamp and shunt shift together,
# are then at most 0.2 pH, 100 uS/cm, 12.5 mm of a transmitter of 5 m, 0.5 C of an LM35.
LEAST_MV_PER_UNIT: Mapping[str, float] = {
    "ph": 25, "ec_us_cm": 0.05, "level_mm": 0.4, "moisture_pct": 5, "do_mg_l": 50, "temp_c": 10,
    "rh_pct": 10, "co2_ppm": 0.2, "illuminance_lx": 0.01, "ppfd_umol_m2_s": 0.2,
}
IN_AIR_US_CM = 3.0  # of the driver: an EC below it is a cell in air
_COMPENSATED = ("ph", "ec_us_cm")


def _usual(low_mv: int, high_mv: int, *points: int) -> dict[str, int]:
    return dict(zip(KEYS, (low_mv, high_mv, *points, 0), strict=True))


# What `board new` writes, by quantity: a 4-20 mA transmitter across 150 ohm, except:
_LOOP_MV = (540, 3_150)  # 3.6 and 21 mA, NAMUR NE 43
USUAL: Mapping[str, Mapping[str, int]] = {
    # PH-4502C on 5 V, trimmed to 2.5 V at pH 7, behind 10 k and 20 k.
    "ph": _usual(100, 3_000, 1_667, 7, 2_022, 4),
    # Gravity TDS: 735 and 1,759 uS/cm by the curve of its maker; it ends at 2,300 mV.
    "ec_us_cm": _usual(0, 2_250, 1_000, 735, 2_000, 1_759),
    "level_mm": _usual(*_LOOP_MV, 600, 0, 3_000, 1_000),
    # Capacitive probe v1.2 or v2.0: in dry air, in water.
    "moisture_pct": _usual(500, 3_100, 2_500, 0, 1_250, 100),
    "do_mg_l": _usual(*_LOOP_MV, 600, 0, 3_000, 20),
    "temp_c": _usual(*_LOOP_MV, 600, 0, 3_000, 50),
    "rh_pct": _usual(*_LOOP_MV, 600, 0, 3_000, 100),
    "co2_ppm": _usual(*_LOOP_MV, 600, 0, 3_000, 5_000),
    "illuminance_lx": _usual(*_LOOP_MV, 600, 0, 3_000, 200_000),
    "ppfd_umol_m2_s": _usual(*_LOOP_MV, 600, 0, 3_000, 2_500),
}


def check(file: str, board: Mapping[str, Any]) -> None:
    """Check the line of every linear_analog of a compiled board. Raises BoardError."""
    for index, sensor in enumerate(board["sensors"]):
        if sensor["part"] != PART:
            continue
        for key, why in _wrong(sensor):
            raise BoardError(file, f"sensor[{index}].{key}", why)


def mv_per_unit(sensor: Mapping[str, Any]) -> float:
    """Return the slope of a line, in mV at the input for a unit of the quantity."""
    rise_mv = sensor["point2_mv"] - sensor["point1_mv"]
    return float(rise_mv / (sensor["point2_value"] - sensor["point1_value"]))


def to_measure(sensor: Sensor) -> str:
    """Return what a person must measure at the converter's input, a sentence."""
    unit = QUANTITIES[sensor.measures[0]].unit
    points = " and ".join(f"{mv} mV at {value} {unit}" for mv, value in (
        (sensor.point1_mv, sensor.point1_value), (sensor.point2_mv, sensor.point2_value)))
    return (f"measure that this {sensor.part} gives {points}, behind its divider; else trim it or "
            "set its points")


def is_loop(sensor: Sensor) -> bool:
    """Return True if the electrical range of a line is that of 4-20 mA across 150 ohm."""
    return sensor.part == PART and (sensor.low_mv, sensor.high_mv) == _LOOP_MV


def is_flat_ph(sensor: Mapping[str, Any]) -> bool:
    """Return True if the pH of the reservoir has too small a slope to tell a dead probe."""
    return (sensor["part"] == PART and sensor["source"] == "reservoir"
            and sensor["measures"] == ["ph"] and abs(mv_per_unit(sensor)) < LEAST_MV_PER_PH)


def is_falling_level(sensor: Mapping[str, Any]) -> bool:
    """Return True for a level whose signal falls as the water rises."""
    return (sensor["part"] == PART and sensor["measures"] == ["level_mm"]
            and mv_per_unit(sensor) < 0)


def _wrong(sensor: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return (key, why) of the first thing that is wrong with a line, or []."""
    if len(sensor["measures"]) != 1:
        return [("measures", "a voltage is one quantity: name one, and repeat the part on another "
                             "channel for another")]
    quantity = QUANTITIES[sensor["measures"][0]]
    low_mv, high_mv = sensor["low_mv"], sensor["high_mv"]
    for name in ("point1", "point2"):
        mv, value = sensor[f"{name}_mv"], sensor[f"{name}_value"]
        if not low_mv <= mv <= high_mv:
            return [(f"{name}_mv", f"{mv} is outside low_mv to high_mv, {low_mv} to {high_mv}: a "
                                   "signal there is a fault")]
        if not quantity.low <= value <= quantity.high:
            return [(f"{name}_value", f"{value} is outside {quantity.low} to {quantity.high} "
                                      f"{quantity.unit}")]
    if sensor["point1_value"] == sensor["point2_value"]:
        return [("point2_value", "equal to point1_value: take two different points")]
    if abs(sensor["point1_mv"] - sensor["point2_mv"]) < LEAST_APART_MV:
        return [("point2_mv", f"less than {LEAST_APART_MV} mV from point1_mv: take points that "
                              "are further apart")]
    slope, least = abs(mv_per_unit(sensor)), LEAST_MV_PER_UNIT[quantity.key]
    if slope < least:
        return [("point2_mv", f"{slope:.2g} mV per {quantity.unit} at the input: less than {least}"
                              ", and a few mV of error are a wrong number; take a transmitter of "
                              "a smaller range, or divide it less")]
    if sensor["self_compensated"] and quantity.key not in _COMPENSATED:
        return [("self_compensated", f"{quantity.key} is not compensated for temperature: 0")]
    return _unnoticed_cut(sensor, quantity.key)


def _unnoticed_cut(sensor: Mapping[str, Any], quantity: str) -> list[tuple[str, str]]:
    """Return why a cut cable would be a number, or []."""
    if sensor["low_mv"] >= LEAST_LOW_MV:
        return []
    if quantity == "ec_us_cm":
        at_0_us_cm = sensor["point1_value"] - sensor["point1_mv"] / mv_per_unit(sensor)
        if at_0_us_cm < IN_AIR_US_CM:
            return []
    return [("low_mv", f"a cut cable gives 0 V and would be a number: {LEAST_LOW_MV} or more")]
