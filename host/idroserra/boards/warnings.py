"""Checks for unsafe boards: outputs of an unsuitable part, probes on the chip's ADC, climate
outputs without air sensors.

The calibrated ADC of an ESP32 has an error of some tens of millivolts: a third of a pH, and more
than the tolerance of most nutrient solutions. A climate output needs a sensor of the air, and a
short maximum run in case the program stops.
"""

from typing import Any, NamedTuple

from idroserra.boards import analog_line
from idroserra.boards.chips import CHIPS
from idroserra.boards.modbus_map import COARSEST_PH, ModbusPart, ph_step
from idroserra.boards.proposal import OUTPUTS
from idroserra.boards.schema import DEFAULT_VOLUME_L, BoardFile, Part
from idroserra.core.errors import BoardError
from idroserra.core.text import Text
from idroserra.i18n.marker import N_

OWN_CONVERTER = "esp32_adc"


class Probe(NamedTuple):
    """Signal of an analog part, and the outputs that depend on its reading."""

    mv_per_unit: float
    unit: str
    outputs: frozenset[str]  # refused with the chip's ADC
    tolerance: float = 0.0  # in the unit: an error above it is warned of


# SEN0161-V2: three times 59.16 mV/pH; DFR0300: 164 mV per mS/cm.
_PROBES = {
    "sen0161": Probe(177.5, "pH", frozenset({"ph_down", "ph_up"})),
    "dfr0300": Probe(164.0, "mS/cm", frozenset()),
}
# Of a linear_analog, by quantity, with its own slope; a hydrostatic of 1 m is within tolerance.
_OF_A_LINE = {
    "ph": _PROBES["sen0161"], "ec_us_cm": _PROBES["dfr0300"],
    "temp_c": Probe(0, "C", frozenset(), 1.0), "level_mm": Probe(0, "mm", frozenset(), 30.0),
}

_DOSER = "doser"
_LASERS = ("vl53l0x",)
# Channels that a climate output depends on, and its maximum run.
_OF_THE_AIR: dict[str, tuple[tuple[str, ...], int]] = {
    "fan": (("air.temp_c",), 1_800_000),
    "heater": (("air.temp_c",), 120_000),
    "humidifier": (("air.temp_c", "air.rh_pct"), 120_000),
}


def check(file: str, board: dict[str, Any], parts: dict[str, Part]) -> None:
    """Check the lines of analog boards, the parts of outputs, and for outputs that depend on too
    coarse readings or missing ones. Raises BoardError."""
    analog_line.check(file, board)
    _check_outputs(file, board)
    _check_air(file, board)
    outputs = {actuator["name"] for actuator in board["actuators"]}
    _check_light_through_water(file, board, outputs)
    acting = sorted(outputs & _PROBES["sen0161"].outputs)
    for index, step in _coarse_ph(board, parts):
        if acting:
            why = (f"its pH has steps of {step}: too coarse for {' and '.join(acting)}; use a "
                   f"probe with steps of {float(COARSEST_PH)} or less, or remove those outputs")
            raise BoardError(file, f"sensor[{index}].part", why)
    for index, sensor in enumerate(board["sensors"]):
        if acting and analog_line.is_flat_ph(sensor):
            why = (f"less than {analog_line.LEAST_MV_PER_PH} mV per pH at the input: a dead probe "
                   f"looks alive; divide it less, or remove {' and '.join(acting)}")
            raise BoardError(file, f"sensor[{index}].point2_mv", why)
    for index, sensor, probe in _on_own_converter(board):
        acting = sorted(outputs & probe.outputs)
        if acting:
            why = (f"{_accuracy(board, sensor, probe)}: too coarse for {' and '.join(acting)}; "
                   "use an ads1115 or an EZO circuit, or remove those outputs")
            raise BoardError(file, f"sensor[{index}].bus", why)


def _check_light_through_water(file: str, board: dict[str, Any], outputs: set[str]) -> None:
    """Without its float a laser ranges through the water: a full tank looks empty. So it does to
    a ranger with a voltage in its blind zone."""
    if "top_off" not in outputs:
        return
    for index, sensor in enumerate(board["sensors"]):
        if sensor["source"] != "reservoir":
            continue
        if analog_line.is_falling_level(sensor):
            why = ("its signal falls as the water rises, as that of a ranger in its blind zone or "
                   "of swapped points: a full tank may look empty, and top_off would fill for "
                   "ever; use another level sensor, or remove top_off")
            raise BoardError(file, f"sensor[{index}].point2_mv", why)
        if sensor["part"] in _LASERS:
            why = (f"a {sensor['part']} that has lost its float sees the bottom, and top_off "
                   "would fill without end: use another level sensor, or remove top_off")
            raise BoardError(file, f"sensor[{index}].part", why)


def _check_outputs(file: str, board: dict[str, Any]) -> None:
    """The node controls and limits an output by its name: a pump of acid that is a switch would
    run past every budget, and for a doser of another name it has no limits and does not start."""
    for index, actuator in enumerate(board["actuators"]):
        name, part = actuator["name"], actuator["part"]
        if name in OUTPUTS and part != OUTPUTS[name].part:
            why = f"{name} must be a {OUTPUTS[name].part}, not a {part}"
            raise BoardError(file, f"actuator[{index}].part", why)
        if part == _DOSER and name not in OUTPUTS:
            dosers = ", ".join(one for one, output in OUTPUTS.items() if output.part == _DOSER)
            why = f"a {_DOSER} must be one of {dosers}: the node has no limits for another"
            raise BoardError(file, f"actuator[{index}].name", why)


