"""Downsampling in InfluxDB 1.x: retention policies, continuous queries and late points.

Roll-ups are in their own policies, as measurements `sample_1m`, `sample_15m`, `sample_1h` and
`sample_1d` with the fields min_, max_, sum_, count_ and last_<quantity>. Continuous queries
recompute those of the last hours. For a point that they may miss the write adds a mark to the
measurement `late`; the maintenance recomputes the roll-ups of its hour and deletes the mark. Each
step is idempotent: the same measurement, tags and time overwrite.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any, NamedTuple

from idroserra.core import protocol
from idroserra.core.config import KeepConfig
from idroserra.history.models import Instant, ProgressCallback

HOUR_MS = 3_600_000
DAY_MS = 86_400_000
# Later points get a mark; continuous queries cover the last hour, at least every 15 minutes.
LATE_MS = 1_800_000
# Points further in the future get one too: the clock of host and database is behind.
AHEAD_MS = 300_000
# The points before a pause are looked for in this time, of some shards only.
MAX_PAUSE_MS = 92 * DAY_MS
MAX_MARKS = 500
_NS = 1_000_000  # per ms

Statement = Callable[[str], list[list[Any]]]


class Rollup(NamedTuple):
    """A resolution: its name, retention policy and RESAMPLE clause.

    Columns from from_width_ms on are multiples of bucket_ms: an hour would widen a column of
    61 minutes to two hours."""

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
OF_QUARTERS = (HOURS, DAYS)  # computed from QUARTERS, not from points


def kept_days(keep: KeepConfig) -> tuple[int, ...]:
    """Return the retention of each of ROLLUPS in days; HOURS are kept as long as QUARTERS."""
    return keep.minutes_days, keep.quarters_days, keep.quarters_days, keep.daily_days


def kept_spans(
    keep: KeepConfig, start_ms: int, end_ms: int, now_unix_ms: int
) -> Iterator[tuple[Rollup, int, int]]:
    """Yield what each resolution holds of [start, end), whole hours.

    The database would refuse a query that computes what is older than it keeps."""
    for rolled, days in zip(ROLLUPS, kept_days(keep), strict=True):
        size_ms = max(rolled.bucket_ms, HOUR_MS)
        first_ms, until_ms = start_ms // size_ms * size_ms, -(-end_ms // size_ms) * size_ms
        if days:  # and an hour, in which the query runs
            kept_ms = now_unix_ms - days * DAY_MS + HOUR_MS
            first_ms = max(first_ms, -(-kept_ms // size_ms) * size_ms)
        if first_ms < until_ms:
            yield rolled, first_ms, until_ms


def kept_policies(
    keep: KeepConfig, policies: Collection[str], from_unix_ms: int, now_unix_ms: int
) -> set[str]:
    """Return those of `policies` that keep all from a time on, or the one that keeps most."""
    found = [(rolled.policy, days) for rolled, days in zip(ROLLUPS, kept_days(keep), strict=True)
             if rolled.policy in policies]
    kept = {policy for policy, days in found if not is_expired(days, from_unix_ms, now_unix_ms)}
    return kept or {policy for policy, _ in found[-1:]}


def is_expired(days: int, unix_ms: int, now_unix_ms: int) -> bool:
    """Return whether a time is longer ago than a retention of `days`; 0 is for ever."""
    return days > 0 and unix_ms < now_unix_ms - days * DAY_MS


def shard_hours(days: int) -> int:
    """Return the hours of a shard, as the database chooses it for a retention of `days`."""
    return 168 if days == 0 or days > 180 else 24 if days >= 2 else 1


def set_up(run: Statement, database: str, keep: KeepConfig) -> list[str]:
    """Create policies and continuous queries of roll-ups; return a line for each.

    Raises StoreUnavailable, StoreRejected."""
    run(f'CREATE DATABASE "{database}"')
    policies = _default_by_policy(run, database)
    done = [_set_policy(run, database, rolled.policy, days, is_new=rolled.policy not in policies)
            for rolled, days in zip(ROLLUPS, kept_days(keep), strict=True)]
    known = {str(row[0]) for row in run("SHOW CONTINUOUS QUERIES")}
    for rolled in ROLLUPS:
        name = f"idroserra_{database}_{rolled.name}"
        if name in known:
            run(f'DROP CONTINUOUS QUERY "{name}" ON "{database}"')
        run(f'CREATE CONTINUOUS QUERY "{name}" ON "{database}" RESAMPLE {rolled.resample}'
            f" BEGIN {_rolling(database, rolled, '')} END")
        done.append(f"continuous query {name}")
    return done


def keep_raw(run: Statement, database: str, days: int) -> str:
    """Set the retention of readings; return a line about it. The database may delete older ones
    from then on. Raises StoreUnavailable, StoreRejected."""
    policies = _default_by_policy(run, database)
    raw = next((name for name, is_default in policies.items() if is_default), "autogen")
    return _set_policy(run, database, raw, days, is_new=raw not in policies)


def _default_by_policy(run: Statement, database: str) -> dict[str, bool]:
    return {str(row[0]): bool(row[4]) for row in run(
        f'SHOW RETENTION POLICIES ON "{database}"')}


def _set_policy(
    run: Statement, database: str, policy: str, days: int, *, is_new: bool
) -> str:
    verb, more = ("CREATE", " REPLICATION 1") if is_new else ("ALTER", "")
    run(f'{verb} RETENTION POLICY "{policy}" ON "{database}"'
        f" DURATION {f'{days}d' if days else 'INF'}{more} SHARD DURATION {shard_hours(days)}h")
    return f"retention policy {policy}: {f'{days} days' if days else 'for ever'}"


def policies_of(run: Statement, database: str) -> set[str]:
    """Return the names of the existing policies of roll-ups."""
    rows = run(f'SHOW RETENTION POLICIES ON "{database}"')
    return {str(row[0]) for row in rows} & {rolled.policy for rolled in ROLLUPS}


def retentions(run: Statement, database: str) -> dict[str, int | None]:
    """Return {policy: days}, the default policy also as ""; 0 is for ever."""
    found: dict[str, int | None] = {}
    for row in run(f'SHOW RETENTION POLICIES ON "{database}"'):
        hours = int(str(row[1]).partition("h")[0]) if "h" in str(row[1]) else 0
        found[str(row[0])] = -(-hours // 24)
        if row[-1] is True:
            found[""] = found[str(row[0])]
    return found


class Coverage:
    """Tells until when continuous queries ran, if they may have paused since the last write: what
    was stored shortly before may not be rolled up."""

    def __init__(self) -> None:
        # Wall time less monotonic time of the last write; None before one, and after a failure.
        self._clock_ms: int | None = None
        self._next_clock_ms = 0

    def begin(self, now_unix_ms: int, newest: Callable[[], list[int]]) -> list[int]:
        """Begin a write; return the ends. `newest` returns newest_points()."""
        last_ms, self._clock_ms = self._clock_ms, None
        self._next_clock_ms = now_unix_ms - time.monotonic_ns() // _NS
        if last_ms is None:
            return newest()
        step_ms = self._next_clock_ms - last_ms
        return [now_unix_ms - step_ms] if abs(step_ms) > AHEAD_MS else []

    def end(self) -> None:
        """End a write that has not failed."""
        self._clock_ms = self._next_clock_ms


def late_lines(
    instants: Iterable[Instant], now_unix_ms: int, ends_unix_ms: Iterable[int] = ()
) -> list[str]:
    """Return a mark for each hour that continuous queries may miss; every mark is unique.

    It has an instant that is late or in the future, or is before one of `ends_unix_ms`, the ends
    of times in which they ran."""
    oldest_ms, newest_ms = now_unix_ms - LATE_MS, now_unix_ms + AHEAD_MS
    hours = {unix_ms // HOUR_MS for _, unix_ms, _ in instants
             if not oldest_ms <= unix_ms <= newest_ms}
    hours |= {unix_ms // HOUR_MS for end_ms in ends_unix_ms
              for unix_ms in (end_ms - HOUR_MS, end_ms, end_ms + AHEAD_MS)}
    own_ns = time.time_ns() % (HOUR_MS * _NS)
    return [f"late due=1i {hour * HOUR_MS * _NS + own_ns}" for hour in sorted(hours)]


def newest_points(run: Statement, now_unix_ms: int) -> list[int]:
    """Return the times of the newest point before now, and of the newest one of all."""
    since = f"SELECT * FROM sample WHERE time >= {now_unix_ms - MAX_PAUSE_MS}000000"
    newest = " ORDER BY time DESC LIMIT 1"
    return [row[0] // _NS for until in (f" AND time < {now_unix_ms}000000", "")
            for row in run(since + until + newest)]


def roll_late(run: Statement, roll: Callable[[int, int], None]) -> bool:
    """Recompute the roll-ups of one hour with late points; False if none is marked.

    roll(start_ms, end_ms) recomputes whole hours."""
    marks = [row[0] for row in run(f"SELECT due FROM late ORDER BY time ASC LIMIT {MAX_MARKS}")]
    if not marks:
        return False
    hour_ms = marks[0] // _NS // HOUR_MS * HOUR_MS
    roll(hour_ms, hour_ms + HOUR_MS)
    # Only these marks: others may have been added meanwhile.
    for mark in (mark for mark in marks if mark // _NS // HOUR_MS * HOUR_MS == hour_ms):
        run(f"DELETE FROM late WHERE time = {mark}")
    return True


def roll_up(
    run: Statement, database: str, spans: Iterable[tuple[Rollup, int, int]]
) -> None:
    """Recompute the roll-ups of kept_spans()."""
    for rolled, start_ms, end_ms in spans:
        run(_rolling(database, rolled, _within(start_ms, end_ms)))


def roll_past(
    roll: Callable[[int, int], None], spans: list[tuple[int, int]], on_progress: ProgressCallback
) -> None:
    """Compute the roll-ups of the whole history, a day at a time."""
    if not spans:
        return
    start = min(span[0] for span in spans) // DAY_MS * DAY_MS
    newest = max(span[1] for span in spans)
    for day_ms in range(start, newest + 1, DAY_MS):
        on_progress(day_ms - start, newest + 1 - start)
        roll(day_ms, day_ms + DAY_MS)


def _rolling(database: str, rolled: Rollup, where: str) -> str:
    """Return the query that computes a resolution; hours and days are computed from quarters."""
    if rolled in OF_QUARTERS:
        fields = ",".join(
            f'min("min_{key}") AS "min_{key}",max("max_{key}") AS "max_{key}",'
            f'sum("sum_{key}") AS "sum_{key}",sum("count_{key}") AS "count_{key}",'
            f'last("last_{key}") AS "last_{key}"' for key in protocol.STORED_QUANTITIES)
        source = f'"{database}"."{QUARTERS.policy}"."sample_{QUARTERS.name}"'
    else:
        fields = "min(*),max(*),sum(*),count(*),last(*)"
        source = "sample"
    return (f'SELECT {fields} INTO "{database}"."{rolled.policy}"."sample_{rolled.name}"'
            f" FROM {source}{where} GROUP BY time({rolled.name}), *")


def _within(start_ms: int, end_ms: int) -> str:
    return f" WHERE time >= {start_ms}000000 AND time < {end_ms}000000"
