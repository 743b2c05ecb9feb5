"""Downsampling in InfluxDB 2.x: buckets with retention, and tasks in Flux.

The buckets of roll-ups are named `<bucket>/<policy>`: InfluxQL maps them to retention policies of
the database `<bucket>`, so charts use the same queries as for 1.x. Measurements and fields are the
same.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from idroserra.core.config import StoreConfig
from idroserra.core.errors import StoreUnavailable
from idroserra.history.influx.downsampling_v1 import (
    DAY_MS,
    DAYS,
    HOURS,
    MINUTES,
    OF_QUARTERS,
    QUARTERS,
    ROLLUPS,
    Rollup,
    kept_days,
)

_FUNCTIONS = ("min", "max", "sum", "count", "last")
_EVERY = {MINUTES: "1m", QUARTERS: "15m", HOURS: "15m", DAYS: "1h"}
_BACK = {MINUTES: "-1h", QUARTERS: "-1h", HOURS: "-3h", DAYS: "-2d"}


def set_up(client: Any, config: StoreConfig) -> list[str]:
    """Create or update buckets and tasks; return a line for each. Raises StoreUnavailable."""
    buckets, tasks = client.buckets_api(), client.tasks_api()
    keep = config.keep
    done = []
    with _refusals(config):
        org = next((each for each in client.organizations_api().find_organizations()
                    if config.org in (each.name, each.id)), None)
        if org is None:
            raise StoreUnavailable(f"{config.url}: no organisation {config.org!r} (store.org)")
        for name, days in ((config.database, keep.raw_days), *zip(
                (bucket_of(config.database, rolled) for rolled in ROLLUPS), kept_days(keep),
                strict=True)):
            rules = [{"type": "expire", "everySeconds": days * 86_400}]
            known = buckets.find_bucket_by_name(name)
            if known is None:
                buckets.create_bucket(bucket_name=name, retention_rules=rules, org_id=org.id)
            else:
                known.retention_rules = rules
                buckets.update_bucket(known)
            done.append(f"bucket {name}: {f'{days} days' if days else 'for ever'}")
        for rolled in ROLLUPS:
            name = f"idroserra_{config.database}_{rolled.name}"
            for old in tasks.find_tasks(name=name):
                tasks.delete_task(old.id)
            flux = rolling(config.database, rolled, f"date.truncate(t: {_BACK[rolled]},"
                           f" unit: {rolled.name})", "now()")
            tasks.create_task_every(name, flux, _EVERY[rolled], org)
            done.append(f"task {name}")
    return done


def roll_up(client: Any, config: StoreConfig, start_ms: int, end_ms: int) -> None:
    """Recompute all roll-ups of [start, end), whole hours. Raises StoreUnavailable."""
    day_ms, until_ms = start_ms // DAY_MS * DAY_MS, -(-end_ms // DAY_MS) * DAY_MS
    query = client.query_api()
    with _refusals(config):
        for rolled, first, last in ((MINUTES, start_ms, end_ms), (QUARTERS, start_ms, end_ms),
                                    (HOURS, start_ms, end_ms), (DAYS, day_ms, until_ms)):
            flux = rolling(config.database, rolled, f"time(v: {first}000000)",
                           f"time(v: {last}000000)")
            query.query(flux, org=config.org)


def bucket_of(database: str, rolled: Rollup) -> str:
    """Return the name of the bucket of a resolution."""
    return f"{database}/{rolled.policy}"


def rolling(database: str, rolled: Rollup, start: str, stop: str) -> str:
    """Return the Flux that computes a resolution in a range, from quarters or from points."""
    parts = ['import "date"']
    for function in _FUNCTIONS:
        if rolled in OF_QUARTERS:
            source = f'from(bucket: "{bucket_of(database, QUARTERS)}")'
            wanted = (f'r._measurement == "sample_{QUARTERS.name}" and'
                      f" r._field =~ /^{function}_/")
            made, field = "sum" if function == "count" else function, "r._field"
        else:
            source, wanted = f'from(bucket: "{database}")', 'r._measurement == "sample"'
            made, field = function, f'"{function}_" + r._field'
        parts.append(
            f"{source} |> range(start: {start}, stop: {stop}) |> filter(fn: (r) => {wanted})"
            f" |> aggregateWindow(every: {rolled.name}, fn: {made}, createEmpty: false,"
            ' timeSrc: "_start")'
            f' |> map(fn: (r) => ({{r with _measurement: "sample_{rolled.name}",'
            f" _field: {field}}}))"
            f' |> to(bucket: "{bucket_of(database, rolled)}")'
            f' |> yield(name: "{function}")')
    return "\n".join(parts)


@contextmanager
def _refusals(config: StoreConfig) -> Iterator[None]:
    """Convert errors of influxdb-client to StoreUnavailable."""
    from influxdb_client.rest import ApiException
    from urllib3.exceptions import HTTPError

    try:
        yield
    except (ApiException, HTTPError, OSError) as error:
        why = " ".join(str(getattr(error, "body", None) or error).split())[:300]
        raise StoreUnavailable(f"{config.url}: {why}") from error
