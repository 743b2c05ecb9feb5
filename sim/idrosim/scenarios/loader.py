"""Loads a scenario: a TOML file with start state, events and expectations of a greenhouse.

Every mistake raises a ScenarioError that names file and key.

    [scenario]  name, text, days or hours, seed, board, trace_every, start_unix_ms, ticks_start,
                commissioned, broker_host
    [plant]     parameters of the plant, and probe.<kind>.<parameter>
    [settings]  settings of the node, sent by the host
    [[event]]   at, times and every to repeat it, and one of set, settings, fault, command,
                network, clock and press with its arguments (see events.py)
    [[promise]] text, signal, and one of always | never | eventually | within = [low, high];
                fraction with within; after, before, per, where (see expectations.py)
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from idrosim.scenarios import events
from idrosim.scenarios.expectations import FOREVER_MS, FORMS, KINDS, Expectation
from idrosim.scenarios.toml_table import ScenarioError, Table, flat, is_number

__all__ = ["Scenario", "ScenarioError", "check_board", "load"]

_LENGTH_MS = {"days": 86_400_000, "hours": 3_600_000}
# Default start: 06:00 UTC of this day.
_START_UNIX_MS = 1_767_247_200_000


@dataclass(frozen=True)
class Scenario:
    """A checked scenario. `timeline` is in the format of a job."""

    file: Path
    name: str
    text: str
    board: str
    seed: int
    duration_ms: int
    start_unix_ms: int
    trace_every_ms: int
    ticks_start_ms: int
    is_commissioned: bool
    broker_host: str
    plant: dict[str, Any]
    settings: dict[str, Any]
    timeline: list[dict[str, Any]]
    expectations: list[Expectation]


def load(file: Path) -> Scenario:
    """Return the scenario in `file`. Raises ScenarioError."""
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ScenarioError(file, "file", f"cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ScenarioError(file, "file", f"invalid TOML: {error}") from error
    head = Table(file, "scenario", content.pop("scenario", None))
    duration_ms = _duration_ms(head)
    plant = flat(content.pop("plant", {}))
    for key, value in plant.items():
        events.check_parameter(file, "plant", key, value)
    settings = flat(content.pop("settings", {}))
    tables = _tables(file, content, "event")
    timeline = [event for table in tables for event in events.read(table)]
    expectations = [_expectation(table) for table in _tables(file, content, "promise")]
    for key in content:
        raise ScenarioError(file, key, "unknown table")
    if not expectations:
        raise ScenarioError(file, "promise", "is missing: a scenario needs at least one")
    scenario = Scenario(
        file=file, name=head.text("name", file.stem), text=head.text("text"),
        board=head.text("board", "esp32-reservoir"), seed=head.take("seed", int, "a number", 1),
        duration_ms=duration_ms,
        start_unix_ms=head.take("start_unix_ms", int, "a number", _START_UNIX_MS),
        trace_every_ms=head.time_ms("trace_every", "1min"),
        ticks_start_ms=head.time_ms("ticks_start", "0s"),
        is_commissioned=head.take("commissioned", bool, "true or false", True),
        broker_host=head.text("broker_host", "127.0.0.1"), plant=plant, settings=settings,
        timeline=sorted(timeline, key=lambda event: event["at_ms"]), expectations=expectations)
    head.finish()
    return scenario


def check_board(scenario: Scenario, board: Mapping[str, Any]) -> None:
    """Check that the compiled `board` has the targets of all events. Raises ScenarioError."""
    targets = {events.FLASH} | {f"adc.{adc['name']}" for adc in board["adcs"]}
    targets |= {spec["name"] for spec in board["actuators"]}
    targets |= {f"{s['source']}.{key}" for s in board["sensors"] for key in s["measures"]}
    for event in scenario.timeline:
        target = event.get("args", {}).get("target")
        if target is not None and target[0] != "/" and target not in targets:
            raise ScenarioError(
                scenario.file, "event.target",
                f"{target!r} is not one of {', '.join(sorted(targets))}")


def _duration_ms(head: Table) -> int:
    if head.has("days") == head.has("hours"):
        raise head.error("days", "expected either days or hours")
    unit = "days" if head.has("days") else "hours"
    number = head.take(unit, (int, float), "a number")
    if not 0 < number <= 10_000:
        raise head.error(unit, f"expected more than 0, at most 10000, got {number}")
    return int(number * _LENGTH_MS[unit])


def _tables(file: Path, content: dict[str, Any], name: str) -> list[Table]:
    found = content.pop(name, [])
    if not isinstance(found, list):
        raise ScenarioError(file, name, f"write [[{name}]], with two brackets")
    return [Table(file, f"{name}[{index}]", table) for index, table in enumerate(found, 1)]


def _expectation(table: Table) -> Expectation:
    text = table.text("text")
    signal = table.text("signal")
    if signal.partition(":")[0] not in KINDS or not signal.partition(":")[2]:
        raise table.error("signal", f"{signal!r} is not one of {':.., '.join(KINDS)}:..")
    forms = [form for form in FORMS if table.has(form)]
    if len(forms) != 1:
        raise table.error("signal", f"a promise has one of {', '.join(FORMS)}")
    bounds = table.take(forms[0], list, "[low, high]")
    if len(bounds) != 2 or not all(is_number(bound) for bound in bounds):
        raise table.error(forms[0], f"expected [low, high], got {bounds!r}")
    if bounds[0] > bounds[1]:
        raise table.error(forms[0], f"low {bounds[0]} is above high {bounds[1]}")
    fraction = table.take("fraction", (int, float), "a number", 1.0)
    if not 0 < fraction <= 1:
        raise table.error("fraction", f"expected 0 to 1, got {fraction}")
    expectation = Expectation(
        text, signal, forms[0], float(bounds[0]), float(bounds[1]), float(fraction),
        after_ms=table.time_ms("after", "0s"),
        before_ms=table.time_ms("before") if table.has("before") else FOREVER_MS,
        per_ms=table.time_ms("per") if table.has("per") else None, where=table.table("where"),
    )
    table.finish()
    return expectation
