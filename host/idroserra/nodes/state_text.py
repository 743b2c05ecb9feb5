"""The state of a node in words, and as the JSON of page, terminal and Home Assistant."""

from __future__ import annotations

from typing import Any

from idroserra.core.reasons import Reason
from idroserra.help.topics import help_address
from idroserra.i18n.reasons import as_sentence, reason_json
from idroserra.i18n.translate import gettext as _
from idroserra.nodes.state import Cause, NodeState

_MINUTE_MS = 60_000
_STEP_MS = 10_000


def state_json(state: NodeState, now_unix_ms: int) -> dict[str, Any]:
    """Return the worst cause with its level, code, text, since, until, remedy, mender and help,
    and the other causes in `others`, each in the same form."""
    return {**cause_json(state.causes[0], now_unix_ms),
            "others": [cause_json(one, now_unix_ms) for one in state.others]}


def cause_json(cause: Cause, now_unix_ms: int) -> dict[str, Any]:
    """Return one cause."""
    reason = counted_down(cause, now_unix_ms)
    return {
        "level": cause.level, "code": reason.code, "cause": reason_json(reason),
        "text": sentence(reason), "since_unix_ms": cause.since_unix_ms,
        "until_unix_ms": cause.until_unix_ms, "remedy": cause.remedy, "mender": cause.mender,
        "help": help_address(cause.remedy)}


def state_text(state: NodeState, now_unix_ms: int) -> str:
    """Return the worst cause as a sentence: for a notification, a sensor or a table."""
    return sentence(counted_down(state.causes[0], now_unix_ms))


def sentence(reason: Reason) -> str:
    """Return a reason as a sentence of its own."""
    text = as_sentence(reason)
    return text if text.endswith(("?", "？", ".", "。")) else _("{what}.").format(what=text)


def counted_down(cause: Cause, now_unix_ms: int) -> Reason:
    """Return the reason of a cause with the time that is left now.

    In whole minutes, at the end in steps of 10 s, so that the text does not change every second.
    """
    if cause.until_unix_ms is None:
        return cause.reason
    left_ms = max(1, cause.until_unix_ms - now_unix_ms)
    step_ms = _MINUTE_MS if left_ms > 2 * _MINUTE_MS else _STEP_MS
    return _with_left(cause.reason, -(-left_ms // step_ms) * step_ms)


def _with_left(reason: Reason, left_ms: int) -> Reason:
    values = dict(reason.values)
    if "left_ms" in values:
        values["left_ms"] = left_ms
    elif isinstance(values.get("why"), Reason):
        values["why"] = _with_left(values["why"], left_ms)
    return Reason(reason.code, **values)
