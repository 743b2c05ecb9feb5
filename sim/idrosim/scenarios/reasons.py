"""Reasons in the messages of a node: a code with values, as {"code": ..., "values": {...}}."""

from typing import Any


def is_wanted(found: Any, wanted: Any) -> bool:
    """True if a value of an event's detail is as an expectation wants it.

    A reason is wanted by its code, or by a table of its code and some of its values.
    """
    if not _is_reason(found):
        return bool(found == wanted)
    if not isinstance(wanted, dict):
        return bool(found["code"] == wanted)
    return all(
        found["code"] == value if name == "code" else is_wanted(found["values"].get(name), value)
        for name, value in wanted.items())


def words_of(value: Any) -> str:
    """Return a value of a detail as text, a reason as its code and its values."""
    if not _is_reason(value):
        return str(value)
    values = ", ".join(f"{name} {words_of(one)}" for name, one in value["values"].items())
    return f"{value['code']} ({values})" if values else str(value["code"])


def _is_reason(value: Any) -> bool:
    return isinstance(value, dict) and value.keys() == {"code", "values"}
