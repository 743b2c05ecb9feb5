"""`idroserra store`: show, initialize, compact and copy the history store."""

from __future__ import annotations

import json
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from idroserra.cli.serve import ConfigFile
from idroserra.client.requests import AsJson, now_unix_ms
from idroserra.core.config import Config, load_config
from idroserra.core.errors import HostError
from idroserra.history.factory import open_store
from idroserra.history.models import Store, StoreInfo

app = typer.Typer(
    no_args_is_help=True, add_completion=False,
    help="The history store (docs/store.md).")

Side = Annotated[
    str, typer.Argument(help="SQLite file (store.db), or a .toml file with a [store] section.")]


class StoreMissing(HostError):
    """The store does not exist."""


@app.command()
def info(config: ConfigFile = None, *, as_json: AsJson = False) -> None:
    """Show the contents of the store: points, size, time range and retention."""
    found = _store_info(load_config(config))
    if as_json:
        each = [part._asdict() for part in found.resolutions]
        typer.echo(json.dumps({**found._asdict(), "resolutions": each,
                               "bytes_a_point": _bytes_per_point(found)}))
        return
    size = ("unknown" if found.size_bytes is None else f"{found.size_bytes / 1e6:,.1f} MB")
    per_point = _bytes_per_point(found)
    typer.echo(f"{found.where}\n{found.nodes} nodes, {found.points:,} points,"
               f" {found.events:,} events")
    typer.echo(f"size    {size}" + (f", {per_point:.1f} bytes per point" if per_point else ""))
    typer.echo(f"from    {_when(found.oldest_unix_ms)}\nto      {_when(found.newest_unix_ms)}\n")
    typer.echo(f"{'resolution':<12}{'oldest':<22}{'retention':<14}entries")
    for part in found.resolutions:
        entries = "" if part.entries is None else f"{part.entries:,}"
        typer.echo(f"{part.name:<12}{_when(part.oldest_unix_ms):<22}"
                   f"{_days(part.keep_days):<14}{entries}")
    typer.echo(f"{'events':<12}{'':<22}{_days(found.events_days):<14}{found.events:,}")


@app.command()
def init(config: ConfigFile = None, *, as_json: AsJson = False) -> None:
    """Set up retention and downsampling in the database. Repeat after an update or change."""
    found = load_config(config)
    with closing(open_store(found)) as store, _progress() as progress:
        bar = progress.add_task("rolling up existing data", total=None)
        done = store.init(lambda done_ms, total_ms: progress.update(
            bar, completed=done_ms, total=total_ms))
    if as_json:
        typer.echo(json.dumps({"where": _where(found), "done": done}))
        return
    for line in done:
        typer.echo(line)


@app.command()
def compact(config: ConfigFile = None, *, as_json: AsJson = False) -> None:
    """Compress closed blocks, delete expired data and rewrite the file. The host may run."""
    found = load_config(config)
    before = _store_info(found)
    steps = 0
    with closing(open_store(found)) as store, Console(stderr=True).status("compacting") as status:
        while store.maintain(now_unix_ms()):
            steps += 1
            status.update(f"compacting: {steps} steps")
        status.update("compacting: rewriting the file")
        store.compact()
    after = _store_info(found)
    if as_json:
        typer.echo(json.dumps({"where": after.where, "points": after.points,
                               "bytes_before": before.size_bytes,
                               "bytes_after": after.size_bytes}))
    elif before.size_bytes is None or after.size_bytes is None:
        typer.echo(f"{after.where}: the database compacts itself")
    else:
        typer.echo(f"{after.where}: {before.size_bytes / 1e6:,.1f} MB before,"
                   f" {after.size_bytes / 1e6:,.1f} MB now, {after.points:,} points")


@app.command()
def copy(
    source: Side, target: Side,
    resume: Annotated[
        Path | None,
        typer.Option(help="File that records progress, to resume an interrupted copy.")] = None,
    *, as_json: AsJson = False,
) -> None:
    """Copy readings and events from one store to another, without duplicates."""
    from idroserra.history.copy import CopyProgress
    from idroserra.history.copy import copy as copy_store

    with (closing(_open_side(source, must_exist=True)) as source_store,
          closing(_open_side(target, must_exist=False)) as target_store):
        note = CopyProgress(resume, f"{source} to {target}")
        with _progress() as progress:
            bar = progress.add_task("copy", total=None)
            copied = copy_store(
                source_store, target_store, note,
                lambda node, done_ms, total_ms: progress.update(
                    bar, completed=done_ms, total=total_ms, description=f"copy {node}"))
        infos = (source_store.info(), target_store.info())
        counts = [(side.points, side.events) for side in infos]
    if as_json:
        typer.echo(json.dumps({
            **copied._asdict(), "source_points": counts[0][0], "source_events": counts[0][1],
            "target_points": counts[1][0], "target_events": counts[1][1]}))
        return
    typer.echo(f"copied {copied.points:,} points and {copied.events:,} events of {copied.nodes}"
               " nodes")
    if copied.too_old:
        typer.echo(f"{copied.too_old:,} points and events are not in {target}: older than it"
                   " keeps, or too many in a quarter of an hour")
    for name, (points, events) in zip((source, target), counts, strict=True):
        typer.echo(f"  {name}: {points:,} points, {events:,} events")


def _progress() -> Progress:
    console = Console(stderr=True)
    return Progress(console=console, disable=not console.is_terminal, transient=True)


def _open_side(text: str, *, must_exist: bool) -> Store:
    """Open one side of a copy. Raises ConfigError, StoreMissing, StoreUnavailable."""
    path = Path(text)
    if path.suffix == ".toml":
        return open_store(load_config(path), is_source=must_exist)
    if must_exist and not path.is_file():
        raise StoreMissing(f"{path}: no such file")
    from idroserra.history.sqlite.store import SqliteStore

    return SqliteStore(path)


def _store_info(config: Config) -> StoreInfo:
    if config.store.kind == "sqlite" and not (config.data_dir / "store.db").is_file():
        raise StoreMissing(f"{_where(config)}: not found; the host creates it at its first start")
    with closing(open_store(config)) as store:
        return store.info()


def _where(config: Config) -> str:
    if config.store.kind == "sqlite":
        return str(config.data_dir / "store.db")
    return f"{config.store.url}, database {config.store.database}"


def _bytes_per_point(found: StoreInfo) -> float | None:
    if not found.points or found.size_bytes is None:
        return None
    return round(found.size_bytes / found.points, 2)


def _when(unix_ms: int | None) -> str:
    if unix_ms is None:
        return "-"
    try:
        return datetime.fromtimestamp(unix_ms / 1_000, UTC).strftime("%Y-%m-%d %H:%M UTC")
    except (OverflowError, ValueError, OSError):
        return f"{unix_ms} ms"


def _days(days: int | None) -> str:
    if days is None:
        return "unknown"
    return "unlimited" if days == 0 else f"{days:,} days"
