"""`idroserra board scan`: find the parts on the RS485 and 1-Wire lines of a board over USB."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated

import typer

from idroserra.boards import compiler, modbus_map
from idroserra.client.requests import AsJson
from idroserra.core.errors import BoardError
from idroserra.flash import modbus_scan, onewire_scan, ports
from idroserra.flash.board_link import BoardLink
from idroserra.flash.errors import FlashError

_NOT_EXPECTED = "not on this board"
Found = modbus_scan.Found | onewire_scan.Found


def scan(
    board: Annotated[str, typer.Argument(help="Board name, or path of a board file.")],
    port: Annotated[
        str | None, typer.Option(help="Serial port; detected if there is one board.")] = None,
    line: Annotated[
        str | None, typer.Option(help="Line, such as onewire.main; all by default.")] = None,
    last: Annotated[
        int, typer.Option(min=modbus_map.LOWEST_ADDRESS, max=modbus_map.HIGHEST_ADDRESS,
                          help="Last address to ask on RS485.")] = modbus_map.HIGHEST_ADDRESS,
    *, as_json: AsJson = False,
) -> None:
    """Search the lines of a board: who answers, and what is missing.

    On an RS485 line every address is asked for a register; on a 1-Wire line every thermometer
    gives its ROM code and its temperature. The firmware stops meanwhile, with its outputs off, and
    starts again at the end. Exit code 1: an expected part does not answer.
    """
    compiled = compiler.load_file(compiler.path_of(board))
    lines = _lines_of(compiled, line)
    device = ports.choose(port, ports.find_boards(), None)
    ports.check_available(device)
    found = _scanned(device, compiled, lines, last, shows=not as_json)
    if as_json:
        rows = [{"line": name} | asdict(one) for name, parts in found.items() for one in parts]
        typer.echo(json.dumps(rows))
    else:
        for name, parts in found.items():
            for text in _texts(name, parts):
                typer.echo(text)
    if any(_is_missing(one) for parts in found.values() for one in parts):
        raise typer.Exit(1)


def _lines_of(board: compiler.Board, line: str | None) -> list[str]:
    """Return the lines to scan, such as "onewire.main". Raises BoardError."""
    lines = [f"{kind}.{name}" for kind in ("onewire", modbus_map.BUS) for name in board[kind]]
    if not lines:
        why = "this board has no line to scan: add an [rs485.main] or an [onewire.main]"
        raise BoardError(f"{board['name']}.toml", "", why)
    if line is not None and line not in lines:
        why = f"no such line; --line: {', '.join(lines)}"
        raise BoardError(f"{board['name']}.toml", line, why)
    return lines if line is None else [line]


def _scanned(
    device: str, compiled: compiler.Board, lines: Sequence[str], last: int, *, shows: bool
) -> dict[str, Sequence[Found]]:
    """Return {line: what was found}."""
    found: dict[str, Sequence[Found]] = {}
    with BoardLink(device) as link:
        if link.enter_raw_repl() is None:
            raise FlashError(f"{device}: MicroPython does not answer",
                             "Press the button RST of the board and repeat the command.")
        try:
            for line in lines:
                kind, _, name = line.partition(".")
                if kind == modbus_map.BUS:
                    found[line] = _ask_all(link, compiled, name, last, shows=shows)
                else:
                    found[line] = onewire_scan.scan(link, compiled, name)
        finally:
            link.restart()
    return found


def _ask_all(
    link: BoardLink, compiled: compiler.Board, name: str, last: int, *, shows: bool
) -> list[modbus_scan.Found]:
    if not shows:
        return modbus_scan.scan(link, compiled, name, last, lambda _: None)
    with typer.progressbar(length=last, label="asking addresses") as bar:
        return modbus_scan.scan(
            link, compiled, name, last, lambda address: bar.update(address - bar.pos))


def _texts(line: str, parts: Sequence[Found]) -> list[str]:
    """Return the text of a line's parts: a heading, then one row each."""
    if not parts:
        check = ("A and B, the supply of the probes, rate and parity"
                 if line.startswith(modbus_map.BUS) else "the wire, and the 3.3 V of each probe")
        return [f"{line}: no answer: check {check}"]
    rows = [_row(one) for one in parts]
    several = sum(isinstance(one, onewire_scan.Found) and one.temp_c is not None for one in parts)
    hint = "; to see which is which, warm one in your hand and scan again" if several > 1 else ""
    return [f"{line}{hint}:", *rows]


def _row(one: Found) -> str:
    if isinstance(one, modbus_scan.Found):
        return f"{one.address:>3}  {one.answer:<12}  {one.part or _NOT_EXPECTED}"
    shown = one.answer if one.temp_c is None else f"{one.temp_c:.2f} C"
    return f"{one.rom or 'without a code':<16}  {shown:>13}  {one.source or _NOT_EXPECTED}"


def _is_missing(one: Found) -> bool:
    if isinstance(one, modbus_scan.Found):
        return bool(one.part) and one.answer == "silent"
    return bool(one.source) and one.answer != "answers"
