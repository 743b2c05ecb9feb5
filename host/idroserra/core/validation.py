"""What comes from outside, checked against a declared shape: requests, configuration, rules.

A shape is a msgspec Struct. Whatever does not fit is one Misfit: where, and why, in plain words.
"""

from __future__ import annotations

import re
import types
from ast import literal_eval
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn, TypeVar, Union, get_args, get_origin

import msgspec

_T = TypeVar("_T")
MOST_CHARS = 300
UNKNOWN = "unknown key"
_END = r"\Z"  # of Python alone: JSON Schema has no such thing

_SPLIT = re.compile(r"(?P<why>.*?)(?: - at `(?P<key>key in )?\$(?P<path>[^`]*)`)?", re.DOTALL)
_STEP = re.compile(r"\.([^.\[]+)|\[(\d+|\.\.\.)\]")
_MISSING = re.compile(r"Object missing required field `(.*)`", re.DOTALL)
_UNKNOWN = re.compile(r"Object contains unknown field `(.*)`", re.DOTALL)
_LENGTH = re.compile(r"Expected `(\w+)` of length (<=|>=) (\d+)")
_BOUND = re.compile(r"Expected `\w+` (<=|>=|<|>) (\S+)")
_PATTERN = re.compile(r"Expected `str` matching regex (.*)", re.DOTALL)
_OTHER = re.compile(r"Expected `([^`]*)`(?:, got `[^`]*`)?")
_KINDS = {"int": "a valid integer", "float": "a valid number", "str": "a valid string",
          "bool": "a valid boolean", "array": "a valid list", "object": "a valid object",
          "null": "nothing"}
_ITEMS = {"str": "characters", "array": "items", "object": "entries"}
_THAN = {"<=": "less than or equal to", ">=": "greater than or equal to", "<": "less than",
         ">": "greater than"}


class ValidationError(ValueError):
    """Something from outside that does not fit: `path` leads to it, `why` says what is wrong."""

    def __init__(self, path: list[str], why: str) -> None:
        where = ".".join(path)
        super().__init__(f"{where}: {why}" if where else why)
        self.path = path
        self.why = why


def string_pattern(pattern: str, **more: Any) -> msgspec.Meta:
    """Return what says that a text matches `pattern`, whose $ is the end: no newline after it."""
    return msgspec.Meta(pattern=f"{pattern.removesuffix('$')}{_END}", **more)


def public_pattern(pattern: str) -> str:
    """Return a pattern as it was given to matching()."""
    return f"{pattern.removesuffix(_END)}$" if pattern.endswith(_END) else pattern


class Secret:
    """A text that shows itself to nobody who does not ask for it."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def get_secret_value(self) -> str:
        """Return the text."""
        return self._text

    def __repr__(self) -> str:
        return "Secret('**********')"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)


def validate(value: Any, kind: type[_T], *, unknown: str = UNKNOWN) -> _T:
    """Return `value` as `kind`; texts that stand for numbers are taken as such. Raises Misfit."""
    try:
        return msgspec.convert(value, kind, strict=False, dec_hook=_made)
    except msgspec.ValidationError as error:
        misfit(error, kind, unknown)


def misfit(error: msgspec.ValidationError, kind: Any, unknown: str = UNKNOWN) -> NoReturn:
    """Raise Misfit for what msgspec says of a value that should be a `kind`."""
    found = _SPLIT.fullmatch(str(error))
    assert found is not None  # it matches any text
    path = [name or index for name, index in _STEP.findall(found["path"] or "")]
    why = _why(found["why"], kind, path, unknown)
    if isinstance(
        error.__cause__, ValidationError
    ):  # from a check of our own, which names its field
        path, why = path + error.__cause__.path, error.__cause__.why
    path = [" ".join(part.split())[:MOST_CHARS] for part in path if part != "..."]
    raise ValidationError(path, why[:MOST_CHARS]) from None


def _why(told: str, kind: Any, path: list[str], unknown: str) -> str:
    """Return in plain words what msgspec told; a key that it names goes to the end of `path`."""
    if found := _MISSING.fullmatch(told):
        path.append(found[1])
        return "field required"
    if found := _UNKNOWN.fullmatch(told):
        path.append(found[1])
        return unknown
    if told.startswith("Invalid enum value"):
        words = [repr(one) for one in _choices(kind, path)]
        return f"input should be {', '.join(words[:-1])} or {words[-1]}".replace("be  or ", "be ")
    if found := _LENGTH.fullmatch(told):
        many = "at most" if found[2] == "<=" else "at least"
        return f"should have {many} {found[3]} {_ITEMS.get(found[1], 'items')}"
    if found := _BOUND.fullmatch(told):
        return f"input should be {_THAN[found[1]]} {found[2].removesuffix('.0')}"
    if found := _PATTERN.fullmatch(told):
        return f"string should match pattern '{public_pattern(literal_eval(found[1]))}'"
    if found := _OTHER.fullmatch(told):
        kinds = [_KINDS.get(one, one) for one in found[1].split(" | ") if one != "null"]
        return f"input should be {' or '.join(kinds)}"
    return f"{told[:1].lower()}{told[1:]}"


def _choices(kind: Any, path: list[str]) -> list[Any]:
    """Return the values of the Literal that `path` leads to."""
    for step in path:
        for part in _parts(kind):
            if isinstance(part, type) and issubclass(part, msgspec.Struct):
                fields = {one.encode_name: one for one in msgspec.structs.fields(part)}
                if step in fields:
                    kind = fields[step].type
                    break
            elif get_args(part):
                kind = get_args(part)[-1 if get_origin(part) is dict else 0]
                break
    return [value for part in _parts(kind) if get_origin(part) is Literal
            for value in get_args(part)]


def _parts(kind: Any) -> list[Any]:
    """Return the types of a union without their annotations."""
    if get_origin(kind) is Annotated:
        return _parts(get_args(kind)[0])
    if get_origin(kind) in (Union, types.UnionType):
        return [part for one in get_args(kind) for part in _parts(one)]
    return [kind]


def _made(kind: type, value: Any) -> Any:
    """Return what msgspec does not know itself: a path, a secret."""
    if kind not in (Path, Secret):
        raise TypeError(f"no shape of ours: {kind}")
    if not isinstance(value, str):
        raise ValidationError([], "input should be a valid string")
    return kind(value)


def plain(value: Any) -> Any:
    """Return what an answer holds and JSON does not know as it does."""
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} has no place in an answer")
