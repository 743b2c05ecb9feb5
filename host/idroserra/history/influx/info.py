"""Statistics of a database that speaks InfluxQL."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from idroserra.core.config import StoreConfig
from idroserra.history.influx.downsampling_v1 import ROLLUPS
from idroserra.history.line_protocol import query_text
from idroserra.history.models import ResolutionInfo, StoreInfo

Query = Callable[[str, str], list[list[Any]]]


def info(
    query: Query, config: StoreConfig, retentions: Mapping[str, int | None]
) -> StoreInfo:
    """Return the contents of the store. Slow: the counts read the whole database.

    retentions: {policy: days}, that of readings and events as ""."""
    spans = spans_of(query)
    points = sum(sum(row[1:]) for row in query("SELECT count(*) FROM sample", "ms"))
    events = sum(row[1] for row in query("SELECT count(seq) FROM event", "ms"))
    oldest = min((span[0] for span in spans.values()), default=None)
    return StoreInfo(
        kind="influx", where=f"{config.url}, database {config.database}", points=points,
        events=events, size_bytes=None, oldest_unix_ms=oldest,
        newest_unix_ms=max((span[1] for span in spans.values()), default=None),
        nodes=len(spans), resolutions=(
            ResolutionInfo("raw", points, oldest, retentions.get("")),
            *(ResolutionInfo(rolled.name, None, None, retentions[rolled.policy])
              for rolled in ROLLUPS if rolled.policy in retentions)),
        events_days=retentions.get(""),
    )


def spans_of(query: Query) -> dict[str, tuple[int, int]]:
    """Return {node: (oldest, newest)} in unix_ms of points and events."""
    found: dict[str, tuple[int, int]] = {}
    for measurement in ("sample", "event"):
        for _, node in query(  # without a time a 3 has those of the last day only
                f"SHOW TAG VALUES FROM {measurement} WITH KEY = node WHERE time >= 0", "ms"):
            ends = [
                query(f"SELECT * FROM {measurement} WHERE node={query_text(node)}"
                      f" ORDER BY time {order} LIMIT 1", "ms")[0][0]
                for order in ("ASC", "DESC")]
            known = found.get(node, (ends[0], ends[1]))
            found[node] = (min(known[0], ends[0]), max(known[1], ends[1]))
    return found
