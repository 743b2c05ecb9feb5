"""`idroserra audit`: show and verify the audit log."""

from __future__ import annotations

import json
import sqlite3
import time
from typing import Annotated

import typer

from idroserra.auth.audit import Audit, Entry, verify
from idroserra.auth.errors import AccessError
from idroserra.auth.service import AUDIT_FILE
from idroserra.cli.serve import ConfigFile
from idroserra.client.requests import AsJson, now_unix_ms
from idroserra.core.config import load_config
from idroserra.core.terminal_text import printable


def audit(
    config: ConfigFile = None,
    last: Annotated[int, typer.Option(min=1, max=100_000, help="Number of rows.")] = 50,
    *,
    is_verified: Annotated[
        bool, typer.Option("--verify", help="Verify the hash chain; exit code 3 if broken.")
    ] = False,
    head: Annotated[
        str | None,
        typer.Option(metavar="SEQ:HASH", help="Earlier output of --verify that must still match."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show who did what, when, from where, and the result."""
    path = load_config(config).data_dir / AUDIT_FILE
    known = None if head is None else _head(head)
    try:
        if is_verified or known is not None:
            seq, hashed = verify(path, known)
            typer.echo(json.dumps({"seq": seq, "hash": hashed}) if as_json else
                       f"{seq} rows, chain intact. Save this: {seq}:{hashed}")
            return
        if not path.is_file():
            raise AccessError(f"{path}: there is no audit log yet")
        log = Audit(path, now_unix_ms)
        rows = log.newest(last)
        log.close()
    except (OSError, sqlite3.Error) as error:
        raise AccessError(f"{path}: {error}") from error
    for row in reversed(rows):
        typer.echo(json.dumps(row._asdict()) if as_json else _line(row))


def _line(row: Entry) -> str:
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(row.unix_ms / 1_000))
    reason = f" ({row.reason})" if row.reason else ""
    target = f" {row.target}" if row.target else ""
    detail = f"  {row.detail}" if row.detail else ""
    return printable(f"{when}  {row.who} from {row.address}: {row.action}{target}: {row.result}"
                     f"{reason}{detail}")


def _head(text: str) -> tuple[int, str]:
    seq, _, hashed = text.partition(":")
    if not seq.isdecimal() or len(hashed) != 64:
        raise typer.BadParameter(f"{text[:80]}: not SEQ:HASH as printed by --verify",
                                 param_hint="--head")
    return int(seq), hashed
