"""Tables of alarms for the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from idroserra.i18n.channels import duration_text
from idroserra.terminal.tables import clock_text, plain_table

_STYLES = {"urgent": "bold white on red", "high": "bold red", "medium": "yellow", "low": "cyan"}


def alarms_table(alarms: Sequence[Mapping[str, Any]], now_unix_ms: int) -> Table:
    """Return active alarms, worst first, with the number of consequential alarms."""
    table = plain_table("priority", "alarm", "since", "state",
                        no_wrap=("priority", "since", "state"), overflow="ellipsis")
    for one in alarms:
        since = one["raised_unix_ms"] or one["changed_unix_ms"]
        table.add_row(Text(one["priority"], style=_STYLES[one["priority"]]), _alarm_text(one),
                      duration_text(max(1_000, now_unix_ms - since)), _state(one))
    return table


def history_table(changes: Sequence[Mapping[str, Any]]) -> Table:
    """Return state changes, newest first."""
    table = plain_table("when", "alarm", "state", "by", no_wrap=("when",), overflow="ellipsis")
    for change in reversed(changes):
        author = " ".join(part for part in (change["by"], change["comment"]) if part)
        table.add_row(clock_text(change["unix_ms"]),
                      Text(_with_reason(change["key"], change)),
                      change["state"].replace("_", " "), Text(author))
    return table


def kpis_table(sites: Sequence[Mapping[str, Any]]) -> Table:
    """Return alarm statistics, one column per site."""
    table = plain_table("", *(site["site"] for site in sites), overflow="ellipsis")
    for label, key in (
        ("notified", "told_count"), ("per hour", "per_hour"), ("per 10 min", "per_10_min"),
        ("max per 10 min", "most_per_10_min"), ("floods", "flood_count"),
        ("time in flood, %", "flood_pct"),
        ("active", "standing_count"), ("grouped under a cause", "folded_count"),
        ("shelved or out of service", "aside_count"),
    ):
        table.add_row(label, *(str(site[key]) for site in sites))
    for label, key in (("stale (over a day)", "stale"), ("chattering", "chattering")):
        table.add_row(label, *("\n".join(site[key]) or "none" for site in sites))
    table.add_row("most frequent", *(
        "\n".join(f"{one['count']} {one['key']}" for one in site["most_frequent"]) or "none"
        for site in sites))
    return table


def _alarm_text(one: Mapping[str, Any]) -> Text:
    where = f"{one['node']}: " if one["node"] else ""
    text = Text(f"{where}{_with_reason(one['title'], one)}\n", style="bold")
    text.append(f"{one['action']}\n", style="default not bold")
    if one["consequences"]:
        text.append(f"causes {len(one['consequences'])} more: ", style="dim not bold")
        keys = [other["key"] for other in one["consequences"]]
        more = f" and {len(keys) - 5} more" if len(keys) > 5 else ""
        text.append(", ".join(keys[:5]) + f"{more}\n", style="dim not bold")
    text.append(one["key"], style="dim not bold")
    return text


def _with_reason(what: str, one: Mapping[str, Any]) -> str:
    """Return the title or key of an alarm with its reason."""
    return what if one["reason"] is None else f"{what}: {one['reason']['text']}"


def _state(one: Mapping[str, Any]) -> str:
    until = one["shelved_until_unix_ms"]
    return f"shelved until {clock_text(until)}" if until else str(one["state_words"])
