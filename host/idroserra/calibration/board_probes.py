"""Which part of a node's board measures what is to be calibrated, and whether settings do it."""

from __future__ import annotations

from idroserra.boards import compiler
from idroserra.calibration.errors import CannotCalibrate
from idroserra.calibration.procedures import Procedure
from idroserra.core.errors import BoardError

_EZO = {
    "ezo_ph": "Cal,clear, then Cal,mid,7.00, Cal,low,4.00 and Cal,high,10.00 in their buffers",
    "ezo_ec": "Cal,clear, then Cal,dry in air, Cal,low,1413 and Cal,high,12880 in standards",
}


def check(board_name: str, kind: Procedure, part: str | None, outputs: dict[str, str],
          actuator: str | None) -> None:
    """Refuse what this board does not have, or what its settings do not calibrate.

    `part` is said by the caller for a board that the host does not know. Raises CannotCalibrate.
    """
    if kind.channel is None:
        _check_doser(outputs, actuator)
        return
    found = part if part is not None else _part_of(board_name, kind.channel)
    if found in kind.parts:
        return
    if found in _EZO:
        raise CannotCalibrate(
            f"{found} holds its calibration itself, and this host cannot give it commands yet. "
            f"With the circuit on a terminal (its datasheet says how): {_EZO[found]}")
    raise CannotCalibrate(f"a {found} has no calibration in the node's settings; those of "
                          f"{', '.join(kind.parts)} have")


def _check_doser(outputs: dict[str, str], actuator: str | None) -> None:
    dosers = [name for name, kind in outputs.items() if kind == "doser"]
    if actuator not in dosers:
        raise CannotCalibrate(f"which pump? This node has {', '.join(dosers) or 'none'}")


def _part_of(board_name: str, channel: str) -> str:
    source, _, key = channel.partition(".")
    try:
        sensors = compiler.load(board_name)["sensors"]
    except BoardError:
        raise CannotCalibrate(
            f"the host does not know the board {board_name}: say which part measures "
            f"{channel}, such as --part sen0161") from None
    for sensor in sensors:
        if sensor["source"] == source and key in sensor["measures"]:
            return str(sensor["part"])
    raise CannotCalibrate(f"the board {board_name} has nothing that measures {channel}")
