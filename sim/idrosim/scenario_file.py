"""Reads a scenario: a TOML file that says how a greenhouse starts, what befalls it and what is
promised. Every mistake is one ScenarioError that names file and key.

    [scenario]  name, text, days or hours, seed, board, trace_every, start_unix_ms, ticks_start
    [plant]     parameters of the plant, and probe.<kind>.<parameter>
    [settings]  settings of the node, sent to it as the host would
    [[event]]   at, times and every to repeat it, and one of set = {..} | fault, target |
                fault = "power_cut" | "brown_out" | "hang" | "busy", lasts | fault = "reset" |
                command, args, by, and how it is sent wrongly: copies, is_retained, late,
                is_forged, is_replay | network = "up" | "down" | "broker_down" | "host_down" |
                clock = "1h" or "-1h", a step of the host's wall clock
    [[promise]] text, signal, and one of always | never | eventually | within = [low, high];
                fraction with within; after, before, per, where (see promises.py)
"""

import math
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from idrosim import parameters, probe_parameters
from idrosim.promises import FOREVER_MS, FORMS, KINDS, Promise

_UNITS_MS = {"ms": 1, "s": 1_000, "min": 60_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|min|[smhd])")
_LASTING_FAULTS = ("power_cut", "brown_out", "hang", "busy")
_BOARD_FAULTS = _LASTING_FAULTS + ("reset",)
_PART_FAULTS = ("unplugged", "stuck", "noisy", "shorted", "drift", "none")
_NETWORK = ("up", "down", "broker_down", "host_down")
_EVENTS = ("set", "fault", "command", "network", "clock")
_VERBS = ("dose", "run", "stop", "resume")
# Without a start of its own a scenario begins at 06:00 UTC of this day.
_START_UNIX_MS = 1_767_247_200_000


class ScenarioError(Exception):
    """A scenario file is wrong, or asks for what cannot be. Names file and key."""

    def __init__(self, file: Path, key: str, why: str) -> None:
        super().__init__(f"{file}: {key}: {why}")
        self.file = file
        self.key = key
        self.why = why


@dataclass(frozen=True)
class Scenario:
    """A checked scenario. `timeline` is in the form a job takes."""

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
    plant: dict[str, Any]
    settings: dict[str, Any]
    timeline: list[dict[str, Any]]
    promises: list[Promise]


class _Table:
    """One table of the file; what nobody asked for is a mistake."""

    def __init__(self, file: Path, name: str, content: Any) -> None:
        self._file = file
        self._name = name
        if not isinstance(content, dict):
            raise ScenarioError(file, name, "a table is needed")
        self._content: dict[str, Any] = dict(content)

    def error(self, key: str, why: str) -> ScenarioError:
        return ScenarioError(self._file, f"{self._name}.{key}", why)

    def has(self, key: str) -> bool:
        return key in self._content

    def take(self, key: str, kind: type | tuple[type, ...], what: str, default: Any = None) -> Any:
        value = self._content.pop(key, None)
        if value is None:
            if default is None:
                raise self.error(key, "is missing")
            return default
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise self.error(key, f"{what} is needed, not {value!r}")
        return value

    def text(self, key: str, default: str | None = None) -> str:
        return str(self.take(key, str, "text", default))

    def choice(self, key: str, choices: tuple[str, ...]) -> str:
        value = self.text(key)
        if value not in choices:
            raise self.error(key, f"{value!r} is none of {', '.join(choices)}")
        return value

    def time_ms(self, key: str, default: str | None = None) -> int:
        return self.parsed_ms(key, self.text(key, default))

    def parsed_ms(self, key: str, text: str) -> int:
        parts = _PART.findall(text)
        if not parts or "".join(number + unit for number, unit in parts) != text:
            raise self.error(key, f"a time such as 2h30m or 90s is needed, not {text!r}")
        return int(sum(float(number) * _UNITS_MS[unit] for number, unit in parts))

    def table(self, key: str) -> dict[str, Any]:
        return dict(self.take(key, dict, "a table", {}))

    def finish(self) -> None:
        for key in self._content:
            raise self.error(key, "unknown key")


