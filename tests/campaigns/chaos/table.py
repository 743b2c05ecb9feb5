"""The table of `make chaos`, in Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import Any

HEAD = ("fault", "times", "records", "lost", "duplicate", "wrong", "recovery, s", "failed")


def table(lines: Sequence[dict[str, Any]], kinds: Sequence[str]) -> str:
    """Return a row per kind and one for all. The host's own count of lost records is added."""
    rows = [_row(kind, [line for line in lines if line["kind"] == kind]) for kind in kinds]
    rows = [row for row in rows if row[1] != "0"] + [_row("all", lines)]
    days = [line for line in lines if "times_real_time" in line]
    text = [f"| {' | '.join(HEAD)} |", "|" + "---|" * len(HEAD)]
    text += [f"| {' | '.join(row)} |" for row in rows]
    text += [
        f"\nA day without the database: drained in {line['drain_s']:.0f} s,"
        f" {line['times_real_time']:.0f} times real time." for line in days
    ]
    return "\n".join(text)


def _row(name: str, lines: Sequence[dict[str, Any]]) -> tuple[str, ...]:
    whole = [line for line in lines if "failed" not in line]
    seconds = [s for line in whole for s in line["recover_s"]]

    def total(key: str) -> int:
        return sum(line[key] for line in whole)

    lost = total("lost") + sum(line["books"]["lost"] for line in whole)
    return (
        name, f"{total('faults'):,}", f"{total('taken'):,}", str(lost), str(total("doubled")),
        str(total("wrong")),
        f"{median(seconds):.1f}, at most {max(seconds):.1f}" if seconds else "",
        str(len(lines) - len(whole)),
    )
