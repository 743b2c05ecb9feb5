"""Parses the events of a scenario.

`read` turns one [[event]] into events of the timeline of a job, repeated as often as it says.
docs/scenarios.md describes the faults and states of the network.
"""

from pathlib import Path
from typing import Any

from idrosim.greenhouse import parameters
from idrosim.probes import parameters as probes_parameters
from idrosim.scenarios.toml_table import ScenarioError, Table, flat, is_number

EVENTS = ("set", "settings", "fault", "command", "network", "clock", "press")
_VERBS = ("dose", "run", "correct", "end_correction", "hold", "stop", "resume")
_LASTING_FAULTS = ("power_cut", "brown_out", "hang", "busy", "break")
_PART_FAULTS = ("unplugged", "stuck", "noisy", "shorted", "drift", "slow", "swapped", "none",
                "cut", "late", "doubled", "foreign", "occupied", "refused")  # of Modbus probes
_FILE_FAULTS = ("flash_corrupt", "flash_unreadable")
_TASK_ERRORS = ("MemoryError", "OSError", "RuntimeError")
_FAULTS = (
    *_LASTING_FAULTS, "reset", "panic", "console", "task_fails", "rtc_lost", *_PART_FAULTS,
    "flash_full", *_FILE_FAULTS)
FLASH = "flash"  # target of "none" that clears all faults of the flash
_NETWORK = (
    "up", "down", "slow", "half_open", "captive", "dns_dead", "refused", "duplicate",
    "wifi_refused", "wifi_stuck", "broker_down", "broker_killed", "host_down",
)
_MAX_OPERATION = 100_000
_WIFI_STATUS = (200, 201, 202, 203, 204)


def read(table: Table) -> list[dict[str, Any]]:
    """Return the timeline events of an [[event]] table. Raises ScenarioError."""
    at_ms = table.time_ms("at")
    times = table.whole("times", 1, 10_000, 1)
    every_ms = table.time_ms("every") if times > 1 else 0
    kinds = [kind for kind in EVENTS if table.has(kind)]
    if len(kinds) != 1:
        raise table.error("at", f"an event has one of {', '.join(EVENTS)}")
    # One list of (ms after the event, timeline event) per repetition.
    rounds = {
        "set": _set, "settings": _settings, "fault": _fault, "command": _command,
        "network": _network, "clock": _clock, "press": _press}[kinds[0]](table)
    table.finish()
    return [
        {"at_ms": at_ms + number * every_ms + later_ms, **event}
        for number in range(times) for later_ms, event in rounds[number % len(rounds)]]


_Rounds = list[list[tuple[int, dict[str, Any]]]]


def check_parameter(file: Path, table: str, key: str, value: Any) -> None:
    """Check a parameter of the plant or of a probe. Raises ScenarioError."""
    try:
        if key.startswith("probe."):
            if not is_number(value):
                raise ValueError(f"expected a number, got {value!r}")
            probes_parameters.check(key, value)
        else:
            parameters.check(key.removeprefix("plant."), value)
    except ValueError as error:
        raise ScenarioError(file, f"{table}.{key}", str(error)) from error


def _set(table: Table) -> _Rounds:
    values = flat(table.table("set"))
    for key, value in values.items():
        check_parameter(table.file, f"{table.name}.set", key, value)
    return [[(0, {"set": values})]]


def _settings(table: Table) -> _Rounds:
    values = flat(table.table("settings"))
    if not values:
        raise table.error("settings", "expected at least one setting")
    return [[(0, {"settings": values})]]


def _clock(table: Table) -> _Rounds:
    text = table.text("clock")
    sign = -1 if text.startswith("-") else 1
    return [[(0, {"clock": sign * table.parsed_ms("clock", text.removeprefix("-"))})]]


def _press(table: Table) -> _Rounds:
    return [[(0, {"press": table.time_ms("press")})]]


