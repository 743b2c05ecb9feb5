"""A store in an InfluxDB 1.x or 2.x, by line protocol and InfluxQL.

Writes go to /api/v2/write (InfluxDB 1.8+ and 2, by influxdb-client) or /write (1.x) over one
persistent connection; queries go to /query over another.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, suppress
from operator import itemgetter
from typing import Any
from urllib.parse import urlencode

import msgspec

from idroserra.core import protocol
from idroserra.core.config import StoreConfig
from idroserra.core.errors import StoreError, StoreRejected, StoreUnavailable
from idroserra.history.influx import columns as influx_columns
from idroserra.history.influx import downsampling_v1, downsampling_v2
from idroserra.history.influx.columns import of_kinds, where
from idroserra.history.influx.downsampling_v1 import ROLLUPS
from idroserra.history.influx.http import Http, one_line, why_no_store
from idroserra.history.influx.writer import LineWriter
from idroserra.history.line_protocol import query_text
from idroserra.history.models import (
    Column,
    EventPoint,
    Instant,
    ProgressCallback,
    ResolutionInfo,
    StoreInfo,
    column_width_ms,
)

MEASUREMENTS = ("sample", "event")
GAPS_A_QUERY = 8
# After a query that failed so slowly, others fail at once for some time: a page asks for many.
SLOW_S, SILENT_FOR_S = 1.0, 5.0
NO_DATABASE = "database not found"  # before the first write
NO_BUCKET = "default retention policy not set"
POLICIES_FOR_S = 300.0  # policies are queried again: they may have been removed

_MADE, _MADE_FIELD = "rollups", "made"  # what `store init` has created

_log = logging.getLogger("idroserra")


class InfluxStore:
    """An InfluxDB 1.x or 2.x. Connects on demand; thread-safe."""

    def __init__(
        self, config: StoreConfig, site: str,
        now_unix_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._config = config
        self._now_unix_ms = now_unix_ms
        self._policies: set[str] = set()
        self._policies_at_s = self._silent_until_s = 0.0
        self._has_told_unreadable = False
        self._ask_lock = threading.Lock()
        self._failed_unix_ms: int | None = None
        self._failure = ""
        self._http = Http(config)
        self._writer = LineWriter(config, site)
        self._is_suitable = False
        self._is_missing = False  # the database, at the last query
        self._coverage = downsampling_v1.Coverage()

    def write(self, instants: Sequence[Instant], events: Sequence[EventPoint]) -> Counter[str]:
        """Make data of nodes durable; return what is too old. Raises StoreUnavailable,
        StoreRejected."""
        if not self._is_suitable and (why := why_no_store(self._config)) is not None:
            raise StoreUnavailable(why.partition("\n")[0])
        self._is_suitable, now_unix_ms = True, self._now_unix_ms()
        ends_unix_ms: list[int] | None = None
        with suppress(StoreError):  # what cannot be read keeps nothing from being written
            ends_unix_ms = self._coverage.begin(now_unix_ms, lambda: downsampling_v1.newest_points(
                self._show, now_unix_ms) if self._rolled_policies() else [])
        too_old = self._writer.write(instants, events)
        marks = downsampling_v1.late_lines(instants, now_unix_ms, ends_unix_ms or ())
        # Last: after a failure before this line everything is written again.
        if marks and self._rolled_policies():
            self._writer.write_lines(marks)
        if ends_unix_ms is not None:
            self._coverage.end()
        return too_old

    def series(
        self, node: str, channels: Sequence[str], from_unix_ms: int, to_unix_ms: int, columns: int
    ) -> dict[str, list[Column]]:
        """Return up to `columns` columns per channel of [from, to), without empty ones."""
        found: dict[str, list[Column]] = {channel: [] for channel in channels}
        width_ms = column_width_ms(from_unix_ms, to_unix_ms, columns)
        if width_ms == 0:
            return found
        keep, now_unix_ms = self._config.keep, self._now_unix_ms()
        is_old = downsampling_v1.is_expired(keep.raw_days, from_unix_ms, now_unix_ms)
        may_be_rolled = is_old or width_ms >= downsampling_v1.MINUTES.bucket_ms
        cut = influx_columns.plan_columns(width_ms, downsampling_v1.kept_policies(
            keep, self._rolled_policies() if may_be_rolled else (), from_unix_ms, now_unix_ms),
            is_old)
        for source, keys in _by_source(channels).items():
            parts = influx_columns.parts(
                node, source, keys, (from_unix_ms, to_unix_ms), cut, now_unix_ms)
            tables = self._query_all([part.statement for part in parts], "ms")
            # What is not rolled up yet is drawn of readings.
            missing = [influx_columns.of_points(node, source, keys, gap, cut.width_ms)
                       for part, rows in zip(parts, tables, strict=True)
                       for gap in part.gaps(rows)]
            for at in range(0, len(missing), GAPS_A_QUERY):
                tables += self._query_all(missing[at : at + GAPS_A_QUERY], "ms")
            rows = sorted((row for table in tables for row in table), key=itemgetter(0))
            for number, key in enumerate(keys):
                found[f"{source}.{key}"] = influx_columns.columns(
                    rows, 1 + 4 * number, cut.width_ms)
        return found

    def instants(
        self, node: str, from_unix_ms: int, to_unix_ms: int, oldest: int | None = None
    ) -> list[Instant]:
        """Return the readings of all channels of [from, to), oldest first; `oldest` limits the
        number of instants."""
        keys = list(protocol.STORED_QUANTITIES)
        drawn = ",".join(f'"{key}"' for key in keys)
        values: dict[int, dict[str, float]] = {}
        limit = "" if oldest is None else f" LIMIT {oldest}"  # of each series
        rows = self._query(
            f"SELECT {drawn} FROM sample WHERE {where(node, from_unix_ms, to_unix_ms)}"
            f" GROUP BY site,source{limit}", "ms")
        if self._is_missing:  # started without its data, say: that is no empty history
            raise StoreUnavailable(
                f"{self._config.url}: no database {self._config.database}")
        for unix_ms, *row, _site, source in rows:
            values.setdefault(unix_ms, {}).update(
                (f"{source}.{key}", value) for key, value in zip(keys, row, strict=True)
                if value is not None)
        return [Instant(node, unix_ms, values[unix_ms]) for unix_ms in sorted(values)[:oldest]]

    def _rolled_policies(self) -> set[str]:
        """Return the policies of roll-ups that `store init` has created."""
        if not self._policies or time.monotonic() - self._policies_at_s >= POLICIES_FOR_S:
            self._policies = downsampling_v1.policies_of(self._show, self._config.database)
            self._policies_at_s = time.monotonic()
            if self._config.token is not None and not self._has_told_unreadable:
                self._tell_unreadable()
        return self._policies

    def _tell_unreadable(self) -> None:
        """Log the roll-ups that `store init` has created and the token may not read."""
        rows: list[list[Any]] = []
        with suppress(StoreError):  # only a line in the log, for a token that may read
            rows = self._query(f"SELECT last({_MADE_FIELD}) FROM {_MADE}", "ms")
        missing = [policy for _, policies in rows for policy in policies.split(",")
                   if policy not in self._policies]
        if missing:
            self._has_told_unreadable = True
            names = ", ".join(f"{self._config.database}/{policy}" for policy in missing)
            _log.warning("charts use readings only: the token may not read the buckets %s of"
                         " roll-ups; give it read and write on them (docs/store.md)", names)

    def events(
        self, node: str, from_unix_ms: int, to_unix_ms: int, kinds: Sequence[str] | None = None,
        newest: int | None = None, oldest: int | None = None,
    ) -> list[EventPoint]:
        """Return the events of [from, to), oldest first; `kinds` limits their kinds, `newest` or
        `oldest` their number."""
        limit = ""
        if newest is not None:
            limit = f"{of_kinds(kinds or ())} ORDER BY time DESC LIMIT {newest}"
        elif oldest is not None:
            limit = f"{of_kinds(kinds or ())} ORDER BY time LIMIT {oldest}"
        rows = self._query(
            "SELECT seq, boot_id, kind, detail FROM event"
            f" WHERE {where(node, from_unix_ms, to_unix_ms)}{limit}", "u")
        wanted = None if kinds is None else set(kinds)
        return sorted(
            (
                EventPoint(node, row[0], row[1], row[2], row[3], json.loads(row[4]))
                for row in rows
                if wanted is None or row[3] in wanted
            ),
            key=lambda event: event[1:4],
        )

    def newest_events(
        self, node: str, from_unix_ms: int, to_unix_ms: int, kinds: Sequence[str], count: int
    ) -> list[EventPoint]:
        """Return the newest `count` events of each kind of [from, to), oldest first."""
        # For one of each kind a condition on 20 kinds takes longer than all kinds: with 1,000
        # nodes an InfluxDB 1.6.7 needs 20 ms instead of 2.
        wanted = of_kinds(kinds) if count > 1 else ""
        rows = self._query(
            "SELECT seq, boot_id, detail FROM event"
            f" WHERE {where(node, from_unix_ms, to_unix_ms)}{wanted}"
            f" GROUP BY kind ORDER BY time DESC LIMIT {count}", "u")
        found = [EventPoint(node, unix_us, seq, boot_id, kind, json.loads(detail))
                 for unix_us, seq, boot_id, detail, kind in rows if kind in kinds]
        return sorted(found, key=lambda event: event[1:4])

    def latest(self, node: str) -> dict[str, tuple[int, float]]:
        """Return {channel: (unix_ms, value)} of the newest value of each channel."""
        answers = self._query_all([
            f'SELECT last("{key}") FROM sample WHERE node={query_text(node)} GROUP BY source'
            for key in protocol.STORED_QUANTITIES], "ms")
        return {f"{source}.{key}": (unix_ms, value)
                for key, rows in zip(protocol.STORED_QUANTITIES, answers, strict=True)
                for unix_ms, value, source in rows}

    def span(self, node: str) -> tuple[int, int] | None:
        """Return (oldest, newest) in unix_ms of the points and events of a node; None without."""
        return self._span(node, MEASUREMENTS)

    def spans(self) -> dict[str, tuple[int, int]]:
        """Return {node: (oldest, newest)} in unix_ms of points and events."""
        measured: dict[str, list[str]] = {}
        for measurement in MEASUREMENTS:
            for _, node in self._query(  # without a time a 3 has those of the last day only
                    f"SHOW TAG VALUES FROM {measurement} WITH KEY = node WHERE time >= 0", "ms"):
                measured.setdefault(node, []).append(measurement)
        found = {node: self._span(node, of_node) for node, of_node in measured.items()}
        return {node: span for node, span in found.items() if span is not None}

    def _span(self, node: str, measurements: Iterable[str]) -> tuple[int, int] | None:
        answers = self._query_all([
            f"SELECT * FROM {measurement} WHERE node={query_text(node)}"
            f" ORDER BY time {order} LIMIT 1"
            for measurement in measurements for order in ("ASC", "DESC")], "ms")
        times = [rows[0][0] for rows in answers if rows]
        return (min(times), max(times)) if times else None

    def info(self) -> StoreInfo:
        """Return the contents of the store. Slow: the counts read the whole database."""
        database = self._config.database
        retentions = downsampling_v1.retentions(self._show, database)
        if self._major() == 2:  # InfluxQL gives a duration of 0 for every bucket
            with self._client() as client:
                retentions = downsampling_v2.retentions(client, {
                    "": database, **{rolled.policy: downsampling_v2.bucket_of(database, rolled)
                                     for rolled in ROLLUPS if rolled.policy in retentions}})
        spans = self.spans()
        points = sum(sum(row[1:]) for row in self._query("SELECT count(*) FROM sample", "ms"))
        events = sum(row[1] for row in self._query("SELECT count(seq) FROM event", "ms"))
        oldest = min((span[0] for span in spans.values()), default=None)
        return StoreInfo(
            kind="influx", where=f"{self._config.url}, database {database}", points=points,
            events=events, size_bytes=None, oldest_unix_ms=oldest,
            newest_unix_ms=max((span[1] for span in spans.values()), default=None),
            nodes=len(spans), resolutions=(
                ResolutionInfo("raw", points, oldest, retentions.get("")),
                *(ResolutionInfo(rolled.name, None, None, retentions[rolled.policy])
                  for rolled in ROLLUPS if rolled.policy in retentions)),
            events_days=retentions.get(""),
        )

    def init(self, on_progress: ProgressCallback) -> list[str]:
        """Set up downsampling, compute past roll-ups, and only then set the retention of the
        readings that they are computed of."""
        keep, database = self._config.keep, self._config.database
        major = self._major()
        if major == 2:
            with self._client() as client:
                done = downsampling_v2.set_up(client, self._config)
            # A token that may not see the other buckets learns here that they exist.
            policies = ",".join(rolled.policy for rolled in ROLLUPS)
            self._writer.write_lines([f'{_MADE} {_MADE_FIELD}="{policies}" {time.time_ns()}'])
        else:
            done = downsampling_v1.set_up(self._run, database, keep)
        self._policies = set()
        downsampling_v1.roll_past(self._roll_up, list(self.spans().values()), on_progress)
        if major == 2:
            with self._client() as client:
                return [downsampling_v2.keep_raw(client, self._config), *done]
        return [downsampling_v1.keep_raw(self._run, database, keep.raw_days), *done]

    def maintain(self, now_unix_ms: int) -> bool:
        """Recompute the roll-ups of an hour with late points; False if there is none."""
        if not self._rolled_policies():
            return False
        return downsampling_v1.roll_late(self._run, self._roll_up)

    def compact(self) -> None:
        """Do nothing: the database compacts itself."""

    def close(self) -> None:
        """Close the connections."""
        self._http.close()
        self._writer.close()

    def _roll_up(self, start_ms: int, end_ms: int) -> None:
        """Recompute all roll-ups of [start, end), whole hours, that are kept."""
        spans = downsampling_v1.kept_spans(
            self._config.keep, start_ms, end_ms, self._now_unix_ms())
        if self._major() == 2:
            with self._client() as client:
                downsampling_v2.roll_up(client, self._config, spans)
        else:
            downsampling_v1.roll_up(self._run, self._config.database, spans)

    def _client(self) -> AbstractContextManager[Any]:
        """Return influxdb-client for a 2.x; a 1.x does without its memory."""
        from idroserra.history.influx.client import client_v2

        return client_v2(self._config)

    def _major(self) -> int:
        """Return the server's major version. Raises StoreUnavailable."""
        version = self._http.version()
        first = version.partition(".")[0]
        if not first.isdigit():
            raise StoreUnavailable(f"{self._config.url}: {version} is not a version of InfluxDB")
        return int(first)

    def _run(self, text: str) -> list[list[Any]]:
        """Run a statement that may change data; return its rows, times in ns."""
        return self._ask("POST", [text], "ns")[0]

    def _show(self, text: str) -> list[list[Any]]:
        """Return the rows of a read-only statement, times in ns."""
        return self._query(text, "ns")

    def _ask(
        self, method: str, texts: Sequence[str], epoch: str
    ) -> list[list[list[Any]]]:
        """Run statements in one request; return the rows of each, with the tags they are grouped
        by at the end of a row."""
        with self._ask_lock:
            began_s = time.monotonic()
            try:
                if began_s < self._silent_until_s:
                    raise StoreUnavailable(self._failure)
                rows = self._answer(method, texts, epoch)
            except StoreError as error:
                if self._failed_unix_ms is None:
                    _log.warning("history cannot be read: %s", error.why)
                    self._failed_unix_ms = self._now_unix_ms()
                error.failed_unix_ms, self._failure = self._failed_unix_ms, error.why
                if time.monotonic() - began_s > SLOW_S:
                    self._silent_until_s = time.monotonic() + SILENT_FOR_S
                raise
            self._failed_unix_ms = None
            return rows

    def _answer(
        self, method: str, texts: Sequence[str], epoch: str
    ) -> list[list[list[Any]]]:
        query = urlencode({"db": self._config.database, "q": ";".join(texts), "epoch": epoch})
        body = self._http.request(method, f"/query?{query}", None, {})
        try:
            answer = msgspec.json.decode(body)
            if answer == {} and method == "POST":  # of a 2.x to DELETE
                return [[] for _ in texts]
            results = answer["results"]
            series = [result.get("series", ()) for result in results]
            rows = [[[*row, *one.get("tags", {}).values()]
                     for one in of_result for row in one.get("values", ())]
                    for of_result in series]
            is_cut = any(one.get("partial") for of_result in series for one in of_result)
        except (ValueError, KeyError, TypeError, AttributeError):
            raise StoreUnavailable(f"{self._config.url}: /query gave no InfluxQL answer") from None
        error = next((str(each["error"]) for each in results if "error" in each), None)
        if error is None and len(rows) != len(texts):
            raise StoreUnavailable(f"{self._config.url}: /query gave no InfluxQL answer")
        if error is not None:
            self._is_missing = NO_DATABASE in error
            if self._is_missing:
                return [[] for _ in texts]
            if NO_BUCKET in error:
                error = (f"the bucket {self._config.database!r} does not exist, or the token may"
                         " not read it: docs/store.md tells how to create it, and lists the"
                         " permissions of a token")
            raise StoreRejected(f"{self._config.url}: {one_line(error)}")
        self._is_missing = False
        if is_cut:
            raise StoreUnavailable(f"{self._config.url}: the database cuts its answers off: set"
                                   " max-row-limit = 0 in [http] of its configuration")
        return rows

    def _query(self, text: str, epoch: str) -> list[list[Any]]:
        return self._query_all([text], epoch)[0]

    def _query_all(self, texts: Sequence[str], epoch: str) -> list[list[list[Any]]]:
        """Run statements in one request; return the rows of each."""
        return self._ask("GET", texts, epoch)


def _by_source(channels: Iterable[str]) -> dict[str, list[str]]:
    """Return {source: [key of a quantity]} of channels."""
    found: dict[str, list[str]] = {}
    for channel in channels:
        source, quantity = protocol.split_channel(channel)
        found.setdefault(source, []).append(quantity.key)
    return found
