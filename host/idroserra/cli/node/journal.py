"""`idroserra journal` and `idroserra node note`: read and write the journal."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from idroserra.cli.export import moment_ms, span_ms
from idroserra.cli.node.site import SiteOption
from idroserra.client.http import DEFAULT_URL, HostClient
from idroserra.client.requests import AsJson, NodeName, Url, cli_user, now_unix_ms
from idroserra.core.errors import HostError
from idroserra.journal.models import KINDS, Kind
from idroserra.journal.photos import MOST_UPLOAD_BYTES
from idroserra.terminal.tables import plain_table

_TYPES = {".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".png": "image/png", ".webp": "image/webp"}

OfKind = Annotated[Kind | None, typer.Option("--kind", help="Only notes of this kind.")]


class PhotoFailed(HostError):
    """A photo could not be added; the note was saved."""


def note(
    node: NodeName,
    text: Annotated[str, typer.Argument(help="Text of the note.")] = "",
    kind: Annotated[Kind, typer.Option(help="Kind of note.")] = "note",
    photo: Annotated[
        list[Path] | None, typer.Option("--photo", help="JPEG, PNG or WebP; repeatable.")] = None,
    at: Annotated[str | None, typer.Option("--at", help="Time, ISO 8601; default: now.")] = None,
    zone: Annotated[
        str | None, typer.Option("--time-zone", help="Time zone of --at; default: UTC.")] = None,
    crop: Annotated[str | None, typer.Option(help="Crop of a planting or harvest.")] = None,
    weight_g: Annotated[
        float | None, typer.Option("--weight-g", min=0.1, help="Weight of a harvest, g.")] = None,
    count: Annotated[
        int | None, typer.Option(min=1, help="Plants or pieces of a planting or harvest.")] = None,
    site: Annotated[
        str | None, typer.Option("--site", help="With NODE -: the site; default: all.")] = None,
    url: Url = DEFAULT_URL, *, as_json: AsJson = False,
) -> None:
    """Add a journal note about a node, with photos; NODE `-` is the whole site."""
    photos = [(path, _photo(path)) for path in photo or []]
    body: dict[str, Any] = {
        "node": None if node == "-" else node, "kind": kind, "text": text, "by": cli_user(),
        "unix_ms": now_unix_ms() if at is None else moment_ms(at, zone, "--at")}
    details = {"crop": crop, "weight_g": weight_g, "count": count, "site": site}
    body |= {name: value for name, value in details.items() if value is not None}
    client = HostClient(url)
    written = client.send("POST", "/api/journal", body)
    for path, content in photos:
        try:
            written = client.upload(
                f"/api/journal/{written['id']}/photos", content, _TYPES[path.suffix.lower()])
        except HostError as error:
            raise PhotoFailed(f"the note was saved, but not {path}: {error}") from None
    if as_json:
        typer.echo(json.dumps(written))
        return
    many = len(written["photos"])
    more = f", with {many} photo{'s' if many > 1 else ''}" if many else ""
    typer.echo(f"{node}: note saved{more}")


def journal(
    node: Annotated[
        str | None, typer.Argument(help="Node; default: all nodes and the site.")] = None,
    kind: OfKind = None, site: SiteOption = None,
    last: Annotated[str, typer.Option(help="Period: 12h, 30d, 8w.")] = "30d",
    url: Url = DEFAULT_URL, *, as_json: AsJson = False,
) -> None:
    """List the journal, newest first."""
    to_unix_ms = now_unix_ms() + 60_000
    query: dict[str, Any] = {
        "from_unix_ms": to_unix_ms - span_ms(last), "to_unix_ms": to_unix_ms, "limit": 500}
    query |= {name: value for name, value in (
        ("node", node), ("kind", kind), ("site", site)) if value}
    found = HostClient(url).get("/api/journal", **query)
    if as_json:
        typer.echo(json.dumps(found))
    elif not found["notes"]:
        typer.echo(f"No notes in the last {last}. "
                   "`idroserra node note NODE \"text\"` adds one.")
    else:
        Console().print(_table(found["notes"]))
        if found["is_more"]:
            typer.echo("More notes exist: see the page, or shorten --last.")


def _photo(path: Path) -> bytes:
    """Return the content of a photo file. Raises BadParameter."""
    if path.suffix.lower() not in _TYPES:
        raise typer.BadParameter(f"{path}: not a JPEG, PNG or WebP file", param_hint="--photo")
    try:
        if path.stat().st_size > MOST_UPLOAD_BYTES:
            raise typer.BadParameter(
                f"{path}: larger than {MOST_UPLOAD_BYTES // 1_048_576} MB", param_hint="--photo")
        return path.read_bytes()
    except OSError as error:
        raise typer.BadParameter(f"{path}: {error.strerror}", param_hint="--photo") from None


def _table(notes: list[dict[str, Any]]) -> Table:
    table = plain_table("when, UTC", "about", "what", "by")
    for one in notes:
        when = datetime.fromtimestamp(one["unix_ms"] / 1_000, UTC)
        table.add_row(f"{when:%Y-%m-%d %H:%M}", Text(one["node"] or one["site"] or "all sites"),
                      Text(_note_text(one)), Text(one["by"]))
    return table


def _note_text(one: dict[str, Any]) -> str:
    parts = [one["crop"], one["weight_g"] and f"{one['weight_g']:g} g",
             one["count"] and f"{one['count']} pieces"]
    details = ", ".join(str(part) for part in parts if part)
    lines = [f"{KINDS[one['kind']]}: {details}" if details else KINDS[one["kind"]], one["text"]]
    if one["photos"]:
        lines.append(f"[{len(one['photos'])} photo{'s' if len(one['photos']) > 1 else ''}]")
    return "\n".join(line for line in lines if line)
