"""Validates outside data (requests, configuration, rules) against declared types.

Types are msgspec Structs. Invalid data raises one ValidationError: where and why.
"""

from __future__ import annotations

import re
import types
from ast import literal_eval
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn, TypeVar, Union, get_args, get_origin

import msgspec
from msgspec.inspect import is_struct_type

_T = TypeVar("_T")
MAX_CHARS = 300
MOST_NAMED = 5  # keys in a reason
UNKNOWN = "unknown key"
_END = r"\Z"  # Python only; JSON Schema does not know it

_SPLIT = re.compile(r"(?P<why>.*?)(?: - at `(?P<key>key in )?\$(?P<path>[^`]*)`)?", re.DOTALL)
_STEP = re.compile(r"\.([^.\[]+)|\[(\d+|\.\.\.)\]")
_FIELD = re.compile(r"Object (missing required|contains unknown) field `(.*)`", re.DOTALL)
_BOUND = re.compile(r"Expected `(\w+)`( of length)? (<=|>=|<|>) (\S+)")
_PATTERN = re.compile(r"Expected `str` matching regex (.*)", re.DOTALL)
_OTHER = re.compile(r"Expected `([^`]*)`(?:, got `[^`]*`)?")
_KINDS = {"int": "a valid integer", "float": "a valid number", "str": "a valid string",
          "bool": "a valid boolean", "array": "a valid list", "object": "a valid object",
          "null": "nothing"}
_ITEMS = {"str": "characters", "array": "items", "object": "entries"}
_THAN = {"<=": "less than or equal to", ">=": "greater than or equal to", "<": "less than",
         ">": "greater than"}


class ValidationError(ValueError):
    """Invalid input: `path` is the location of the value, `why` the reason."""

    def __init__(self, path: list[str], why: str) -> None:
        where = ".".join(path)
        super().__init__(f"{where}: {why}" if where else why)
        self.path = path
        self.why = why


def string_pattern(pattern: str, **more: Any) -> msgspec.Meta:
    """Return the constraint that a string matches `pattern`; its $ excludes a final newline."""
    return msgspec.Meta(pattern=f"{pattern.removesuffix('$')}{_END}", **more)


def public_pattern(pattern: str) -> str:
    """Return a pattern as it was passed to string_pattern()."""
    return f"{pattern.removesuffix(_END)}$" if pattern.endswith(_END) else pattern


class Secret:
    """A string that repr() and logs do not show."""

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
    """Return `value` as `kind`; numeric strings become numbers. Raises ValidationError."""
    try:
        return msgspec.convert(value, kind, strict=False, dec_hook=_convert)
    except msgspec.ValidationError as error:
        raise_validation_error(error, kind, unknown)


def raise_validation_error(
    error: msgspec.ValidationError, kind: Any, unknown: str = UNKNOWN
) -> NoReturn:
    """Raise ValidationError for an error of msgspec about a value of type `kind`."""
    found = _SPLIT.fullmatch(str(error))
    assert found is not None  # it matches any text
    path = [name or index for name, index in _STEP.findall(found["path"] or "")]
    why = _why(found["why"], kind, path, unknown)
    if isinstance(error.__cause__, ValidationError):  # from __post_init__, which names the field
        path, why = path + error.__cause__.path, error.__cause__.why
    path = [" ".join(part.split())[:MAX_CHARS] for part in path if part != "..."]
    raise ValidationError(path, why[:MAX_CHARS]) from None


def _why(message: str, kind: Any, path: list[str], unknown: str) -> str:
    """Return the reason in plain words; appends a key that `message` names to `path`."""
    if found := _FIELD.fullmatch(message):
        known = [one.encode_name for part in _parts(_kind_at(kind, path)) if is_struct_type(part)
                 for one in msgspec.structs.fields(part)]
        path.append(found[2])
        if found[1] != "contains unknown":
            return "field required"
        return f"{unknown} (known: {', '.join(known)})" if len(known) <= MOST_NAMED else unknown
    if message.startswith("Invalid enum value"):
        words = [repr(one) for one in _choices(kind, path)]
        return f"input should be {', '.join(words[:-1])} or {words[-1]}".replace("be  or ", "be ")
    if found := _BOUND.fullmatch(message):
        name, is_length, sign, bound = found.groups()
        if is_length:
            many = "at most" if sign == "<=" else "at least"
            return f"should have {many} {bound} {_ITEMS.get(name, 'items')}"
        return f"input should be {_THAN[sign]} {bound.removesuffix('.0')}"
    if found := _PATTERN.fullmatch(message):
        return f"string should match pattern '{public_pattern(literal_eval(found[1]))}'"
    if found := _OTHER.fullmatch(message):
        kinds = [_KINDS.get(one, one) for one in found[1].split(" | ") if one != "null"]
        return f"input should be {' or '.join(kinds)}"
    return f"{message[:1].lower()}{message[1:]}"


def _choices(kind: Any, path: list[str]) -> list[Any]:
    """Return the values of the Literal at `path`."""
    return [value for part in _parts(_kind_at(kind, path)) if get_origin(part) is Literal
            for value in get_args(part)]


def _kind_at(kind: Any, path: list[str]) -> Any:
    """Return the type of the value at `path`."""
    for step in path:
        for part in _parts(kind):
            if is_struct_type(part):
                fields = {one.encode_name: one for one in msgspec.structs.fields(part)}
                if step in fields:
                    kind = fields[step].type
                    break
            elif get_args(part):
                kind = get_args(part)[-1 if get_origin(part) is dict else 0]
                break
    return kind


def _parts(kind: Any) -> list[Any]:
    """Return the types of a union without their annotations."""
    if get_origin(kind) is Annotated:
        return _parts(get_args(kind)[0])
    if get_origin(kind) in (Union, types.UnionType):
        return [part for one in get_args(kind) for part in _parts(one)]
    return [kind]


def _convert(kind: type, value: Any) -> Any:
    """Return a Path or Secret, the types that msgspec does not know."""
    if kind not in (Path, Secret):
        raise TypeError(f"unsupported type: {kind}")
    if not isinstance(value, str):
        raise ValidationError([], "input should be a valid string")
    return kind(value)


def plain(value: Any) -> Any:
    """Return a mapping as a dict for JSON. Raises TypeError for any other type."""
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} is not JSON serializable")
