"""VictoriaMetrics takes points before they are on its disk: those of the last seconds are lost
when it is killed. Its own words: `-inmemoryDataFlushInterval`, "the saved data survives unclean
shutdowns", 5 s by default; `/internal/force_flush` makes points visible, not durable.

So what it has taken is believed to be there once the same process has been running long enough
afterwards. When it started, and how often it saves, it says at /metrics.
"""

from __future__ import annotations

import re
import threading
import time
from typing import NamedTuple

from idroserra.core.errors import StoreUnavailable
from idroserra.history.influx.http import Http
from idroserra.history.models import Durability

FRESH_S = 2.0  # two processes that start in the same second could not be told apart
LOOK_EVERY_S = 1.0
# Points wait for up to 2 s before they are a part in memory, whatever the interval; a part is due
# after an interval, of 2 s at least; what is due is looked for once an interval, with jitter. The
# rest is for a machine that has other work.
LEAST_INTERVAL_S, INTERVALS, SLACK_S = 2.0, 3.0, 10.0

_STARTED = re.compile(rb"^vm_app_start_timestamp (\d+)", re.MULTILINE)
_UPTIME = re.compile(rb"^vm_app_uptime_seconds (\d+)", re.MULTILINE)
_INTERVAL = re.compile(rb'^flag\{name="inmemoryDataFlushInterval", value="([^"]+)"', re.MULTILINE)
_DURATION = re.compile(r"([\d.]+)(ms|s|m|h)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3_600.0}


class ProcessState(NamedTuple):
    """What /metrics said of the process, and when, by the clock of this machine since its boot."""

    started_unix_s: int
    uptime_s: float
    hold_s: float
    at_s: float


class WriteReceipt(NamedTuple):
    """The receipt of a write: who took it, and until when it may be forgotten."""

    watch: VictoriaMonitor
    started_unix_s: int
    until_s: float

    def durability(self) -> Durability:
        """Say whether it is on the disk by now. Raises StoreUnavailable."""
        return self.watch.has_saved(self)


class VictoriaMonitor:
    """Watches whether the process behind `http` is the same. Any thread may call."""

    def __init__(self, url: str, http: Http) -> None:
        self._url = url
        self._http = http
        self._lock = threading.Lock()
        self._is_victoria: bool | None = None
        self._seen: ProcessState | None = None

    def before(self) -> ProcessState | None:
        """Return who is about to take points; None where that is no VictoriaMetrics.

        Raises StoreUnavailable."""
        with self._lock:
            if self._is_victoria is None:
                status, _, said = self._http.get("/-/healthy")
                if status >= 500:  # of a proxy before it
                    raise StoreUnavailable(f"{self._url}: HTTP {status}")
                self._is_victoria = b"VictoriaMetrics" in said
            if not self._is_victoria:
                return None
            if self._seen is None or time.monotonic() - self._seen.at_s > LOOK_EVERY_S:
                self._look()
            assert self._seen is not None
            if self._seen.uptime_s < FRESH_S:
                self._seen = None
                raise StoreUnavailable(f"{self._url}: VictoriaMetrics has just started")
            return self._seen

    def receipt(self, before: ProcessState) -> WriteReceipt:
        """Return the receipt of what was taken since `before`, until now."""
        return WriteReceipt(self, before.started_unix_s, time.monotonic() + before.hold_s)

    def has_saved(self, taken: WriteReceipt) -> Durability:
        """Say whether what was taken is on the disk. Raises StoreUnavailable."""
        with self._lock:
            if time.monotonic() >= taken.until_s and (
                    self._seen is None or self._seen.at_s < taken.until_s):
                self._look()
            if self._seen is None:
                return Durability.NOT_YET
            if self._seen.started_unix_s != taken.started_unix_s:
                return Durability.NO
            return Durability.YES if self._seen.at_s >= taken.until_s else Durability.NOT_YET

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def _look(self) -> None:
        at_s = time.monotonic()
        status, _, said = self._http.get("/metrics")
        started, uptime, interval = (
            pattern.search(said) for pattern in (_STARTED, _UPTIME, _INTERVAL))
        if status != 200 or started is None or uptime is None or interval is None:
            self._seen = None
            raise StoreUnavailable(
                f"{self._url}: VictoriaMetrics does not say at /metrics (HTTP {status}) when it"
                " started and how often it saves: without that points could be lost")
        interval_s = max(LEAST_INTERVAL_S, _seconds_of(interval[1].decode()))
        self._seen = ProcessState(
            int(started[1]), float(uptime[1]), INTERVALS * interval_s + SLACK_S, at_s)


def _seconds_of(duration: str) -> float:
    """Return the seconds of a duration as Go writes it, such as 1m30s."""
    return sum(float(count) * _SECONDS[unit] for count, unit in _DURATION.findall(duration))
