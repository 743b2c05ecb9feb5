"""What can be wired but not be trusted: analog probes on the chip's own converter, blind heat,
a chip without PSRAM.

The converter of an ESP32 is some tens of millivolts wrong after its calibration. That is a third
of a pH, and more than most of a nutrient solution's tolerance. An output for the air needs to know
that air, and heat must end soon after the program does.
"""

from typing import Any, NamedTuple

from idroserra.boards.chips import CHIPS
from idroserra.core.errors import BoardError

OWN_CONVERTER = "esp32_adc"
NEEDS_PSRAM = ("a board without PSRAM is not supported: use one with an ESP32-S3 N16R8 or an "
               "ESP32-WROVER module")


class Probe(NamedTuple):
    """What an analog part puts out, and which outputs act on its reading."""

    mv_per_unit: float
    unit: str
    outputs: frozenset[str]  # that are refused beside it


# SEN0161-V2: three times 59.16 mV/pH; DFR0300: 164 mV a mS/cm.
_PROBES = {
    "sen0161": Probe(177.5, "pH", frozenset({"ph_down", "ph_up"})),
    "dfr0300": Probe(164.0, "mS/cm", frozenset()),
}


# What an output for the air acts on, and its longest run without being asked again.
_OF_THE_AIR: dict[str, tuple[tuple[str, ...], int]] = {
    "fan": (("air.temp_c",), 1_800_000),
    "heater": (("air.temp_c",), 120_000),
    "humidifier": (("air.temp_c", "air.rh_pct"), 120_000),
}


def check(file: str, board: dict[str, Any]) -> None:
    """Refuse outputs that would act on a reading that is too coarse, or on none of the air.

    Raises BoardError.
    """
    _check_air(file, board)
    outputs = {actuator["name"] for actuator in board["actuators"]}
    for index, sensor, probe in _on_own_converter(board):
        acting = sorted(outputs & probe.outputs)
        if acting:
            why = (
                f"{_figures(board, sensor, probe)}: too coarse for {' and '.join(acting)}; "
                f"use an ads1115 or an EZO circuit, or leave those outputs away"
            )
            raise BoardError(file, f"sensor[{index}].bus", why)


def _check_air(file: str, board: dict[str, Any]) -> None:
    known = {f"{s['source']}.{quantity}" for s in board["sensors"] for quantity in s["measures"]}
    for index, actuator in enumerate(board["actuators"]):
        name = actuator["name"]
        if name not in _OF_THE_AIR:
            continue
        needed, longest_ms = _OF_THE_AIR[name]
        if actuator["part"] != "switch":
            why = f"a {name} is a switch: a relay or contactor that is on or off"
            raise BoardError(file, f"actuator[{index}].part", why)
        for channel in needed:
            if channel not in known:
                why = f'{name} goes by {channel}: add a sensor of source "air" that measures it'
                raise BoardError(file, f"actuator[{index}].name", why)
        if actuator["max_on_ms"] > longest_ms:
            why = f"{actuator['max_on_ms']} is too long for a {name}: at most {longest_ms}"
            raise BoardError(file, f"actuator[{index}].max_on_ms", why)


def warnings(board: dict[str, Any]) -> list[str]:
    """Return what the owner of a compiled board should know, a sentence each."""
    memory = [] if CHIPS[board["chip"]].may_have_psram else [f"board.chip: {NEEDS_PSRAM}"]
    return memory + [
        f"sensor[{index}]: {_figures(board, sensor, probe)}; to look at, not to rely on"
        for index, sensor, probe in _on_own_converter(board)
    ]


def _on_own_converter(board: dict[str, Any]) -> list[tuple[int, dict[str, Any], Probe]]:
    own = {f"adc.{adc['name']}" for adc in board["adcs"] if adc["part"] == OWN_CONVERTER}
    return [
        (index, sensor, _PROBES[sensor["part"]])
        for index, sensor in enumerate(board["sensors"])
        if sensor.get("bus") in own and sensor["part"] in _PROBES
    ]


def _figures(board: dict[str, Any], sensor: dict[str, Any], probe: Probe) -> str:
    chip = CHIPS[board["chip"]]
    error = chip.adc_error_mv / probe.mv_per_unit
    low_mv, high_mv = chip.adc_range_mv
    text = (
        f"{sensor['part']} on the {chip.name}'s own converter is up to {error:.2f} {probe.unit} "
        f"wrong"
    )
    if sensor["part"] == "dfr0300":
        low, high = low_mv / probe.mv_per_unit, high_mv / probe.mv_per_unit
        text += f" and a fault below {low:.1f} and above {high:.1f} {probe.unit}"
    return text
