"""`idroserra backup` and `idroserra restore`: the data of a host in one archive."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from idroserra.cli.serve import ConfigFile
from idroserra.client.requests import AsJson
from idroserra.core.config import load_config


def backup(
    out: Annotated[Path, typer.Argument(metavar="FILE", help="Archive to write.")],
    config: ConfigFile = None, *,
    with_keys: Annotated[
        bool,
        typer.Option("--with-keys", help="Include node keys and users. Keep the archive secret."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Back up the data of the host, running or not. Only this user can read the archive."""
    from idroserra.backup.create import make_backup

    def report(name: str, size_bytes: int) -> None:
        if not as_json:
            typer.echo(f"  {name}  {size_bytes / 1e6:.1f} MB", err=True)

    manifest = make_backup(load_config(config), out, with_keys=with_keys, on_file=report)
    if as_json:
        files = [entry._asdict() for entry in manifest.files]
        typer.echo(json.dumps({"file": str(out), **manifest._asdict(), "files": files}))
        return
    typer.echo(f"{out}: {len(manifest.files)} files, {out.stat().st_size / 1e6:.1f} MB", err=True)
    if with_keys:
        typer.echo("Includes keys: anyone who can read this file can command the nodes.", err=True)
    else:
        typer.echo("No keys (--with-keys): after a restore, adopt each node again.", err=True)
    if manifest.store == "influx":
        typer.echo("History is in InfluxDB, not in this file: back up InfluxDB too.", err=True)


def restore(
    archive: Annotated[Path, typer.Argument(metavar="FILE", help="Archive to restore.")],
    config: ConfigFile = None, *, as_json: AsJson = False,
) -> None:
    """Verify and restore a backup while the host is stopped. Existing data is moved aside."""
    from idroserra.backup.restore import restore as put_back
    from idroserra.i18n.environment import terminal_locale
    from idroserra.i18n.translate import use_locale

    folder = load_config(config).data_dir
    with use_locale(terminal_locale()):
        manifest, previous = put_back(archive, folder, datetime.now(UTC),
                                      lambda text: typer.echo(f"  {text}", err=True))
    made = datetime.fromtimestamp(manifest.made_unix_ms / 1_000, UTC).isoformat(" ", "seconds")
    if as_json:
        typer.echo(json.dumps({
            "data_dir": str(folder), "kept": None if previous is None else str(previous),
            "made_unix_ms": manifest.made_unix_ms, "files": len(manifest.files)}))
        return
    typer.echo(f"{folder}: {len(manifest.files)} files of {manifest.site}, made {made}", err=True)
    if previous is not None:
        typer.echo(f"Previous data is in {previous}; remove it when no longer needed.", err=True)
    if not manifest.with_keys:
        typer.echo("The backup has no keys: adopt each node again to command it.", err=True)
