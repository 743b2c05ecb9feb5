"""`idroserra export`: export the history of a node as CSV, line protocol or Parquet."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import typer

from idroserra.client.http import DEFAULT_URL, HostClient
from idroserra.client.requests import AsJson, NodeName, Url, node_path, now_unix_ms
from idroserra.core.errors import HostError
from idroserra.core.terminal_text import printable_lines

Form = Literal["csv", "line", "parquet"]
What = Literal["readings", "events"]
_LAST_MS = {"h": 3_600_000, "d": 86_400_000, "w": 7 * 86_400_000}
LINES_PER_UPDATE = 2_000


class ExportFailed(HostError):
    """The export failed; no partial file remains."""


def export(
    node: NodeName,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="File to write; default: stdout (CSV and line).")] = None,
    form: Annotated[Form, typer.Option("--format", "-f", help="Output format.")] = "csv",
    what: Annotated[What, typer.Option(help="Data to export.")] = "readings",
    last: Annotated[str, typer.Option(help="Period up to --to: 12h, 30d, 8w.")] = "1d",
    since: Annotated[
        str | None, typer.Option("--from", help="Start, ISO 8601, such as 2026-11-01.")] = None,
    until: Annotated[
        str | None, typer.Option("--to", help="End (exclusive), ISO 8601; default: now.")] = None,
    zone: Annotated[
        str | None,
        typer.Option("--time-zone", help="Adds local time; also applies to --from and --to."),
    ] = None,
    url: Url = DEFAULT_URL, *, as_json: AsJson = False,
) -> None:
    """Export the history of a node: every reading and fault, or every event."""
    to_unix_ms = now_unix_ms() if until is None else moment_ms(until, zone, "--to")
    from_unix_ms = (to_unix_ms - span_ms(last) if since is None
                    else moment_ms(since, zone, "--from"))
    if from_unix_ms >= to_unix_ms:
        raise typer.BadParameter("must be before --to", param_hint="--from")
    if form == "parquet" and out is None:
        raise typer.BadParameter("required for Parquet", param_hint="--out")
    query = {"what": what, "format": "line" if form == "line" else "csv",
             "from_unix_ms": from_unix_ms, "to_unix_ms": to_unix_ms}
    if zone is not None:
        query["time_zone"] = zone
    lines = HostClient(url).lines(f"{node_path(node)}/export", **query)
    if out is None:
        for line in lines:
            is_read = sys.stdout.isatty()
            sys.stdout.write(printable_lines(line.replace("\r\n", "\n")) if is_read else line)
        return
    with Progress(from_unix_ms, to_unix_ms, form) as follow:
        rows = write_atomically(follow(lines), out, form)
    if as_json:
        typer.echo(json.dumps({"node": node, "file": str(out), "rows": rows,
                               "bytes": out.stat().st_size}))
    else:
        typer.echo(f"{out}: {rows} rows, {out.stat().st_size / 1e6:.1f} MB", err=True)


def write_atomically(lines: Iterable[str], out: Path, form: Form) -> int:
    """Write the lines to `out` atomically; return the number of rows. Raises ExportFailed."""
    with replacing(out) as part:
        if form == "parquet":
            from idroserra.export.parquet import write_parquet

            return write_parquet(lines, part)
        return _write_text(lines, part) - (1 if form == "csv" else 0)


@contextmanager
def replacing(out: Path) -> Iterator[Path]:
    """Yield the file that replaces `out` if no exception is raised. Raises ExportFailed."""
    part = out.with_name(f"{out.name}.part")
    try:
        yield part
        os.replace(part, out)
    except OSError as error:
        raise ExportFailed(f"{error.filename or out}: {error.strerror or error}") from error
    finally:
        part.unlink(missing_ok=True)


def span_ms(text: str) -> int:
    """Return 12h, 30d or 8w in ms. Raises BadParameter."""
    found = re.fullmatch(r"(\d{1,5})([hdw])", text)
    if found is None or int(found[1]) == 0:
        raise typer.BadParameter(f"{text}: not a period such as 12h or 30d", param_hint="--last")
    return int(found[1]) * _LAST_MS[found[2]]


def moment_ms(text: str, zone: str | None, option: str) -> int:
    """Return an ISO 8601 date or time in ms; without an offset, in `zone` or UTC.

    Raises BadParameter."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text}: not an ISO 8601 time such as 2026-11-01T06:30",
                                 param_hint=option) from None
    if moment.tzinfo is None:
        try:
            moment = moment.replace(tzinfo=UTC if zone is None else ZoneInfo(zone))
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise typer.BadParameter(f"{zone}: not a time zone such as Europe/Rome",
                                     param_hint="--time-zone") from None
    return round(moment.timestamp() * 1_000)


def _write_text(lines: Iterable[str], path: Path) -> int:
    count = 0
    with path.open("w", encoding="utf-8", newline="") as file:
        for count, line in enumerate(lines, 1):  # noqa: B007  used after the loop
            file.write(line)
    return count


class Progress:
    """Progress bar of an export, from the time of the newest line."""

    def __init__(self, from_unix_ms: int, to_unix_ms: int, form: Form) -> None:
        from rich.console import Console
        from rich.progress import Progress as Bar

        self._from_unix_ms = from_unix_ms
        self._form = form
        console = Console(stderr=True)
        self._bar = Bar(console=console, disable=not console.is_terminal, transient=True)
        self._task = self._bar.add_task("export", total=to_unix_ms - from_unix_ms)

    def __enter__(self) -> Callable[[Iterable[str]], Iterator[str]]:
        self._bar.start()
        return self._follow

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def _follow(self, lines: Iterable[str]) -> Iterator[str]:
        for number, line in enumerate(lines):
            if number % LINES_PER_UPDATE == 1:
                done_ms = line_unix_ms(line, self._form) - self._from_unix_ms
                self._bar.update(self._task, completed=done_ms)
            yield line


def line_unix_ms(line: str, form: Form) -> int:
    """Return the time of a line of the export in ms."""
    if form == "line":
        return int(line.rsplit(" ", 1)[1]) // 1_000_000
    return round(datetime.fromisoformat(line.partition(",")[0]).timestamp() * 1_000)