def _fault(table: Table) -> _Rounds:
    kind = table.choice("fault", _FAULTS)
    args: dict[str, Any] = {}
    if kind in _LASTING_FAULTS:
        args["for_ms"] = table.time_ms("lasts", "10s")
        if table.has("after_dose"):
            args["after_dose_ms"] = table.time_ms("after_dose")
    elif kind == "task_fails":
        args = {"error": table.choice("error", _TASK_ERRORS),
                "coroutine": table.text("coroutine", "")}
        for key in ("after_dose", "after_fill"):
            if table.has(key):
                args[f"{key}_ms"] = table.time_ms(key)
    elif kind == "flash_full":
        args["free_blocks"] = table.whole("free_blocks", 0, _MAX_OPERATION, 0)
    elif kind in _PART_FAULTS + _FILE_FAULTS:
        args["target"] = _target(table, kind)
    if kind == "flash_corrupt" and table.has("byte"):
        args["byte"] = table.whole("byte", -_MAX_OPERATION, _MAX_OPERATION)
    if kind in ("power_cut", "brown_out") and table.has("operation"):
        if table.has("target"):
            args["target"] = table.text("target")
            if not args["target"].startswith("/"):
                raise table.error("target", "expected the start of a path: /data/...")
        return [
            [(0, {"fault": kind, "args": args | {"operation": operation, "written": written}})]
            for operation, written in _operations(table)]
    event = {"fault": kind, "args": args} if args else {"fault": kind}
    return [[(0, event)]]


def _target(table: Table, kind: str) -> str:
    target = table.text("target")
    if kind in _FILE_FAULTS and not target.startswith("/"):
        raise table.error("target", f"expected a path such as /data/ledger.*, got {target!r}")
    if not target:
        raise table.error("target", "expected a channel, an actuator, a file or flash")
    return target


def _operations(table: Table) -> list[tuple[int, float]]:
    """Return all pairs (number of the flash operation, share of it that is done)."""
    operations = table.numbers("operation", 1, _MAX_OPERATION)
    if any(operation != int(operation) for operation in operations):
        raise table.error("operation", f"expected whole numbers, got {operations}")
    shares = table.numbers("written", 0, 1) if table.has("written") else [0.0]
    return [(int(operation), share) for operation in operations for share in shares]


def _network(table: Table) -> _Rounds:
    state = table.choice("network", _NETWORK)
    if state == "broker_killed":
        # The last messages were only in its memory: acknowledged, but never stored.
        unsaved_ms = table.time_ms("unsaved", "2s")
        back_ms = unsaved_ms + table.time_ms("lasts", "5s")
        return [[(0, {"network": "host_down"}), (unsaved_ms, {"network": "broker_down"}),
                 (back_ms, {"network": "up"})]]
    args: dict[str, Any] = {}
    if state == "down":
        args["unnoticed_ms"] = table.time_ms("unnoticed", "0s")
    elif state == "wifi_refused":
        args["status"] = table.whole("status", 200, 204, 202)
        if args["status"] not in _WIFI_STATUS:
            raise table.error("status", f"{args['status']} is not one of {_WIFI_STATUS}")
    elif state == "slow":
        args["delay_ms"] = table.time_ms("delay", "0s")
        args["bytes_per_s"] = table.whole("bytes_per_s", 0, 100_000_000, 0)
        args["loss"] = table.numbers("loss", 0, 0.9)[0] if table.has("loss") else 0.0
        if not any(args.values()):
            raise table.error("network", "slow needs one of delay, bytes_per_s, loss")
    if table.has("handshake"):
        args["handshake_ms"] = table.time_ms("handshake")
    event = {"network": state, "args": args} if args else {"network": state}
    return [[(0, event)]]


def _command(table: Table) -> _Rounds:
    command: dict[str, Any] = {
        "verb": table.choice("command", _VERBS), "args": table.table("args"),
        "by": table.text("by", "scenario")}
    for key in ("is_retained", "is_forged", "is_replay"):
        if table.has(key):
            command[key] = table.take(key, bool, "true or false")
    if table.has("copies"):
        command["copies"] = table.take("copies", int, "a number")
    if table.has("late"):
        command["late_ms"] = table.time_ms("late")
    return [[(0, {"command": command})]]
