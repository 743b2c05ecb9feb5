"""A strict reader of InfluxDB's line protocol, which shares no code with what writes it.

From https://docs.influxdata.com/influxdb/v1/write_protocols/line_protocol_reference/. Whatever it
does not know is an error: a name that is not escaped, a second line, a field without a type.
"""

import re
from typing import NamedTuple

_NUMBER = re.compile(r"-?\d+(\.\d+)?")
_INTEGER = re.compile(r"-?\d+i")


class NotALine(ValueError):
    """The text is no line of the protocol."""


class Line(NamedTuple):
    """One point."""

    measurement: str
    tags: dict[str, str]
    fields: dict[str, str | int | float]
    unix_ns: int


def read(text: str) -> Line:
    """Return the one point of a text. Raises NotALine."""
    if any(ord(char) < 32 or ord(char) == 127 for char in text):
        raise NotALine("a control character: a line may end there")
    measurement, at = _name(text, 0, ", ")
    tags: dict[str, str] = {}
    while at < len(text) and text[at] == ",":
        key, at = _name(text, at + 1, "=, ")
        value, at = _name(text, _past(text, at, "="), "=, ")
        if key in tags:
            raise NotALine(f"tag {key} twice")
        tags[key] = value
    fields: dict[str, str | int | float] = {}
    at = _past(text, at, " ") - 1
    while not fields or (at < len(text) and text[at] == ","):
        key, at = _name(text, at + 1, "=, ")
        value, at = _field(text, _past(text, at, "="))
        if key in fields:
            raise NotALine(f"field {key} twice")
        fields[key] = value
    stamp = text[_past(text, at, " "):]
    if not re.fullmatch(r"-?\d{1,19}", stamp) or abs(int(stamp)) >= 2**63:
        raise NotALine(f"timestamp {stamp[:40]!r}")
    return Line(measurement, tags, fields, int(stamp))


def _past(text: str, at: int, char: str) -> int:
    if text[at:at + 1] != char:
        raise NotALine(f"{char!r} needed at {at}: {text[at:at + 20]!r}")
    return at + 1


def _name(text: str, at: int, ends: str) -> tuple[str, int]:
    """Return a measurement, a key or a tag value, and where it ends."""
    found = []
    while at < len(text) and text[at] not in ends:
        if text[at] == "\\":
            at += 1
            if text[at:at + 1] not in (",", "=", " "):
                raise NotALine("a backslash that escapes nothing")
        found.append(text[at])
        at += 1
    if not found:
        raise NotALine(f"an empty name at {at}")
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
    raise NotALine(f"field value {word[:40]!r}")


def _string(text: str, at: int) -> tuple[str, int]:
    found = []
    while at < len(text) and text[at] != '"':
        if text[at] == "\\":
            at += 1
            if text[at:at + 1] not in ('"', "\\"):
                raise NotALine("a backslash in a string that escapes nothing")
        found.append(text[at])
        at += 1
    return "".join(found), _past(text, at, '"')
