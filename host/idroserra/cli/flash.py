"""`idroserra flash`: write MicroPython and the image to a board over USB."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from idroserra.boards import compiler, kept
from idroserra.cli.serve import ConfigFile
from idroserra.client.requests import AsJson
from idroserra.core.config import load_config
from idroserra.flash import download, micropython_bin, ports
from idroserra.flash.copy import CopyPlan
from idroserra.flash.esptool import BAUD, Esptool
from idroserra.flash.progress import ProgressReporter
from idroserra.flash.session import FlashPlan, FlashSession
from idroserra.image import build


def flash(
    board: Annotated[str, typer.Argument(help="Board name, or path of a board file.")],
    port: Annotated[
        str | None, typer.Option(help="Serial port; detected if there is one board.")] = None,
    micropython: Annotated[
        str | None,
        typer.Option(help="MicroPython to write: a .bin file, a version, or a URL with --sha256. "
                          "Default: keep the one on the board."),
    ] = None,
    sha256: Annotated[str, typer.Option(help="Expected SHA-256 of MicroPython.")] = "",
    baud: Annotated[int, typer.Option(help="Baud rate for writing MicroPython.")] = BAUD,
    *,
    erase: Annotated[bool, typer.Option("--erase", help="Erase the whole flash first.")] = False,
    no_reset: Annotated[
        bool, typer.Option("--no-reset", help="The board is already in its boot loader.")] = False,
    allow_older: Annotated[
        bool, typer.Option("--allow-older", help="Allow an image with a lower security counter.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the plan; write nothing.")] = False,
    config: ConfigFile = None, as_json: AsJson = False,
) -> None:
    """Write MicroPython and the image to a board over USB. Resumes after an interruption."""
    if erase and micropython is None:
        raise typer.BadParameter("requires --micropython: it is erased too", param_hint="--erase")
    with kept.in_data_dir(load_config(config).data_dir):
        path_of_board = compiler.path_of(board)
    chip = compiler.load_file(path_of_board)["chip"]
    source = None if micropython is None else download.resolve(micropython, chip, sha256)
    show = ProgressReporter(says=not as_json)
    with tempfile.TemporaryDirectory(prefix="idroserra-image-") as folder, show:
        manifest = build.build_image(str(path_of_board), Path(folder))
        can_ask = sys.stdin.isatty() and not (yes or as_json)
        device = ports.choose(port, ports.find_boards(), prompt_port if can_ask else None)
        ports.check_available(device)
        wanted = None
        if source is not None:
            path = download.fetch(source, show.on_download(source.text))
            wanted = micropython_bin.read_binary(path, chip)
        session = FlashSession(
            Path(folder), manifest, chip, Esptool(device, baud, not no_reset), show,
            erase, allow_older)
        plan = session.inspect(wanted)
        if not as_json:
            typer.echo(describe(plan))
        may = not dry_run and not plan.is_nothing and (
            yes or typer.confirm("Continue?", err=as_json))
        work = _run_plan(session, plan) if may else plan.work
        if not may:
            session.restart_board(plan)
    _print_result(plan, work, as_json, is_done=may)


def _run_plan(session: FlashSession, plan: FlashPlan) -> CopyPlan:
    try:
        return session.execute(plan)
    except KeyboardInterrupt:
        typer.echo("interrupted: the board does not start until this command completes", err=True)
        raise


def describe(plan: FlashPlan) -> str:
    """Return the plan as text, for confirmation."""
    chip, work = plan.chip, plan.work
    size = f", {chip.flash_bytes // 1_048_576} MB of flash" if chip.flash_bytes else ""
    lines = [
        f"board        {plan.manifest.board}, version {plan.manifest.version}, "
        f"security counter {plan.manifest.security_counter}",
        f"port         {plan.port}",
        f"chip         {chip.described or chip.name}{size}, MAC {chip.mac}",
    ]
    now = f"{plan.about.text} found" if plan.about else "not found"
    if plan.micropython is not None:
        kept = "" if plan.erases else "; Wi-Fi and node key are kept"
        lines.append(f"MicroPython  {now}; {plan.micropython.path} will be written, "
                     f"{plan.micropython.size_bytes} bytes{kept}")
    else:
        lines.append(f"MicroPython  {now}, kept")
    if plan.erases:
        lines.append("erase        the WHOLE flash first: settings, records, Wi-Fi and key")
    if work.is_nothing:
        lines.append(f"files        {work.kept} up to date, nothing to send")
    else:
        lines.append(f"files        {len(work.send)} to send, {work.send_bytes} bytes; "
                     f"{work.kept} up to date; {len(work.remove)} to remove")
    return "\n".join(lines)


def _print_result(plan: FlashPlan, work: CopyPlan, as_json: bool, *, is_done: bool) -> None:
    if as_json:
        typer.echo(json.dumps({
            "board": plan.manifest.board, "version": plan.manifest.version, "port": plan.port,
            "chip": plan.chip.name, "mac": plan.chip.mac, "done": is_done,
            "nothing_to_do": plan.is_nothing,
            "micropython_written": plan.micropython is not None and is_done,
            "micropython_bytes": plan.micropython.size_bytes if plan.micropython else 0,
            "files_to_send" if not is_done else "files_sent": len(work.send),
            "bytes": work.send_bytes, "files_kept": work.kept, "files_removed": len(work.remove),
            "image_sha256": plan.manifest.image_sha256,
        }))
    elif is_done:
        typer.echo(f"done: {len(work.send)} files sent, image {plan.manifest.image_sha256[:12]} "
                   "verified; the board starts now")
    elif plan.is_nothing:
        typer.echo("nothing to do: the board already has this image")
    else:
        typer.echo("nothing was written")


def prompt_port(found: Sequence[ports.Port]) -> ports.Port:
    """Prompt for one of several boards."""
    for number, one in enumerate(found, 1):
        typer.echo(f"{number}  {one.device}  {one.description}", err=True)
    while True:
        answer = str(typer.prompt("Which board?", err=True))
        if answer.isdecimal() and 0 < int(answer) <= len(found):
            return found[int(answer) - 1]
        typer.echo(f"enter a number from 1 to {len(found)}", err=True)
