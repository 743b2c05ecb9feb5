"""Downsampling in InfluxDB 2.x: buckets with retention, and tasks in Flux.

The buckets of roll-ups are named `<bucket>/<policy>`: InfluxQL maps them to retention policies of
the database `<bucket>`, so charts use the same queries as for 1.x. Measurements and fields are the
same.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from idroserra.core.config import StoreConfig
from idroserra.core.errors import StoreUnavailable
from idroserra.history.influx.downsampling_v1 import (
    DAYS,
    HOURS,
    MINUTES,
    OF_QUARTERS,
    QUARTERS,
    ROLLUPS,
    Rollup,
    kept_days,
    shard_hours,
)

_FUNCTIONS = ("min", "max", "sum", "count", "last")
_EVERY = {MINUTES: "1m", QUARTERS: "15m", HOURS: "15m", DAYS: "1h"}
_BACK = {MINUTES: "-1h", QUARTERS: "-1h", HOURS: "-3h", DAYS: "-2d"}
_DAY_S = 86_400


def set_up(client: Any, config: StoreConfig) -> list[str]:
    """Create or update buckets and tasks of roll-ups, create that of readings; return a line for
    each. Raises StoreUnavailable."""
    tasks = client.tasks_api()
    org = _organization(client, config)
    if not _of_org(client, org, config.database):
        keep_raw(client, config)
    done = [_set_bucket(client, org, bucket_of(config.database, rolled), days)
            for rolled, days in zip(ROLLUPS, kept_days(config.keep), strict=True)]
    for rolled in ROLLUPS:
        name = f"idroserra_{config.database}_{rolled.name}"
        for old in tasks.find_tasks(name=name, org_id=org.id):
            tasks.delete_task(old.id)
        flux = rolling(config.database, rolled, f"date.truncate(t: {_BACK[rolled]},"
                       f" unit: {rolled.name})", "now()")
        tasks.create_task_every(name, flux, _EVERY[rolled], org)
        done.append(f"task {name}")
    return done


def keep_raw(client: Any, config: StoreConfig) -> str:
    """Set the retention of readings; return a line about it. The database may delete older ones
    from then on. Raises StoreUnavailable."""
    return _set_bucket(
        client, _organization(client, config), config.database, config.keep.raw_days)


def _set_bucket(client: Any, org: Any, name: str, days: int) -> str:
    """Create or update a bucket; return a line about it."""
    rules = [{"type": "expire", "everySeconds": days * _DAY_S,
              "shardGroupDurationSeconds": shard_hours(days) * 3_600}]
    known = _of_org(client, org, name)
    if known:
        known[0].retention_rules = rules
        client.buckets_api().update_bucket(known[0])
    else:
        client.buckets_api().create_bucket(bucket_name=name, retention_rules=rules, org=org)
    return f"bucket {name}: {f'{days} days' if days else 'for ever'}"


def _of_org(client: Any, org: Any, name: str) -> list[Any]:
    return [each for each in _buckets(client, name) if each.org_id == org.id]


def retentions(client: Any, names: dict[str, str]) -> dict[str, int | None]:
    """Return {key: days} of the buckets {key: name}; 0 is for ever, None not visible."""
    found: dict[str, int | None] = {}
    for key, name in names.items():
        seconds = [sum(rule.every_seconds for rule in each.retention_rules)
                   for each in _buckets(client, name)]
        found[key] = -(-seconds[0] // _DAY_S) if seconds else None
    return found


def roll_up(
    client: Any, config: StoreConfig, spans: Iterable[tuple[Rollup, int, int]]
) -> None:
    """Recompute the roll-ups of downsampling_v1.kept_spans(). Raises StoreUnavailable."""
    for rolled, first, last in spans:
        client.query_api().query(rolling(
            config.database, rolled, f"time(v: {first}000000)", f"time(v: {last}000000)"))


def bucket_of(database: str, rolled: Rollup) -> str:
    """Return the name of the bucket of a resolution."""
    return f"{database}/{rolled.policy}"


def rolling(database: str, rolled: Rollup, start: str, stop: str) -> str:
    """Return the Flux that computes a resolution in a range, from quarters or from points.

    It yields no rows: the client does not need them."""
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
            f' |> filter(fn: (r) => false) |> yield(name: "{function}")')
    return "\n".join(parts)


def _organization(client: Any, config: StoreConfig) -> Any:
    """Return store.org with its id. A token that may not see it sees the bucket's."""
    from influxdb_client.domain.organization import Organization
    from influxdb_client.rest import ApiException

    seen = {bucket.org_id for bucket in _buckets(client, config.database)}
    if config.org in seen:
        return Organization(id=config.org, name=config.org)
    try:
        orgs = client.organizations_api().find_organizations(org=config.org)
    except ApiException as error:
        if error.status not in (401, 403, 404):
            raise
        orgs = []  # it does not exist, or the token may not read it
    ids = {each.id for each in orgs} or seen
    if len(ids) != 1:
        raise StoreUnavailable(
            f"{config.url}: the token sees neither the organisation {config.org!r} (store.org) nor"
            f" its bucket {config.database!r}: check the name, and give the token read on"
            " organisations, read and write on buckets and on tasks (docs/store.md)")
    return Organization(id=ids.pop(), name=config.org)


def _buckets(client: Any, name: str) -> Any:
    return client.buckets_api().find_buckets(name=name).buckets
