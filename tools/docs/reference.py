"""Generates the reference of command line, configuration file, settings and channels.

A key or command without a description is an error.
"""

from __future__ import annotations

import json
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import typer

from idro.protocol.descriptions import QUANTITY_TEXTS, SETTING_TEXTS
from idro.protocol.quantities import QUANTITIES
from idro.protocol.settings_table import SETTINGS
from idroserra.boards import compiler
from idroserra.core.config import Config, field_types
from idroserra.core.config_help import SECTIONS, TEXTS
from idroserra.core.validation import Secret
from tools.docs.tables import anchor, span, table

_BY = "by `make site`."
_CLI = f"""# Command line

For users of a terminal: every command of `idroserra` with every option.

Generated from the commands themselves {_BY}

Exit codes: 0 success, 1 failure, 2 wrong usage, 3 an expectation was not met. `--json` prints
machine-readable output. Commands that talk to a running host take `--url` or `IDROSERRA_URL`, and
a token from `--token-file` or `IDROSERRA_TOKEN`; on the host's own machine, as the host's user,
neither is needed.
"""
_CONFIG = f"""# Configuration file

For technicians who run the host: every key of the TOML file that `idroserra serve --config FILE`
reads.

Generated from `host/idroserra/core/config.py` {_BY}

An unknown key is an error. Every key can also be set by an environment variable, which overrides
the file: `IDROSERRA_` and the key in capitals with `__` for each dot, such as
`IDROSERRA_STORE__TOKEN`.
"""
_SETTINGS = f"""# Settings of a node

For growers and technicians: what can be changed on a running node with `idroserra node set NODE
key=value`, on its page, or by a recipe.

Generated from `firmware/idro/protocol/settings.py` {_BY}

A setting can tighten the limits of the safety gate and never loosen them: the frozen ceilings are
not settings. The node validates each change as a whole. It rejects an invalid change with a reason
and keeps the previous settings.
"""
_CHANNELS = f"""# Channels

For readers of charts, exports and the API: what is measured, its unit and its source.

Generated from `firmware/idro/protocol/quantities.py` and `boards/` {_BY}

A channel is `<source>.<quantity>`, such as `reservoir.ph`. A value outside its range is a fault,
never a number ([all faults](../faults.md)). EC is stored in µS/cm at 25 °C and shown in mS/cm.
"""


def pages() -> dict[str, str]:
    """Return the pages by their path under docs/."""
    return {"reference/cli.md": _cli(), "reference/configuration.md": _configuration(),
            "reference/settings.md": _settings(), "reference/channels.md": _channels()}


def _cli() -> str:
    from idroserra.cli.main import app

    parts = [_CLI]
    for path, command in _commands("idroserra", typer.main.get_command(app)):
        level = "##" if path.count(" ") < 2 else "###"
        parts += [anchor(path.replace(" ", "-")), f"{level} {path}\n",
                  f"{_sentences(command.help)}\n"]
        rows = [_option(path, one) for one in command.params
                if "--help" not in one.opts and not getattr(one, "hidden", False)]
        if rows:
            parts.append(table(("argument or option", "takes", "default", "meaning"), rows))
    return "\n".join(parts)


def _commands(path: str, command: Any) -> Iterator[tuple[str, Any]]:
    yield path, command
    if hasattr(command, "list_commands"):
        for name in command.list_commands(None):
            yield from _commands(f"{path} {name}", command.get_command(None, name))


def _sentences(text: str | None) -> str:
    """Return the help of a command with one line per paragraph."""
    paragraphs = (text or "").split("\n\n")
    return "\n\n".join(" ".join(one.replace("\b", "").split()) for one in paragraphs)


def _option(path: str, one: Any) -> tuple[str, str, str, str]:
    text = getattr(one, "help", None)
    if not text:
        raise ValueError(f"{path} {one.opts[0]}: no help")
    is_argument = one.param_type_name == "argument"
    names = one.name.upper() if is_argument else ", ".join([*one.opts, *one.secondary_opts])
    takes = "" if getattr(one, "is_flag", False) else _type_text(one)
    many = ", several" if one.nargs == -1 or one.multiple else ""
    default = "required" if one.required else _default(one.default)
    if one.envvar:
        default = f"{default} or `{one.envvar}`".removeprefix(" or ")
    return f"`{names}`", f"{takes}{many}", default, _sentences(text).replace("\n\n", " ")