def _check_air(file: str, board: dict[str, Any]) -> None:
    known = {f"{s['source']}.{quantity}" for s in board["sensors"] for quantity in s["measures"]}
    for index, actuator in enumerate(board["actuators"]):
        name = actuator["name"]
        if name not in _OF_THE_AIR:
            continue
        needed, longest_ms = _OF_THE_AIR[name]
        for channel in needed:
            if channel not in known:
                why = Text(N_('{name} needs {channel}: add a sensor of source "air" that measures '
                              'it'), name=name, channel=channel)
                raise BoardError(file, f"actuator[{index}].name", why)
        if actuator["max_on_ms"] > longest_ms:
            why = Text(N_("{value} is too long for a {name}: at most {most}"),
                       value=actuator["max_on_ms"], name=name, most=longest_ms)
            raise BoardError(file, f"actuator[{index}].max_on_ms", why)


def _coarse_ph(board: dict[str, Any], parts: dict[str, Part]) -> list[tuple[int, float]]:
    """Return (index, step) of the sensors of reservoir.ph whose pH is in coarse steps."""
    found = []
    for index, sensor in enumerate(board["sensors"]):
        part = parts[sensor["part"]]
        if (sensor["source"] == "reservoir" and "ph" in sensor["measures"]
                and isinstance(part, ModbusPart)):
            step = ph_step(part.probe)
            if step is not None and step > COARSEST_PH:
                found.append((index, float(step)))
    return found


def warnings(board: dict[str, Any]) -> list[str]:
    """Return warnings about a compiled board, a sentence each."""
    return [
        f"sensor[{index}]: {_accuracy(board, sensor, probe)}; for indication only"
        for index, sensor, probe in _on_own_converter(board)]


def to_set(board: BoardFile, parts: dict[str, Part]) -> list[str]:
    """Return what to set in the file, and in each Modbus probe before it joins its line, and what
    to measure at each analog board, a sentence each."""
    found = []
    if board.reservoir is None and any(one.part == _DOSER for one in board.actuator):
        found.append("reservoir.volume_l is missing: the limits of acid and base are those of "
                     f"{DEFAULT_VOLUME_L} l, dangerous in a smaller tank; set its litres")
    for index, sensor in enumerate(board.sensor):
        part = parts[sensor.part]
        if sensor.part == analog_line.PART:
            found.append(f"sensor[{index}]: {analog_line.to_measure(sensor)}")
        if not isinstance(part, ModbusPart) or sensor.bus is None:
            continue
        probe, line = part.probe, board.rs485[sensor.bus.partition(".")[2]]
        wanted = (f"address {sensor.address}", f"{line.baud} baud", f"parity {line.parity}")
        own = (f"address {probe.address}", f"{probe.bauds[0]} baud", f"parity {probe.parities[0]}")
        change = [want for want, has in zip(wanted, own, strict=True) if want != has]
        if change:
            found.append(f"sensor[{index}]: set {sensor.part} to {', '.join(change)} before it "
                         f"joins {sensor.bus}; from the factory it has {', '.join(own)}")
    return found


def _on_own_converter(board: dict[str, Any]) -> list[tuple[int, dict[str, Any], Probe]]:
    own = {f"adc.{adc['name']}" for adc in board["adcs"] if adc["part"] == OWN_CONVERTER}
    error_mv = CHIPS[board["chip"]].adc_error_mv
    found = []
    for index, sensor in enumerate(board["sensors"]):
        probe = _probe_of(sensor)
        if (sensor.get("bus") in own and probe is not None
                and error_mv / probe.mv_per_unit > probe.tolerance):
            found.append((index, sensor, probe))
    return found


def _probe_of(sensor: dict[str, Any]) -> Probe | None:
    """Return the signal of a part by its kind, or of a linear_analog by its line; else None."""
    if sensor["part"] != analog_line.PART:
        return _PROBES.get(sensor["part"])
    probe = _OF_A_LINE.get(sensor["measures"][0])
    if probe is None:
        return None
    mv_per_unit = abs(analog_line.mv_per_unit(sensor))
    return probe._replace(
        mv_per_unit=1_000 * mv_per_unit if probe.unit == "mS/cm" else mv_per_unit)


def _accuracy(board: dict[str, Any], sensor: dict[str, Any], probe: Probe) -> str:
    chip = CHIPS[board["chip"]]
    error = chip.adc_error_mv / probe.mv_per_unit
    low_mv, high_mv = chip.adc_range_mv
    text = (f"{sensor['part']} on the {chip.name}'s own ADC has an error of up to {error:.2f} "
            f"{probe.unit}")
    if sensor["part"] == "dfr0300":
        low, high = low_mv / probe.mv_per_unit, high_mv / probe.mv_per_unit
        text += f" and a fault below {low:.1f} and above {high:.1f} {probe.unit}"
    return text
