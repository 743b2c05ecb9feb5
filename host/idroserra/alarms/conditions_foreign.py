"""The conditions of foreign readings. Pure.

A finding belongs to the host, not to a node: no state of a node depends on one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from idroserra.alarms.rules import Rule
from idroserra.alarms.snapshot import Snapshot
from idroserra.core import protocol
from idroserra.core.reasons import Reason
from idroserra.foreign.readings import ForeignReading
from idroserra.foreign.subscription import PAUSED

Found = tuple[str, bool | None, Reason | None]  # (name, is_present, reason)
Evaluate = Callable[[ForeignReading, str], tuple[bool | None, Reason | None]]


def _leak(reading: ForeignReading, sensor: str) -> tuple[bool | None, Reason | None]:
    """A leak is over when the sensor says so; silence leaves it."""
    if reading.is_wet is None:
        return None, None
    code = "foreign_leak" if reading.is_wet else "foreign_dry"
    return reading.is_wet, Reason(code, sensor=sensor)


def _old(reading: ForeignReading, sensor: str) -> tuple[bool | None, Reason | None]:
    if reading.state == "waiting":  # after a start of the host
        return None, None
    if reading.state == "offline":
        return True, Reason("foreign_offline", sensor=sensor)
    if reading.state != "old":
        return False, Reason("foreign_fresh", sensor=sensor)
    code = "foreign_old" if reading.has_value else "foreign_silent"
    return True, Reason(code, sensor=sensor, age_ms=reading.age_ms)


def _implausible(reading: ForeignReading, sensor: str) -> tuple[bool | None, Reason | None]:
    if reading.refused is None:
        return (False if reading.state == "ok" else None), None
    channel = reading.adopted.channel
    quantity = protocol.split_channel(channel)[1]
    return True, Reason("foreign_implausible", sensor=sensor, channel=channel,
                        scaled=protocol.to_scaled(quantity, reading.refused))


def _down(_rule: Rule, snapshot: Snapshot, _is_active: object) -> Iterator[Found]:
    problem = snapshot.foreign_problem
    if not problem:
        yield "", False, Reason("foreign_received")
    elif problem == PAUSED:
        yield "", True, Reason("foreign_paused")
    else:
        yield "", True, Reason("foreign_down", detail=problem)


def _watch(evaluate: Evaluate) -> Callable[..., Iterator[Found]]:
    """Return a watch of the host: one finding for each adopted reading."""
    def check(_rule: Rule, snapshot: Snapshot, _is_active: object) -> Iterator[Found]:
        for reading in snapshot.foreign:
            adopted = reading.adopted
            sensor = f"{adopted.name} ({adopted.place})" if adopted.place else adopted.name
            yield (adopted.name, *evaluate(reading, sensor))

    return check


FOREIGN_WATCHES = {"foreign_leak": _watch(_leak), "foreign_old": _watch(_old),
                   "foreign_implausible": _watch(_implausible), "foreign_down": _down}
