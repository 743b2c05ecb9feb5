"""Groups the channels of a board by the bus or converter they share."""

from __future__ import annotations

from functools import lru_cache

from idroserra.alarms.snapshot import Group
from idroserra.boards import compiler, kept
from idroserra.core.errors import BoardError


def groups_of(board: str | None) -> tuple[Group, ...]:
    """Return the groups of two sensors or more, widest first; () for a board without a file."""
    return () if board is None else _groups(board, kept.revision())


@lru_cache(maxsize=64)
def _groups(board: str, _revision: int) -> tuple[Group, ...]:
    try:
        compiled = compiler.load(board)
    except BoardError:
        return ()
    on_bus: dict[str, list[set[str]]] = {}
    for sensor in compiled["sensors"]:
        channels = {f"{sensor['source']}.{quantity}" for quantity in sensor["measures"]}
        if sensor.get("bus") is not None:
            on_bus.setdefault(sensor["bus"], []).append(channels)
    for adc in compiled["adcs"]:  # a converter fails with its bus: it counts as one member
        inputs = on_bus.get(f"adc.{adc['name']}")
        if inputs and adc.get("bus") is not None:
            on_bus.setdefault(adc["bus"], []).append(set().union(*inputs))
    groups = [Group(_bus_label(bus), bus, frozenset().union(*parts))
              for bus, parts in sorted(on_bus.items()) if len(parts) >= 2]
    return tuple(sorted(groups, key=lambda group: -len(group.channels)))


def _bus_label(bus: str) -> str:
    """Return the part of the keys of a bus's alarms, which are stored."""
    kind, _, name = bus.partition(".")
    labels = {"i2c": "I2C bus", "adc": "Converter", "onewire": "1-Wire bus", "uart": "Serial line"}
    return f"{labels.get(kind, kind)} {name}".strip()