def _type_text(one: Any) -> str:
    kind = _kind(one.type_descriptor.annotation)
    limits = span(one.min, one.max)
    return f"{kind}, {limits}" if limits else kind


def _kind(annotation: Any) -> str:
    """Return the description of a type."""
    if typing.get_origin(annotation) is typing.Literal:
        return " or ".join(f"`{value}`" for value in typing.get_args(annotation))
    inner = [part for part in typing.get_args(annotation) if part not in (type(None), ...)]
    if inner:
        return _kind(inner[0])
    words = {str: "text", int: "a whole number", float: "a number", bool: "true or false",
             Path: "a file", Secret: "text", dict: "tables"}
    return words.get(annotation, getattr(annotation, "__name__", str(annotation)).lower())


def _default(value: Any) -> str:
    if value is None or value is False or value == () or callable(value):
        return ""
    return f"`{value}`"


def _configuration() -> str:
    found = dict(_keys("", Config))
    missing = sorted(set(found) ^ set(TEXTS))
    if missing:
        raise ValueError(f"host/idroserra/core/config_help.py and config.py differ: {missing}")
    parts = [_CONFIG]
    for section, text in SECTIONS.items():
        rows = [row for key, row in found.items() if key.rpartition(".")[0] == section]
        head = f"[[{section[:-2]}]]" if section.endswith("[]") else f"[{section}]"
        parts += [f"## `{head}`\n" if section else "## Top level\n", f"{text}\n",
                  table(("key", "takes", "default", "meaning"), rows)]
    return "\n".join(parts)


def _keys(
    prefix: str, section: type[msgspec.Struct]
) -> Iterator[tuple[str, tuple[str, str, str, str]]]:
    """Yield (key with its sections, row) of a section and those within it."""
    kinds = field_types(section)
    for field in msgspec.structs.fields(section):
        key, kind = f"{prefix}{field.name}", kinds[field.name]
        inner = [part for part in (kind, *typing.get_args(kind)) if field_types(part)]
        if inner and kind is inner[0]:
            yield from _keys(f"{key}.", inner[0])
            continue
        takes = _kind(kind)
        limits = span(_bound(field.type, "ge"), _bound(field.type, "le"))
        default = "required" if field.required else ""
        if field.default not in (msgspec.NODEFAULT, None, ()):
            default = "" if isinstance(field.default, dict) else f"`{json.dumps(field.default)}`"
        yield key, (f"`{field.name}`", f"{takes}, {limits}" if limits else takes, default,
                    TEXTS.get(key, ""))
        if inner:
            yield from _keys(f"{key}[].", inner[0])


def _bound(kind: Any, name: str) -> Any:
    """Return a limit of a type, or of its non-null variant; None without a limit."""
    if typing.get_origin(kind) is typing.Annotated:
        return next((getattr(one, name) for one in kind.__metadata__), None)
    inner = [one for one in typing.get_args(kind) if typing.get_origin(one) is typing.Annotated]
    return _bound(inner[0], name) if inner else None


def _settings() -> str:
    groups: dict[str, list[tuple[str, str, str, str, str]]] = {}
    for row in SETTINGS.values():
        groups.setdefault(row.key.partition(".")[0], []).append(
            (f"`{row.key}`", row.unit, json.dumps(row.default), span(row.low, row.high),
             SETTING_TEXTS[row.key]))
    parts = [_SETTINGS]
    for group, rows in groups.items():
        parts += [f"## {group}\n", table(("setting", "unit", "default", "range", "meaning"), rows)]
    return "\n".join(parts)


def _channels() -> str:
    rows = [(f"`{q.key}`", q.unit, str(q.decimals), f"{q.low} to {q.high}", QUANTITY_TEXTS[q.key])
            for q in QUANTITIES.values()]
    parts = [_CHANNELS, "## Quantities\n",
             table(("quantity", "unit", "decimals", "range", "meaning"), rows),
             "## Channels of the built-in boards\n"]
    sensors = []
    for name in compiler.names():
        wired = compiler.read(compiler.path_of(name))
        for sensor in wired.compiled["sensors"]:
            part = wired.parts[sensor["part"]]
            channels = ", ".join(f"`{sensor['source']}.{key}`" for key in part.measures)
            sensors.append((f"`{name}`", f"`{sensor['part']}`", channels))
    parts.append(table(("board", "part", "channels"), sensors))
    return "\n".join(parts)
