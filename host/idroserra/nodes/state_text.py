"""The state of a node in words, and as the JSON of page, terminal and Home Assistant."""

from __future__ import annotations

from typing import Any

from idroserra.core.reasons import Reason
from idroserra.help.topics import help_address
from idroserra.i18n.reasons import as_sentence, counted_down, reason_json
from idroserra.i18n.translate import gettext as _
from idroserra.node_state.causes import Cause
from idroserra.node_state.places import address_of, place_of_cause
from idroserra.node_state.state import NodeState


def state_json(state: NodeState, now_unix_ms: int, node: str) -> dict[str, Any]:
    """Return the worst cause with its level, code, text, since, until, remedy, mender, help and
    the page where it is mended, and the other causes in `others`, each in the same form."""
    return {**cause_json(state.causes[0], now_unix_ms, node),
            "others": [cause_json(one, now_unix_ms, node) for one in state.others]}


def cause_json(cause: Cause, now_unix_ms: int, node: str) -> dict[str, Any]:
    """Return one cause."""
    reason, until = reason_now(cause, now_unix_ms), cause.until_unix_ms
    if until is not None and until <= now_unix_ms:
        until = None
    return {
        "level": cause.level, "code": reason.code, "cause": reason_json(reason),
        "text": sentence(reason), "since_unix_ms": cause.since_unix_ms,
        "until_unix_ms": until, "remedy": cause.remedy, "mender": cause.mender,
        "help": help_address(cause.remedy),
        "href": "" if cause.level == "ok" else address_of(node, place_of_cause(reason))}


def state_text(state: NodeState, now_unix_ms: int) -> str:
    """Return the worst cause as a sentence: for a notification, a sensor or a table."""
    return sentence(reason_now(state.causes[0], now_unix_ms))


def sentence(reason: Reason) -> str:
    """Return a reason as a sentence of its own."""
    return ended(as_sentence(reason))


def ended(text: str) -> str:
    """Return a sentence with its full stop."""
    return text if text.endswith(("?", "？", ".", "。")) else _("{what}.").format(what=text)


def reason_now(cause: Cause, now_unix_ms: int) -> Reason:
    """Return the reason of a cause with the time that is left now."""
    if cause.until_unix_ms is None or cause.since_unix_ms is None:
        return cause.reason
    return counted_down(cause.reason, now_unix_ms - cause.since_unix_ms)
