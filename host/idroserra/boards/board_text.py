"""Writes a board as the text of its file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from idroserra.boards.schema import BoardFile
from idroserra.core.errors import BoardError
from idroserra.core.toml_text import toml_string

Table = dict[str, Any]  # of a board file, as tomllib returns it


def table_of(board: BoardFile) -> Table:
    """Return a board as the table of its file, without what is not set."""
    return {key: value for key, value in _without_unset(msgspec.to_builtins(board)).items()
            if value not in ({}, [])}


def text_of(board: BoardFile) -> str:
    """Return the text of a board's file."""
    return "\n".join(_tables(table_of(board)))


def encoded(text: str, file: str) -> bytes:
    """Return a text as the bytes of a file. Raises BoardError."""
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise BoardError(file, "", f"not a text at character {error.start}") from error


def _without_unset(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_unset(one) for key, one in value.items()
                if one is not None and one is not False}
    return [_without_unset(one) for one in value] if isinstance(value, list) else value


def _tables(whole: Table) -> Iterator[str]:
    for section, content in whole.items():
        if isinstance(content, list):
            yield from (_table(f"[[{section}]]", entry) for entry in content)
        elif all(isinstance(value, Mapping) for value in content.values()):
            yield from (_table(f"[{section}.{_key(name)}]", entry)
                        for name, entry in content.items())
        else:
            yield _table(f"[{section}]", content)


def _table(head: str, values: Table) -> str:
    is_i2c = str(values.get("bus", "")).startswith("i2c.")
    lines = (f"{_key(key)} = " + (f"0x{value:02x}" if key == "address" and is_i2c and value >= 0
                                  else _value(value)) for key, value in values.items())
    return "\n".join((head, *lines, ""))


def _key(name: str) -> str:
    is_bare = name.isascii() and name.replace("_", "a").replace("-", "a").isalnum()
    return name if is_bare else toml_string(name)


def _value(value: Any) -> str:
    if isinstance(value, str):
        return toml_string(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, Mapping):
        return f"{{ {', '.join(f'{_key(key)} = {_value(one)}' for key, one in value.items())} }}"
    return f"{value:_}" if isinstance(value, int) else repr(value)
