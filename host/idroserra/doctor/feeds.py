"""Checks that each feed answers and may be written to. No data is written."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import closing

from msgspec.structs import replace

from idroserra.core.config import FeedConfig
from idroserra.core.errors import StoreError, StoreUnavailable
from idroserra.doctor.result import Check
from idroserra.feeds.victoria import VictoriaMonitor
from idroserra.history.influx.http import Http
from idroserra.history.influx.lines import NO_DATABASE_YET
from idroserra.history.influx.writer import open_lines

TIMEOUT_MS = 3_000

_NO_DEDUP = re.compile(rb'^flag\{name="dedup\.minScrapeInterval", value="0s"', re.MULTILINE)


def check_feeds(feeds: Sequence[FeedConfig]) -> Iterator[Check]:
    """Yield a check of each feed: which database it is, and whether it lets the host write."""
    for feed in feeds:
        asked = replace(feed, timeout_ms=min(feed.timeout_ms, TIMEOUT_MS))
        try:
            with closing(Http(asked)) as http:
                yield _check(asked, http)
        except StoreError as error:
            yield Check(f"feed {feed.name}", "fail", error.why,
                        "start that database, or correct its [[feed]]; what it lacks is sent then")


def _check(feed: FeedConfig, http: Http) -> Check:
    """Raises StoreUnavailable."""
    name, where = f"feed {feed.name}", f"{feed.url}, database {feed.database}"
    is_victoria = VictoriaMonitor(feed.url, http).before() is not None
    try:
        with closing(open_lines(feed)) as lines:
            lines.check()
    except StoreUnavailable as error:
        if feed.write_api != "v1" or NO_DATABASE_YET not in error.why:
            raise
        where += ", which the host will create"
    if not is_victoria:
        return Check(name, "ok", f"InfluxDB {http.version()}: {where}")
    if _NO_DEDUP.search(http.get("/metrics")[2]):
        return Check(name, "warn",
                     f"VictoriaMetrics keeps points twice that are sent twice: {where}",
                     "start it with -dedup.minScrapeInterval=1ms")
    return Check(name, "ok", f"VictoriaMetrics: {where}")
