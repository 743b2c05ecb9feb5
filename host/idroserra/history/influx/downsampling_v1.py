"""Downsampling in InfluxDB 1.x: retention policies, continuous queries, and what comes late.

Roll-ups lie in policies of their own, as measurements `sample_1m`, `sample_15m`, `sample_1h` and
`sample_1d` with the fields min_, max_, sum_, count_ and last_<quantity>. A continuous query makes
those of the last hours again and again. For a point that is later than that the write leaves a
mark in the measurement `late`; the upkeep makes the roll-ups of its hour again and takes the mark
away. Each step may be repeated: the same measurement, tags and time overwrite.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from idroserra.core import protocol
from idroserra.core.config import KeepConfig
from idroserra.history.models import Instant, ProgressCallback

HOUR_MS = 3_600_000
DAY_MS = 86_400_000
# Later than this is marked; the continuous queries look back for an hour, every quarter at least.
LATE_MS = 1_800_000
MOST_MARKS = 500
_NS = 1_000_000  # in a ms

Statement = Callable[[str], list[list[Any]]]


class Rollup(NamedTuple):
    """A resolution: its name, its retention policy, and the query that makes it.

    Columns of from_width_ms and more are multiples of it: an hour would widen one of 61 minutes
    to two."""

    name: str
    bucket_ms: int
    policy: str
    resample: str
    from_width_ms: int


MINUTES = Rollup("1m", 60_000, "minutes", "EVERY 1m FOR 1h", 60_000)
QUARTERS = Rollup("15m", 900_000, "quarters", "EVERY 15m FOR 1h", 900_000)
HOURS = Rollup("1h", HOUR_MS, "hours", "EVERY 15m FOR 3h", 4 * HOUR_MS)
DAYS = Rollup("1d", DAY_MS, "daily", "EVERY 1h FOR 2d", DAY_MS)
ROLLUPS = (MINUTES, QUARTERS, HOURS, DAYS)
OF_QUARTERS = (HOURS, DAYS)  # made of those, not of points


def kept_days(keep: KeepConfig) -> tuple[int, ...]:
    """Return for how long each of ROLLED is kept. The hours are kept like the quarters."""
    return keep.minutes_days, keep.quarters_days, keep.quarters_days, keep.daily_days


def set_up(run: Statement, database: str, keep: KeepConfig) -> list[str]:
    """Make policies and continuous queries; say what was done.

    Raises StoreUnavailable, StoreRejected."""
    run(f'CREATE DATABASE "{database}"')
    policies = {str(row[0]): bool(row[4]) for row in run(
        f'SHOW RETENTION POLICIES ON "{database}"')}
    raw = next((name for name, is_default in policies.items() if is_default), "autogen")
    done = []
    for policy, days in ((raw, keep.raw_days), *zip(
            (rolled.policy for rolled in ROLLUPS), kept_days(keep), strict=True)):
        verb = "ALTER" if policy in policies else "CREATE"
        more = "" if policy in policies else " REPLICATION 1"
        run(f'{verb} RETENTION POLICY "{policy}" ON "{database}"'
            f" DURATION {f'{days}d' if days else 'INF'}{more}")
        done.append(f"retention policy {policy}: {f'{days} days' if days else 'for ever'}")
    known = {str(row[0]) for row in run("SHOW CONTINUOUS QUERIES")}
    for rolled in ROLLUPS:
        name = f"idroserra_{database}_{rolled.name}"
        if name in known:
            run(f'DROP CONTINUOUS QUERY "{name}" ON "{database}"')
        run(f'CREATE CONTINUOUS QUERY "{name}" ON "{database}" RESAMPLE {rolled.resample}'
            f" BEGIN {_rolling(database, rolled, '')} END")
        done.append(f"continuous query {name}")
    return done


def policies_of(run: Statement, database: str) -> set[str]:
    """Return the names of the policies the roll-ups lie in, of those that are there."""
    rows = run(f'SHOW RETENTION POLICIES ON "{database}"')
    return {str(row[0]) for row in rows} & {rolled.policy for rolled in ROLLUPS}


def late_lines(instants: Iterable[Instant], now_unix_ms: int) -> list[str]:
    """Return a mark for each hour that has instants too late; no two marks are the same."""
    newest_ms = now_unix_ms - LATE_MS
    hours = {unix_ms // HOUR_MS for _, unix_ms, _ in instants if unix_ms < newest_ms}
    own_ns = time.time_ns() % (HOUR_MS * _NS)
    return [f"late due=1i {hour * HOUR_MS * _NS + own_ns}" for hour in sorted(hours)]


def roll_late(run: Statement, roll: Callable[[int, int], None]) -> bool:
    """Make the roll-ups of one hour of late points again; False where none is marked.

    roll(start_ms, end_ms) makes those of whole hours."""
    marks = [row[0] for row in run(f"SELECT due FROM late ORDER BY time ASC LIMIT {MOST_MARKS}")]
    if not marks:
        return False
    hour_ms = marks[0] // _NS // HOUR_MS * HOUR_MS
    roll(hour_ms, hour_ms + HOUR_MS)
    seen = [mark for mark in marks if mark // _NS // HOUR_MS * HOUR_MS == hour_ms]
    for mark in seen:  # those alone: others may have come meanwhile
        run(f"DELETE FROM late WHERE time = {mark}")
    return True


def roll_up(run: Statement, database: str, start_ms: int, end_ms: int) -> None:
    """Make all roll-ups of [start, end), whole hours, again."""
    for rolled in (MINUTES, QUARTERS, HOURS):
        run(_rolling(database, rolled, _within(start_ms, end_ms)))
    day_ms, until_ms = start_ms // DAY_MS * DAY_MS, -(-end_ms // DAY_MS) * DAY_MS
    run(_rolling(database, DAYS, _within(day_ms, until_ms)))


def roll_past(
    roll: Callable[[int, int], None], spans: list[tuple[int, int]], tell: ProgressCallback
) -> None:
    """Make the roll-ups of all there is, a day at a time; tell(done_ms, total_ms) meanwhile."""
    if not spans:
        return
    start = min(span[0] for span in spans) // DAY_MS * DAY_MS
    newest = max(span[1] for span in spans)
    for day_ms in range(start, newest + 1, DAY_MS):
        tell(day_ms - start, newest + 1 - start)
        roll(day_ms, day_ms + DAY_MS)


def _rolling(database: str, rolled: Rollup, where: str) -> str:
    """Return the query that makes a resolution; those of hours and days are made of quarters."""
    if rolled in OF_QUARTERS:
        taken = ",".join(
            f'min("min_{key}") AS "min_{key}",max("max_{key}") AS "max_{key}",'
            f'sum("sum_{key}") AS "sum_{key}",sum("count_{key}") AS "count_{key}",'
            f'last("last_{key}") AS "last_{key}"' for key in protocol.QUANTITIES)
        source = f'"{database}"."{QUARTERS.policy}"."sample_{QUARTERS.name}"'
    else:
        taken = "min(*),max(*),sum(*),count(*),last(*)"
        source = "sample"
    return (f'SELECT {taken} INTO "{database}"."{rolled.policy}"."sample_{rolled.name}"'
            f" FROM {source}{where} GROUP BY time({rolled.name}), *")


def _within(start_ms: int, end_ms: int) -> str:
    return f" WHERE time >= {start_ms}000000 AND time < {end_ms}000000"
