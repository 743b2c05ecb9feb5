"""The reasons that a node answers a command with, as idro.app does."""

from typing import Any

from idro.protocol.messages import Command
from idro.protocol.reason import Reason

_VALUES = {
    "dose_given": ("actuator", "volume_ul"), "run_begun": ("actuator", "duty_pct", "for_ms"),
    "hold_begun": ("for_ms",), "update_fetching": ("version",),
}
_CODES = {
    "dose": "dose_given", "run": "run_begun", "correct": "correction_opened",
    "end_correction": "correction_over", "stop": "all_stopped", "resume": "dosing_resumed",
    "offer": "update_fetching", "cancel": "update_cancelled",
    "certificate": "certificate_on_trial",
}


def done_reason(command: Command) -> Reason:
    """Return the reason of the ack of a command that was done."""
    args: dict[str, Any] = command.args if isinstance(command.args, dict) else {}
    if command.verb == "hold":
        code = "hold_begun" if args["for_ms"] else "hold_over"
    else:
        code = _CODES[command.verb]
    if command.verb == "run":
        args = {"duty_pct": 100} | args
    elif command.verb == "offer":
        args = {"version": command.args.version}
    return Reason(code, **{name: args[name] for name in _VALUES.get(code, ())})
