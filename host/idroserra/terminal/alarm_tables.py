"""Tables of alarms for the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from idroserra.i18n.channels import duration_text
from idroserra.terminal.tables import clock_text

_STYLES = {"urgent": "bold white on red", "high": "bold red", "medium": "yellow", "low": "cyan"}


def alarms_table(alarms: Sequence[Mapping[str, Any]], now_unix_ms: int) -> Table:
    """Return what stands, worst first; what an alarm explains is counted under it."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for title in ("priority", "alarm", "since", "state"):
        table.add_column(title, no_wrap=title != "alarm")
    for one in alarms:
        since = one["raised_unix_ms"] or one["changed_unix_ms"]
        table.add_row(Text(one["priority"], style=_STYLES[one["priority"]]), _said(one),
                      duration_text(max(1_000, now_unix_ms - since)), _state(one))
    return table


def history_table(changes: Sequence[Mapping[str, Any]]) -> Table:
    """Return changes, newest first."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for title in ("when", "alarm", "became", "by"):
        table.add_column(title, no_wrap=title == "when")
    for change in reversed(changes):
        said = " ".join(part for part in (change["by"], change["comment"]) if part)
        table.add_row(clock_text(change["unix_ms"]),
                      Text(f"{change['key']} {change['text']}"),
                      change["state"].replace("_", " "), Text(said))
    return table


def kpis_table(sites: Sequence[Mapping[str, Any]]) -> Table:
    """Return the figures, a column for each site."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for title in ("", *(site["site"] for site in sites)):
        table.add_column(title)
    for words, key in (
        ("told of", "told_count"), ("an hour", "per_hour"), ("in ten minutes", "per_10_min"),
        ("most in ten minutes", "most_per_10_min"), ("% of the time a flood", "flood_pct"),
        ("standing", "standing_count"), ("folded into a cause", "folded_count"),
        ("put aside", "aside_count"),
    ):
        table.add_row(words, *(str(site[key]) for site in sites))
    for words, key in (("older than a day", "stale"), ("come and go", "chattering")):
        table.add_row(words, *("\n".join(site[key]) or "none" for site in sites))
    table.add_row("most frequent", *(
        "\n".join(f"{one['count']} {one['key']}" for one in site["most_frequent"]) or "none"
        for site in sites))
    return table


def _said(one: Mapping[str, Any]) -> Text:
    where = f"{one['node']}: " if one["node"] else ""
    text = Text(f"{where}{one['title']}. {one['text']}\n", style="bold")
    text.append(f"{one['action']}\n", style="default not bold")
    if one["consequences"]:
        text.append(f"explains {len(one['consequences'])} more: ", style="dim not bold")
        keys = [other["key"] for other in one["consequences"]]
        more = f" and {len(keys) - 5} more" if len(keys) > 5 else ""
        text.append(", ".join(keys[:5]) + f"{more}\n", style="dim not bold")
    text.append(one["key"], style="dim not bold")
    return text


def _state(one: Mapping[str, Any]) -> str:
    until = one["shelved_until_unix_ms"]
    return f"shelved until {clock_text(until)}" if until else str(one["state_words"])
