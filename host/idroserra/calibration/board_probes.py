"""Checks that the node's settings can calibrate a probe or pump of its board."""

from __future__ import annotations

from idroserra.boards import compiler, kept, modbus_map
from idroserra.calibration.errors import CannotCalibrate
from idroserra.calibration.procedures import Procedure
from idroserra.core.errors import BoardError
from idroserra.core.text import Text
from idroserra.i18n.marker import N_

_EZO = {
    "ezo_ph": "Cal,clear, then Cal,mid,7.00, Cal,low,4.00 and Cal,high,10.00 in their buffers",
    "ezo_ec": "Cal,clear, then Cal,dry in air, Cal,low,1413 and Cal,high,12880 in standards",
}


def check(board_name: str, kind: Procedure, part: str | None, outputs: dict[str, str],
          actuator: str | None) -> None:
    """Check that the board has the part and that the node's settings calibrate it.

    `part` is given by the caller for a board that the host does not know. Raises CannotCalibrate.
    """
    if kind.channel is None:
        _check_doser(outputs, actuator)
        return
    found = part if part is not None else _part_of(board_name, kind.channel)
    if found in kind.parts:
        return
    if found in _EZO:
        raise CannotCalibrate(Text(N_(
            "{part} stores its own calibration, and this host cannot send it commands yet. Use a "
            "terminal on the circuit (see its datasheet): {commands}"), part=found,
            commands=_EZO[found]))
    if any(found in modbus_map.read_folder(folder / modbus_map.FOLDER)
           for folder in (compiler.boards_dir(), kept.folder())):
        raise CannotCalibrate(Text(N_(
            "{part} stores its own calibration: calibrate it with its maker's tool"), part=found))
    raise CannotCalibrate(Text(
        N_("the node has no calibration settings for {part}, only for {parts}"), part=found,
        parts=", ".join(kind.parts)))


def _check_doser(outputs: dict[str, str], actuator: str | None) -> None:
    dosers = [name for name, kind in outputs.items() if kind == "doser"]
    if actuator not in dosers:
        raise CannotCalibrate(
            Text(N_("which pump? This node has {pumps}"), pumps=", ".join(dosers)) if dosers
            else Text(N_("this node has no pump")))


def _part_of(board_name: str, channel: str) -> str:
    source, _, key = channel.partition(".")
    try:
        sensors = compiler.load(board_name)["sensors"]
    except BoardError:
        raise CannotCalibrate(Text(N_(
            "the host does not know the board {board}: name the part that measures {channel}, "
            "such as --part sen0161"), board=board_name, channel=channel)) from None
    for sensor in sensors:
        if sensor["source"] == source and key in sensor["measures"]:
            return str(sensor["part"])
    raise CannotCalibrate(Text(N_("no part of the board {board} measures {channel}"),
                               board=board_name, channel=channel))
