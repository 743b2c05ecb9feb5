"""Rules of the source code against a running pump: hazards H2, H4 and H5 of the design."""

import ast

from idro.protocol.events import EVENTS
from idro.protocol.faults import FAULTS
from idro.protocol.messages_host import VERBS
from idro.protocol.settings_table import SETTINGS
from support.source_tree import calls, name_of, nodes, python_files, report, strings

# These log an unexpected error, switch to a safe state and continue.
SUPERVISORS = {
    "firmware/idro/safety/supervisor.py": "restarts a task of the node",
    "host/idroserra/server/service.py": "restarts a thread of the host",
}
# These replace the interpreter, which prints a traceback and continues.
INTERPRETERS = {
    "sim/idrosim/shim/main.py": "main.py ended with an exception: the board shows its prompt",
    "sim/idrosim/shim/hardware/timers.py": "a callback failed: the port prints it",
    "tests/support/run_portable.py": "a test failed: the runner prints it and runs the next",
}


def test_one_watchdog():
    why = "On the ESP32 a second WDT(...) reconfigures the first, so its time-out could grow:"
    found = [
        f"{name_of(path)}:{line}"
        for path in python_files("firmware")
        for line, called, _ in calls(path)
        if called == "WDT"
    ]
    assert len(found) == 1, report(why, found)


def test_no_soft_reset():
    why = "A soft reset keeps the level of pins, so a pump would keep running. Use a hard reset:"
    found = [
        name_of(path)
        for path in python_files("firmware")
        if "soft_reset" in path.read_text(encoding="utf-8")
    ]
    assert not found, report(why, found)


def test_no_interrupts():
    why = (
        "Callbacks of pins share a queue of 8 with the timers that cut outputs off, and are lost\n"
        "when it is full. Count edges with esp32.PCNT, or poll:"
    )
    found = [
        f"{name_of(path)}:{line}"
        for path in python_files("firmware")
        for line, called, _ in calls(path)
        if called == "irq"
    ]
    assert not found, report(why, found)


def test_only_supervisors_catch_every_error():
    why = (
        "Catch the narrowest class where the error can be handled;\n"
        f"only {', '.join(SUPERVISORS)} may catch everything."
    )
    found = []
    for path in python_files("firmware", "host", "sim", "tests", "bench"):
        for node in nodes(path):
            if not isinstance(node, ast.ExceptHandler):
                continue
            names = ast.walk(node.type) if node.type else [ast.Name("everything")]
            caught = {name.id for name in names if isinstance(name, ast.Name)}
            broad = caught & {"everything", "Exception", "BaseException"}
            last = node.body[-1]
            passes_on = isinstance(last, ast.Raise) and last.exc is None
            if broad and not passes_on and name_of(path) not in SUPERVISORS | INTERPRETERS:
                found.append(f"{name_of(path)}:{node.lineno} catches {', '.join(broad)}")
    assert not found, report(why, found)


def test_only_supervisors_suppress():
    why = "contextlib.suppress(Exception) ignores every error:"
    found = [
        f"{name_of(path)}:{line}"
        for path in python_files("host", "sim", "tests", "bench")
        for line, called, call in calls(path)
        if called == "suppress"
        and any(isinstance(a, ast.Name) and a.id in ("Exception", "BaseException")
                for a in call.args)
    ]
    assert not found, report(why, found)


def test_events_used_are_events_of_the_contract():
    why = "The host rejects events that are not in idro.protocol.events:"
    found = []
    for path in python_files("firmware"):
        for line, called, call in calls(path):
            if called.strip("_") not in ("record_event", "append_event"):
                continue
            # record_event(kind, ...), append_event(at_ms, kind, ...)
            place = 1 if called.strip("_") == "append_event" else 0
            kind = call.args[place] if len(call.args) > place else None
            if isinstance(kind, ast.Constant) and kind.value not in EVENTS:
                found.append(f"{name_of(path)}:{line} {kind.value}")
    assert not found, report(why, found)


def used_in_firmware() -> set[str]:
    """Return every string of the firmware outside the contract."""
    return set().union(*(
        strings(path) for path in python_files("firmware") if "protocol" not in path.parts
    ))


def test_every_event_is_recorded_somewhere():
    why = "Remove events that the firmware does not record:"
    assert not (unused := sorted(set(EVENTS) - used_in_firmware())), report(why, unused)


def test_every_fault_is_raised_somewhere():
    why = "Remove faults that the firmware does not raise:"
    assert not (unused := sorted(set(FAULTS) - used_in_firmware())), report(why, unused)


def test_faults_raised_are_faults_of_the_contract():
    why = "A fault that is not in idro.protocol.faults has no description:"
    found = [
        f"{name_of(path)}:{line} {call.args[1].value}"
        for path in python_files("firmware")
        for line, called, call in calls(path)
        if called == "SensorError" and len(call.args) > 1
        and isinstance(call.args[1], ast.Constant) and call.args[1].value not in FAULTS
    ]
    assert not found, report(why, found)


def test_every_setting_is_used():
    why = "Remove settings that the firmware does not read:"
    assert not (unused := sorted(set(SETTINGS) - used_in_firmware())), report(why, unused)


def test_every_verb_is_handled():
    why = "Nodes refuse a verb without a handler in idro.app:"
    handled = set().union(*(
        strings(path) for path in python_files("firmware/idro/app")
    ))
    assert not (missing := sorted(set(VERBS) - handled)), report(why, missing)
