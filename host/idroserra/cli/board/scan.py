"""`idroserra board scan`: find the Modbus probes on a board's RS485 line over USB."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer

from idroserra.boards import compiler, modbus_map
from idroserra.client.requests import AsJson
from idroserra.core.errors import HostError
from idroserra.flash import modbus_scan, ports
from idroserra.flash.board_link import BoardLink
from idroserra.flash.errors import FlashError


def scan(
    board: Annotated[str, typer.Argument(help="Board name, or path of a board file.")],
    port: Annotated[
        str | None, typer.Option(help="Serial port; detected if there is one board.")] = None,
    line: Annotated[str | None, typer.Option(help="RS485 line; the only one by default.")] = None,
    last: Annotated[
        int, typer.Option(min=modbus_map.LOWEST_ADDRESS, max=modbus_map.HIGHEST_ADDRESS,
                          help="Last address to ask.")] = modbus_map.HIGHEST_ADDRESS,
    *, as_json: AsJson = False,
) -> None:
    """Ask every address of an RS485 line for a register; print who answers and who is missing.

    The firmware stops meanwhile, with its outputs off, and starts again at the end. Exit code 1:
    an expected probe does not answer.
    """
    try:
        compiled = compiler.load_file(compiler.path_of(board))
        device = ports.choose(port, ports.find_boards(), None)
        ports.check_available(device)
        found = _scanned(device, compiled, line, last, shows=not as_json)
    except HostError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    if as_json:
        typer.echo(json.dumps([asdict(one) for one in found]))
    else:
        for one in found:
            typer.echo(f"{one.address:>3}  {one.answer:<12}  {one.part or 'not on this board'}")
        if not found:
            typer.echo("no answer: check A and B, the supply of the probes, rate and parity")
    if any(one.part and one.answer == "silent" for one in found):
        raise typer.Exit(1)


def _scanned(
    device: str, compiled: compiler.Board, line: str | None, last: int, *, shows: bool
) -> list[modbus_scan.Found]:
    with BoardLink(device) as link:
        if link.enter_raw_repl() is None:
            raise FlashError(f"{device}: MicroPython does not answer",
                             "Press the button RST of the board and repeat the command.")
        try:
            if not shows:
                return modbus_scan.scan(link, compiled, line, last, lambda _: None)
            with typer.progressbar(length=last, label="asking addresses") as bar:
                return modbus_scan.scan(
                    link, compiled, line, last, lambda address: bar.update(address - bar.pos))
        finally:
            link.restart()
