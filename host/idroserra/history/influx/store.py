"""A store in a database that speaks line protocol and InfluxQL.

Writes go to /api/v2/write (InfluxDB 1.8+, 2, 3, VictoriaMetrics) or /write (1.x) over one
persistent connection; queries go to /query (1.x, 2 and 3). Writes are idempotent: the same
measurement, tags and time overwrite.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any
from urllib.parse import urlencode

import msgspec

from idroserra.core import protocol
from idroserra.core.config import StoreConfig
from idroserra.core.errors import StoreRejected, StoreUnavailable
from idroserra.history.influx import columns as influx_columns
from idroserra.history.influx import downsampling_v1, downsampling_v2, setup_v3
from idroserra.history.influx.columns import where
from idroserra.history.influx.http import Http, client_v2, sender
from idroserra.history.influx.info import info, spans_of
from idroserra.history.influx.victoria import VictoriaMonitor
from idroserra.history.line_protocol import event_line, instant_lines, instants_of, query_text
from idroserra.history.models import (
    Column,
    EventPoint,
    Instant,
    ProgressCallback,
    Receipt,
    SamplePoint,
    StoreInfo,
    column_width_ms,
)

MAX_TEXTS = 1_500  # instants and events in one body: about 5,000 lines
MEASUREMENTS = ("sample", "event", "late", "sample_1m", "sample_15m", "sample_1h", "sample_1d")
NO_DATABASE = "database not found"  # before the first write
TOO_OLD = "points beyond retention policy"
POLICIES_FOR_S = 300.0  # policies are queried again: `store init` may have created them

_log = logging.getLogger("idroserra")


def _wall_unix_ms() -> int:
    return time.time_ns() // 1_000_000


class InfluxStore:
    """An InfluxDB or compatible database. Connects on demand; thread-safe."""

    def __init__(
        self, config: StoreConfig, site: str, now_unix_ms: Callable[[], int] = _wall_unix_ms
    ) -> None:
        self._config = config
        self._now_unix_ms = now_unix_ms
        self._policies: set[str] = set()
        self._policies_at_s = -POLICIES_FOR_S
        self._site = site
        self._lock = threading.Lock()
        self._http = Http(config)
        self._query_http = Http(config)
        self._watch = VictoriaMonitor(config.url, Http(config))
        self._is_created = False
        self._send = sender(config, self._http)

    def write(self, samples: Sequence[SamplePoint], events: Sequence[EventPoint]) -> None:
        """Make the points durable. Raises StoreUnavailable, StoreRejected."""
        self.write_instants(instants_of(samples), events)

    def write_instants(
        self, instants: Sequence[Instant], events: Sequence[EventPoint]
    ) -> Receipt | None:
        """Write data of nodes. With a receipt it is not durable yet.

        Raises StoreUnavailable, StoreRejected."""
        texts = instant_lines(self._site, instants)
        texts += [event_line(self._site, event) for event in events]
        with self._lock:
            before = self._watch.before()
            self._create_database()
            if instants and self._rolled_policies():
                # Last: after a failure before this line everything is written again.
                texts += downsampling_v1.late_lines(instants, self._now_unix_ms())
            for at in range(0, len(texts), MAX_TEXTS):
                self._send_lines(texts[at : at + MAX_TEXTS])
        return None if before is None else self._watch.receipt(before)

    def series(
        self, node: str, channels: Sequence[str], from_unix_ms: int, to_unix_ms: int, columns: int
    ) -> dict[str, list[Column]]:
        """Return up to `columns` columns per channel of [from, to), without empty ones."""
        found: dict[str, list[Column]] = {channel: [] for channel in channels}
        width_ms = column_width_ms(from_unix_ms, to_unix_ms, columns)
        if width_ms == 0:
            return found
        may_be_rolled = width_ms >= downsampling_v1.MINUTES.bucket_ms
        cut = influx_columns.plan_columns(
            width_ms, self._rolled_policies() if may_be_rolled else ())
        for source, keys in _by_source(channels).items():
            statements = influx_columns.statements(
                node, source, keys, (from_unix_ms, to_unix_ms), cut, self._now_unix_ms())
            rows = [row for part in self._query_all(statements, "ms") for row in part]
            for number, key in enumerate(keys):
                found[f"{source}.{key}"] = influx_columns.columns(
                    rows, 1 + 4 * number, cut.width_ms)
        return found

    def points(
        self, node: str, channels: Sequence[str], from_unix_ms: int, to_unix_ms: int
    ) -> dict[str, list[tuple[int, float]]]:
        """Return {channel: [(unix_ms, value)]} of [from, to), oldest first."""
        found: dict[str, list[tuple[int, float]]] = {channel: [] for channel in channels}
        for source, keys in _by_source(channels).items():
            drawn = ",".join(f'"{key}"' for key in keys)
            rows = self._query(
                f"SELECT {drawn} FROM sample WHERE {where(node, from_unix_ms, to_unix_ms)}"
                f" AND source={query_text(source)}", "ms")
            for row in rows:
                for key, value in zip(keys, row[1:], strict=True):
                    if value is not None:
                        found[f"{source}.{key}"].append((row[0], value))
        return found

    def _rolled_policies(self) -> set[str]:
        """Return the policies of roll-ups that `store init` has created."""
        if time.monotonic() - self._policies_at_s >= POLICIES_FOR_S:
            self._policies = downsampling_v1.policies_of(self._show, self._config.database)
            self._policies_at_s = time.monotonic()
        return self._policies

    def events(
        self, node: str, from_unix_ms: int, to_unix_ms: int, kinds: Sequence[str] | None = None
    ) -> list[EventPoint]:
        """Return the events of [from, to), oldest first; `kinds` limits their kinds."""
        rows = self._query(
            "SELECT seq, boot_id, kind, detail FROM event"
            f" WHERE {where(node, from_unix_ms, to_unix_ms)}", "u")
        wanted = None if kinds is None else set(kinds)
        return sorted(
            (
                EventPoint(node, row[0], row[1], row[2], row[3], json.loads(row[4]))
                for row in rows
                if wanted is None or row[3] in wanted
            ),
            key=lambda event: event[1:4],
        )

    def latest(self, node: str) -> dict[str, tuple[int, float]]:
        """Return {channel: (unix_ms, value)} of the newest value of each channel."""
        found: dict[str, tuple[int, float]] = {}
        sources = self._query(
            f"SHOW TAG VALUES FROM sample WITH KEY = source WHERE node={query_text(node)}", "ms")
        for _, source in sources:
            for key in protocol.QUANTITIES:
                rows = self._query(
                    f'SELECT last("{key}") FROM sample WHERE node={query_text(node)}'
                    f" AND source={query_text(source)}", "ms")
                for unix_ms, value in rows:
                    found[f"{source}.{key}"] = (unix_ms, value)
        return found

    def spans(self) -> dict[str, tuple[int, int]]:
        """Return {node: (oldest, newest)} in unix_ms of points and events."""
        return spans_of(self._query)

    def info(self) -> StoreInfo:
        """Return the contents of the store."""
        return info(self._query, self._config)

    def init(self, on_progress: ProgressCallback) -> list[str]:
        """Set up retention and downsampling, and compute past roll-ups."""
        major = self._major()
        if major == 3:
            return setup_v3.set_up(self._http, self._config)
        if major == 2:
            done = downsampling_v2.set_up(client_v2(self._config), self._config)
        else:
            done = downsampling_v1.set_up(self._run, self._config.database, self._config.keep)
        self._policies_at_s = -POLICIES_FOR_S
        downsampling_v1.roll_past(self._roll_up, list(self.spans().values()), on_progress)
        return done

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
        self._query_http.close()
        self._watch.close()

    def _send_lines(self, texts: list[str]) -> None:
        try:
            self._send("\n".join(texts).encode())
        except StoreRejected as error:
            # The other points of the body are written; these would have expired already.
            if TOO_OLD not in error.why:
                raise
            _log.warning("points older than the retention policy were dropped: %s", error.why)

    def _create_database(self) -> None:
        """Create the database in a 1.x; in 2 and 3 the operator creates the bucket."""
        if self._is_created or self._config.write_api == "v2":
            return
        query = urlencode({"q": f'CREATE DATABASE "{self._config.database}"'})
        self._http.request("POST", f"/query?{query}", b"", {})
        self._is_created = True

    def _roll_up(self, start_ms: int, end_ms: int) -> None:
        """Recompute all roll-ups of [start, end), whole hours."""
        if self._major() == 2:
            downsampling_v2.roll_up(client_v2(self._config), self._config, start_ms, end_ms)
        else:
            downsampling_v1.roll_up(self._run, self._config.database, start_ms, end_ms)

    def _major(self) -> int:
        """Return the server's major version. Raises StoreUnavailable."""
        version = self._query_http.version()
        first = version.partition(".")[0]
        if not first.isdigit():
            raise StoreUnavailable(f"{self._config.url}: {version} is not a version of InfluxDB")
        return int(first)

    def _run(self, text: str) -> list[list[Any]]:
        """Run a statement that may change data; return its rows, times in ns."""
        return [row for _, rows in self._ask("POST", [text], "ns")[0] for row in rows]

    def _show(self, text: str) -> list[list[Any]]:
        """Return the rows of a read-only statement, of any measurement name."""
        return [row for _, rows in self._ask("GET", [text], "ns")[0] for row in rows]

    def _ask(
        self, method: str, texts: Sequence[str], epoch: str
    ) -> list[list[tuple[str, list[list[Any]]]]]:
        """Run statements; return the tables of each as (measurement, rows)."""
        query = urlencode({"db": self._config.database, "q": ";".join(texts), "epoch": epoch})
        try:
            body = self._query_http.request(method, f"/query?{query}", None, {})
        except StoreUnavailable as refused:
            if NO_DATABASE in refused.why:  # 3 Core answers 404
                return [[] for _ in texts]
            raise
        try:
            results = msgspec.json.decode(body)["results"]
            tables = [[(str(of.get("name", "")), of.get("values", []))
                       for of in result.get("series", ())] for result in results]
        except (ValueError, KeyError, TypeError, AttributeError):
            raise StoreUnavailable(f"{self._config.url}: /query gave no InfluxQL answer") from None
        error = next((str(each["error"]) for each in results if "error" in each), None)
        if error is None and len(tables) != len(texts):
            raise StoreUnavailable(f"{self._config.url}: /query gave no InfluxQL answer")
        if error is not None:
            if NO_DATABASE in error:
                return [[] for _ in texts]
            raise StoreRejected(f"{self._config.url}: {error}")
        return tables

    def _query(self, text: str, epoch: str) -> list[list[Any]]:
        return self._query_all([text], epoch)[0]

    def _query_all(self, texts: Sequence[str], epoch: str) -> list[list[list[Any]]]:
        """Run statements in one request; return the rows of each."""
        found = []
        for tables in self._ask("GET", texts, epoch):
            if any(name not in MEASUREMENTS for name, _ in tables):  # VictoriaMetrics does that
                raise StoreUnavailable(f"{self._config.url}: /query gave no InfluxQL answer")
            found.append([row for _, rows in tables for row in rows])
        return found


def _by_source(channels: Iterable[str]) -> dict[str, list[str]]:
    """Return {source: [key of a quantity]} of channels."""
    found: dict[str, list[str]] = {}
    for channel in channels:
        source, quantity = protocol.split_channel(channel)
        found.setdefault(source, []).append(quantity.key)
    return found