def load(file: Path) -> Scenario:
    """Return the scenario in `file`. Raises ScenarioError."""
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ScenarioError(file, "file", f"cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ScenarioError(file, "file", f"is no TOML: {error}") from error
    head = _Table(file, "scenario", content.pop("scenario", None))
    duration_ms = _duration_ms(head)
    plant = _flat(content.pop("plant", {}))
    for key, value in plant.items():
        _check_parameter(file, "plant", key, value)
    settings = _flat(content.pop("settings", {}))
    timeline = [e for table in _tables(file, content, "event") for e in _events(table)]
    promises = [_promise(table) for table in _tables(file, content, "promise")]
    for key in content:
        raise ScenarioError(file, key, "unknown table")
    if not promises:
        raise ScenarioError(file, "promise", "is missing: a scenario without one proves nothing")
    scenario = Scenario(
        file=file, name=head.text("name", file.stem), text=head.text("text"),
        board=head.text("board", "esp32-reservoir"), seed=head.take("seed", int, "a number", 1),
        duration_ms=duration_ms,
        start_unix_ms=head.take("start_unix_ms", int, "a number", _START_UNIX_MS),
        trace_every_ms=head.time_ms("trace_every", "1min"),
        ticks_start_ms=head.time_ms("ticks_start", "0s"),
        is_commissioned=head.take("commissioned", bool, "true or false", True),
        plant=plant, settings=settings,
        timeline=sorted(timeline, key=lambda event: event["at_ms"]), promises=promises,
    )
    head.finish()
    return scenario


def check_board(scenario: Scenario, board: Mapping[str, Any]) -> None:
    """Refuse events on what the compiled `board` does not have. Raises ScenarioError."""
    targets = {f"adc.{adc['name']}" for adc in board["adcs"]}
    targets |= {spec["name"] for spec in board["actuators"]}
    targets |= {f"{s['source']}.{key}" for s in board["sensors"] for key in s["measures"]}
    for event in scenario.timeline:
        target = event.get("args", {}).get("target")
        if target is not None and target not in targets:
            raise ScenarioError(
                scenario.file, "event.target",
                f"{target!r} is none of {', '.join(sorted(targets))}",
            )


def _duration_ms(head: _Table) -> int:
    if head.has("days") == head.has("hours"):
        raise head.error("days", "either days or hours is needed")
    unit = "days" if head.has("days") else "hours"
    number = head.take(unit, (int, float), "a number")
    if not 0 < number <= 10_000:
        raise head.error(unit, f"more than 0 is needed, not {number}")
    return int(number * _UNITS_MS[unit[0]])


def _tables(file: Path, content: dict[str, Any], name: str) -> list[_Table]:
    found = content.pop(name, [])
    if not isinstance(found, list):
        raise ScenarioError(file, name, f"write [[{name}]], with two brackets")
    return [_Table(file, f"{name}[{index}]", table) for index, table in enumerate(found, 1)]


def _events(table: _Table) -> list[dict[str, Any]]:
    """Return the event of a table, as often as it is to happen."""
    at_ms = table.time_ms("at")
    times = table.take("times", int, "a number", 1)
    if not 1 <= times <= 10_000:
        raise table.error("times", f"1 to 10000 is needed, not {times}")
    every_ms = table.time_ms("every") if times > 1 else 0
    event = _event(table)
    return [{"at_ms": at_ms + number * every_ms, **event} for number in range(times)]


def _event(table: _Table) -> dict[str, Any]:
    event: dict[str, Any] = {}
    kinds = [kind for kind in _EVENTS if table.has(kind)]
    if len(kinds) != 1:
        raise table.error("at", f"an event has one of {', '.join(_EVENTS)}")
    if kinds == ["set"]:
        event["set"] = _flat(table.table("set"))
        for key, value in event["set"].items():
            _check_parameter(table._file, f"{table._name}.set", key, value)
    elif kinds == ["fault"]:
        event["fault"] = table.choice("fault", _BOARD_FAULTS + _PART_FAULTS)
        if event["fault"] in _LASTING_FAULTS:
            event["args"] = {"for_ms": table.time_ms("lasts", "10s")}
        elif event["fault"] != "reset":
            event["args"] = {"target": table.text("target")}
    elif kinds == ["command"]:
        event["command"] = _command(table)
    elif kinds == ["clock"]:
        text = table.text("clock")
        sign = -1 if text.startswith("-") else 1
        event["clock"] = sign * table.parsed_ms("clock", text.removeprefix("-"))
    else:
        event["network"] = table.choice("network", _NETWORK)
    table.finish()
    return event


def _command(table: _Table) -> dict[str, Any]:
    command: dict[str, Any] = {
        "verb": table.choice("command", _VERBS), "args": table.table("args"),
        "by": table.text("by", "scenario"),
    }
    for key in ("is_retained", "is_forged", "is_replay"):
        if table.has(key):
            command[key] = table.take(key, bool, "true or false")
    if table.has("copies"):
        command["copies"] = table.take("copies", int, "a number")
    if table.has("late"):
        command["late_ms"] = table.time_ms("late")
    return command


def _promise(table: _Table) -> Promise:
    text = table.text("text")
    signal = table.text("signal")
    if signal.partition(":")[0] not in KINDS or not signal.partition(":")[2]:
        raise table.error("signal", f"{signal!r} is none of {':.., '.join(KINDS)}:..")
    forms = [form for form in FORMS if table.has(form)]
    if len(forms) != 1:
        raise table.error("signal", f"a promise has one of {', '.join(FORMS)}")
    bounds = table.take(forms[0], list, "[low, high]")
    if len(bounds) != 2 or not all(_is_number(bound) for bound in bounds):
        raise table.error(forms[0], f"[low, high] is needed, not {bounds!r}")
    if bounds[0] > bounds[1]:
        raise table.error(forms[0], f"low {bounds[0]} is above high {bounds[1]}")
    fraction = table.take("fraction", (int, float), "a number", 1.0)
    if not 0 < fraction <= 1:
        raise table.error("fraction", f"0 to 1 is needed, not {fraction}")
    promise = Promise(
        text, signal, forms[0], float(bounds[0]), float(bounds[1]), float(fraction),
        after_ms=table.time_ms("after", "0s"),
        before_ms=table.time_ms("before") if table.has("before") else FOREVER_MS,
        per_ms=table.time_ms("per") if table.has("per") else None, where=table.table("where"),
    )
    table.finish()
    return promise


def _is_number(value: Any) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and not math.isnan(value)


def _check_parameter(file: Path, table: str, key: str, value: Any) -> None:
    try:
        if key.startswith("probe."):
            if not _is_number(value):
                raise ValueError(f"a number is needed, not {value!r}")
            probe_parameters.settings("ph", {key: value})
        else:
            parameters.check(key.removeprefix("plant."), value)
    except ValueError as error:
        raise ScenarioError(file, f"{table}.{key}", str(error)) from error


def _flat(tables: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested tables as one, with dotted keys: both ways of writing mean the same."""
    found: dict[str, Any] = {}
    for key, value in tables.items():
        if isinstance(value, dict):
            found |= _flat(value, f"{prefix}{key}.")
        else:
            found[prefix + key] = value
    return found
