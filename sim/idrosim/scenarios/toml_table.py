"""Checked access to the tables of a scenario file; keys that are never read are errors."""

import math
import re
from pathlib import Path
from typing import Any

_UNITS_MS = {"ms": 1, "s": 1_000, "min": 60_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|min|[smhd])")


class ScenarioError(Exception):
    """A scenario file is invalid. Names file and key."""

    def __init__(self, file: Path, key: str, why: str) -> None:
        super().__init__(f"{file}: {key}: {why}")
        self.file = file
        self.key = key
        self.why = why


class Table:
    """One table of the file; `finish` raises an error for keys that were not read."""

    def __init__(self, file: Path, name: str, content: Any) -> None:
        self.file = file
        self.name = name
        if not isinstance(content, dict):
            raise ScenarioError(file, name, "expected a table")
        self._content: dict[str, Any] = dict(content)

    def error(self, key: str, why: str) -> ScenarioError:
        return ScenarioError(self.file, f"{self.name}.{key}", why)

    def has(self, key: str) -> bool:
        return key in self._content

    def take(self, key: str, kind: type | tuple[type, ...], what: str, default: Any = None) -> Any:
        value = self._content.pop(key, None)
        if value is None:
            if default is None:
                raise self.error(key, "is missing")
            return default
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise self.error(key, f"expected {what}, got {value!r}")
        return value

    def text(self, key: str, default: str | None = None) -> str:
        return str(self.take(key, str, "text", default))

    def choice(self, key: str, choices: tuple[str, ...]) -> str:
        value = self.text(key)
        if value not in choices:
            raise self.error(key, f"{value!r} is not one of {', '.join(choices)}")
        return value

    def time_ms(self, key: str, default: str | None = None) -> int:
        return self.parsed_ms(key, self.text(key, default))

    def parsed_ms(self, key: str, text: str) -> int:
        parts = _PART.findall(text)
        if not parts or "".join(number + unit for number, unit in parts) != text:
            raise self.error(key, f"expected a time such as 2h30m or 90s, got {text!r}")
        return int(sum(float(number) * _UNITS_MS[unit] for number, unit in parts))

    def whole(self, key: str, low: int, high: int, default: int | None = None) -> int:
        value = self.take(key, int, "a whole number", default)
        if not low <= value <= high:
            raise self.error(key, f"expected {low} to {high}, got {value}")
        return int(value)

    def numbers(self, key: str, low: float, high: float) -> list[float]:
        """Return a number or a list of numbers as a list."""
        value = self.take(key, (int, float, list), "a number or a list of numbers")
        values = value if isinstance(value, list) else [value]
        if not values or not all(is_number(one) and low <= one <= high for one in values):
            raise self.error(key, f"expected {low} to {high}, got {value!r}")
        return [float(one) for one in values]

    def table(self, key: str) -> dict[str, Any]:
        return dict(self.take(key, dict, "a table", {}))

    def finish(self) -> None:
        for key in self._content:
            raise self.error(key, "unknown key")


def is_number(value: Any) -> bool:
    """Return True for a number other than nan; booleans are not numbers."""
    is_numeric = isinstance(value, int | float) and not isinstance(value, bool)
    return is_numeric and not math.isnan(value)


def flat(tables: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested tables as one table with dotted keys."""
    found: dict[str, Any] = {}
    for key, value in tables.items():
        if isinstance(value, dict):
            found |= flat(value, f"{prefix}{key}.")
        else:
            found[prefix + key] = value
    return found
