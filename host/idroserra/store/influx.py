"""The store in a database that speaks line protocol and InfluxQL.

Writes go to /api/v2/write (InfluxDB 1.8+, 2, 3, VictoriaMetrics) or to /write (any 1.x), whole
bodies over one kept connection. Queries go to /query, which 1.x, 2 and 3 answer. The same
measurement, tags and time overwrite: a write may be repeated.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any
from urllib.parse import urlencode

from idroserra import contract
from idroserra.config import StoreConfig
from idroserra.errors import StoreRejected, StoreUnavailable
from idroserra.store import (
    Column,
    EventPoint,
    Instant,
    SamplePoint,
    StoreInfo,
    Tell,
    column_width_ms,
    influx_rolls,
    influx_three,
    influx_two,
)
from idroserra.store.http import Http, client_v2, sender
from idroserra.store.influx_info import info, spans_of
from idroserra.store.lines import event_line, instant_lines, instants_of, query_text

MAX_TEXTS = 1_500  # instants and events in one body: about 5,000 lines
MEASUREMENTS = ("sample", "event", "late", "sample_1m", "sample_15m", "sample_1d")
TOO_OLD = "points beyond retention policy"
POLICIES_FOR_S = 300.0  # asked again after so long: `store init` may have come

_log = logging.getLogger("idroserra")


def _wall_unix_ms() -> int:
    return time.time_ns() // 1_000_000


class InfluxStore:
    """An InfluxDB, or what writes like one. Connects when used; any thread may call."""

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
        self._is_created = False
        self._send = sender(config, self._http)

    def write(self, samples: Sequence[SamplePoint], events: Sequence[EventPoint]) -> None:
        """Make the points durable. Raises StoreUnavailable, StoreRejected."""
        self.take(instants_of(samples), events)

    def take(self, instants: Sequence[Instant], events: Sequence[EventPoint]) -> None:
        """Make what nodes measured durable. Raises StoreUnavailable, StoreRejected."""
        texts = instant_lines(self._site, instants)
        texts += [event_line(self._site, event) for event in events]
        with self._lock:
            self._create_database()
            if instants and self._rolled_policies():
                # Last: if we do not get so far, all of this is written again.
                texts += influx_rolls.late_lines(instants, self._now_unix_ms())
            for at in range(0, len(texts), MAX_TEXTS):
                self._send_lines(texts[at : at + MAX_TEXTS])

    def series(
        self,
        node: str,
        channels: Sequence[str],
        from_unix_ms: int,
        to_unix_ms: int,
        columns: int,
    ) -> dict[str, list[Column]]:
        """Return at most `columns` columns a channel of [from, to), empty ones left out."""
        found: dict[str, list[Column]] = {channel: [] for channel in channels}
        width_ms = column_width_ms(from_unix_ms, to_unix_ms, columns)
        if width_ms == 0:
            return found
        rolled = self._rolled(width_ms)
        if rolled is None:
            self._draw(found, node, from_unix_ms, to_unix_ms, width_ms)
            return found
        width_ms = -(-width_ms // rolled.bucket_ms) * rolled.bucket_ms
        # What is newer may not be rolled up yet; what came late for more than that has its mark.
        newest_ms = self._now_unix_ms() - influx_rolls.LATE_MS - 2 * rolled.bucket_ms
        edge = newest_ms // width_ms * width_ms
        start = from_unix_ms // rolled.bucket_ms * rolled.bucket_ms
        if start < edge:
            self._draw_rolled(found, node, start, min(edge, to_unix_ms), width_ms, rolled)
        if edge < to_unix_ms:
            self._draw(found, node, max(edge, start), to_unix_ms, width_ms)
        return found

    def points(
        self, node: str, channels: Sequence[str], from_unix_ms: int, to_unix_ms: int
    ) -> dict[str, list[tuple[int, float]]]:
        """Return {channel: [(unix_ms, value)]} of [from, to), oldest first."""
        found: dict[str, list[tuple[int, float]]] = {channel: [] for channel in channels}
        for source, keys in _by_source(channels).items():
            drawn = ",".join(f'"{key}"' for key in keys)
            rows = self._query(
                f"SELECT {drawn} FROM sample WHERE {_where(node, from_unix_ms, to_unix_ms)}"
                f" AND source={query_text(source)}", "ms")
            for row in rows:
                for key, value in zip(keys, row[1:], strict=True):
                    if value is not None:
                        found[f"{source}.{key}"].append((row[0], value))
        return found

    def _draw(
        self, found: dict[str, list[Column]], node: str, start: int, end: int, width_ms: int
    ) -> None:
        """Add the columns of [start, end), made of raw points."""
        for source, keys in _by_source(found).items():
            drawn = ",".join(f'min("{key}"),mean("{key}"),max("{key}")' for key in keys)
            rows = self._query(
                f"SELECT {drawn} FROM sample WHERE {_where(node, start, end)}"
                f" AND source={query_text(source)} GROUP BY time({width_ms}ms) fill(none)", "ms")
            for row in rows:
                for number, key in enumerate(keys):
                    low, mean, high = row[1 + 3 * number : 4 + 3 * number]
                    if low is not None:
                        found[f"{source}.{key}"].append(Column(row[0], low, mean, high))

    def _draw_rolled(
        self, found: dict[str, list[Column]], node: str, start: int, end: int, width_ms: int,
        rolled: influx_rolls.Rolled,
    ) -> None:
        """Add the columns of [start, end), made of roll-ups."""
        for source, keys in _by_source(found).items():
            rows = self._query(
                f"SELECT {influx_rolls.fields_of(keys)}"
                f' FROM "{rolled.policy}"."sample_{rolled.name}" WHERE {_where(node, start, end)}'
                f" AND source={query_text(source)} GROUP BY time({width_ms}ms) fill(none)", "ms")
            for row in rows:
                for number, key in enumerate(keys):
                    low, total, count, high = row[1 + 4 * number : 5 + 4 * number]
                    if low is not None and count:
                        found[f"{source}.{key}"].append(Column(row[0], low, total / count, high))

    def _rolled(self, width_ms: int) -> influx_rolls.Rolled | None:
        """Return the coarsest roll-up there is that gives columns of `width_ms`."""
        fit = [each for each in influx_rolls.ROLLED if each.bucket_ms <= width_ms]
        policies = self._rolled_policies() if fit else set()
        return next((each for each in reversed(fit) if each.policy in policies), None)

    def _rolled_policies(self) -> set[str]:
        """Return the policies of the roll-ups that `store init` has made."""
        if time.monotonic() - self._policies_at_s >= POLICIES_FOR_S:
            self._policies = influx_rolls.policies_of(self._run, self._config.database)
            self._policies_at_s = time.monotonic()
        return self._policies

    def events(
        self,
        node: str,
        from_unix_ms: int,
        to_unix_ms: int,
        kinds: Sequence[str] | None = None,
    ) -> list[EventPoint]:
        """Return the events of [from, to), oldest first, of all kinds or of `kinds`."""
        rows = self._query(
            "SELECT seq, boot_id, kind, detail FROM event"
            f" WHERE {_where(node, from_unix_ms, to_unix_ms)}",
            "u",
        )
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
            f"SHOW TAG VALUES FROM sample WITH KEY = source WHERE node={query_text(node)}", "ms"
        )
        for _, source in sources:
            for key in contract.QUANTITIES:
                rows = self._query(
                    f'SELECT last("{key}") FROM sample WHERE node={query_text(node)}'
                    f" AND source={query_text(source)}", "ms",
                )
                for unix_ms, value in rows:
                    found[f"{source}.{key}"] = (unix_ms, value)
        return found

    def spans(self) -> dict[str, tuple[int, int]]:
        """Return {node: (oldest, newest)} in unix_ms of its points and events."""
        return spans_of(self._query)

    def info(self) -> StoreInfo:
        """Return what is in the store."""
        return info(self._query, self._config)

    def init(self, tell: Tell) -> list[str]:
        """Set up retention and downsampling, and roll up what is there; say what was done."""
        major = self._major()
        if major == 3:
            return influx_three.set_up(self._http, self._config)
        if major == 2:
            done = influx_two.set_up(client_v2(self._config), self._config)
        else:
            done = influx_rolls.set_up(self._run, self._config.database, self._config.keep)
        self._policies_at_s = -POLICIES_FOR_S
        influx_rolls.roll_past(self._roll_up, list(self.spans().values()), tell)
        return done

    def tend(self, now_unix_ms: int) -> bool:
        """Make the roll-ups of an hour again that points came late for; False: there is none."""
        if not self._rolled_policies():
            return False
        return influx_rolls.roll_late(self._run, self._roll_up)

    def compact(self) -> None:
        """Do nothing: the database compacts itself."""

    def close(self) -> None:
        """Close the connections."""
        self._http.close()
        self._query_http.close()

    def _send_lines(self, texts: list[str]) -> None:
        try:
            self._send("\n".join(texts).encode())
        except StoreRejected as error:
            # The others of the body are in; these the database would have forgotten by now.
            if TOO_OLD not in error.why:
                raise
            _log.warning("points older than the database keeps were not stored: %s", error.why)

    def _create_database(self) -> None:
        """Create the database of a 1.x; a 2 or 3 has its bucket from its operator."""
        if self._is_created or self._config.write_api == "v2":
            return
        query = urlencode({"q": f'CREATE DATABASE "{self._config.database}"'})
        self._http.request("POST", f"/query?{query}", b"", {})
        self._is_created = True

    def _roll_up(self, start_ms: int, end_ms: int) -> None:
        """Make all roll-ups of [start, end), whole hours, again."""
        if self._major() == 2:
            influx_two.roll_up(client_v2(self._config), self._config, start_ms, end_ms)
        else:
            influx_rolls.roll_up(self._run, self._config.database, start_ms, end_ms)

    def _major(self) -> int:
        """Return the first number of the server's version. Raises StoreUnavailable."""
        version = self._query_http.version()
        first = version.partition(".")[0]
        if not first.isdigit():
            raise StoreUnavailable(f"{self._config.url}: {version} is no version of InfluxDB")
        return int(first)

    def _run(self, text: str) -> list[list[Any]]:
        """Run a statement that may change something; return its rows, times in ns."""
        return [row for _, rows in self._ask("POST", text, "ns") for row in rows]

    def _ask(self, method: str, text: str, epoch: str) -> list[tuple[str, list[list[Any]]]]:
        query = urlencode({"db": self._config.database, "q": text, "epoch": epoch})
        body = self._query_http.request(method, f"/query?{query}", None, {})
        try:
            result = json.loads(body)["results"][0]
            tables = [(str(of.get("name", "")), of.get("values", []))
                      for of in result.get("series", ())]
        except (ValueError, KeyError, IndexError, TypeError, AttributeError):
            raise StoreUnavailable(f"{self._config.url}: /query gave no InfluxQL answer") from None
        if "error" in result:
            if "database not found" in str(result["error"]):
                return []  # nothing was written yet
            raise StoreRejected(f"{self._config.url}: {result['error']}")
        return tables

    def _query(self, text: str, epoch: str) -> list[list[Any]]:
        tables = self._ask("GET", text, epoch)
        if any(name not in MEASUREMENTS for name, _ in tables):  # VictoriaMetrics makes one up
            raise StoreUnavailable(f"{self._config.url}: /query gave no InfluxQL answer")
        return [row for _, rows in tables for row in rows]


def _by_source(channels: Iterable[str]) -> dict[str, list[str]]:
    """Return {source: [key of a quantity]} of channels."""
    found: dict[str, list[str]] = {}
    for channel in channels:
        source, quantity = contract.split_channel(channel)
        found.setdefault(source, []).append(quantity.key)
    return found


def _where(node: str, from_unix_ms: int, to_unix_ms: int) -> str:
    return (
        f"node={query_text(node)} AND time >= {from_unix_ms}000000 AND time < {to_unix_ms}000000"
    )
