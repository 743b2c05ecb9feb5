"""A strict parser of InfluxDB's line protocol that shares no code with the writer.

Follows https://docs.influxdata.com/influxdb/v1/write_protocols/line_protocol_reference/. Anything
else is an error: an unescaped name, a second line, a field without a type.
"""

import re
from typing import NamedTuple

_NUMBER = re.compile(r"-?\d+(\.\d+)?")
_INTEGER = re.compile(r"-?\d+i")


class LineError(ValueError):
    """The text is not one line of the protocol."""


class Line(NamedTuple):
    """One point."""

    measurement: str
    tags: dict[str, str]
    fields: dict[str, str | int | float]
    unix_ns: int


def read(text: str) -> Line:
    """Return the point of a line. Raises LineError."""
    if any(ord(char) < 32 or ord(char) == 127 for char in text):
        raise LineError("a control character: a line may end there")
    measurement, at = _name(text, 0, ", ")
    tags: dict[str, str] = {}
    while at < len(text) and text[at] == ",":
        key, at = _name(text, at + 1, "=, ")
        value, at = _name(text, _past(text, at, "="), "=, ")
        if key in tags:
            raise LineError(f"tag {key} twice")
        tags[key] = value
    fields: dict[str, str | int | float] = {}
    at = _past(text, at, " ") - 1
    while not fields or (at < len(text) and text[at] == ","):
        key, at = _name(text, at + 1, "=, ")
        value, at = _field(text, _past(text, at, "="))
        if key in fields:
            raise LineError(f"field {key} twice")
        fields[key] = value
    stamp = text[_past(text, at, " "):]
    if not re.fullmatch(r"-?\d{1,19}", stamp) or abs(int(stamp)) >= 2**63:
        raise LineError(f"timestamp {stamp[:40]!r}")
    return Line(measurement, tags, fields, int(stamp))


def _past(text: str, at: int, char: str) -> int:
    if text[at:at + 1] != char:
        raise LineError(f"{char!r} needed at {at}: {text[at:at + 20]!r}")
    return at + 1


def _name(text: str, at: int, ends: str) -> tuple[str, int]:
    """Return a measurement, a key or a tag value, and where it ends."""
    found = []
    while at < len(text) and text[at] not in ends:
        if text[at] == "\\":
            at += 1
            if text[at:at + 1] not in (",", "=", " "):
                raise LineError("a backslash that escapes nothing")
        found.append(text[at])
        at += 1
    if not found:
        raise LineError(f"an empty name at {at}")
    return "".join(found), at


def _field(text: str, at: int) -> tuple[str | int | float, int]:
    if text[at:at + 1] == '"':
        return _string(text, at + 1)
    end = at
    while end < len(text) and text[end] not in ", ":
        end += 1
    word = text[at:end]
    if _INTEGER.fullmatch(word) and abs(int(word[:-1])) < 2**63:
        return int(word[:-1]), end
    if _NUMBER.fullmatch(word):
        return float(word), end
    raise LineError(f"field value {word[:40]!r}")


def _string(text: str, at: int) -> tuple[str, int]:
    found = []
    while at < len(text) and text[at] != '"':
        if text[at] == "\\":
            at += 1
            if text[at:at + 1] not in ('"', "\\"):
                raise LineError("a backslash in a string that escapes nothing")
        found.append(text[at])
        at += 1
    return "".join(found), _past(text, at, '"')
