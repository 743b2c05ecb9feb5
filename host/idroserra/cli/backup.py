"""`idroserra backup` and `idroserra restore`: everything a host holds, in one file and back."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from idroserra.client.requests import AsJson
from idroserra.core.config import load_config

ConfigFile = Annotated[
    Path | None, typer.Option("--config", "-c", help="TOML file; without it, the defaults.")
]


def backup(
    out: Annotated[Path, typer.Argument(metavar="FILE", help="The archive to write.")],
    config: ConfigFile = None,
    *,
    with_keys: Annotated[
        bool,
        typer.Option("--with-keys", help="With the keys of the nodes and the users: a secret."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Back up what the host holds, while it runs or not; the file is for this user alone."""
    from idroserra.backup.create import make_backup

    def tell(name: str, size_bytes: int) -> None:
        if not as_json:
            typer.echo(f"  {name}  {size_bytes / 1e6:.1f} MB", err=True)

    manifest = make_backup(load_config(config), out, with_keys=with_keys, on_file=tell)
    if as_json:
        files = [entry._asdict() for entry in manifest.files]
        typer.echo(json.dumps(
            {"file": str(out), **manifest._asdict(), "files": files}))
        return
    typer.echo(f"{out}: {len(manifest.files)} files, {out.stat().st_size / 1e6:.1f} MB", err=True)
    if with_keys:
        typer.echo("With keys: whoever reads this file can command the nodes.", err=True)
    else:
        typer.echo("Without keys: nodes are adopted again after a restore (--with-keys).",
                   err=True)
    if manifest.store == "influx":
        typer.echo("History is in InfluxDB and not in this file: back that up as well.", err=True)


def restore(
    archive: Annotated[Path, typer.Argument(metavar="FILE", help="The archive to put back.")],
    config: ConfigFile = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Verify a backup and put it back, host stopped; what was there is moved aside and kept."""
    from idroserra.backup.restore import restore as put_back

    folder = load_config(config).data_dir
    manifest, kept = put_back(archive, folder, datetime.now(UTC),
                              lambda text: typer.echo(f"  {text}", err=True))
    made = datetime.fromtimestamp(manifest.made_unix_ms / 1_000, UTC).isoformat(" ", "seconds")
    if as_json:
        typer.echo(json.dumps({
            "data_dir": str(folder), "kept": None if kept is None else str(kept),
            "made_unix_ms": manifest.made_unix_ms, "files": len(manifest.files)}))
        return
    typer.echo(f"{folder}: {len(manifest.files)} files of {manifest.site}, made {made}", err=True)
    if kept is not None:
        typer.echo(f"What was there is in {kept}; remove it when you are content.", err=True)
    if not manifest.with_keys:
        typer.echo("It has no keys: adopt each node again before it can be commanded.", err=True)
