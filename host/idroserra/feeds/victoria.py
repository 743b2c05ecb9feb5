"""Determines when points in VictoriaMetrics are durable.

VictoriaMetrics accepts points before they are on disk and loses the last seconds when it is
killed. Its manual: `-inmemoryDataFlushInterval`, "the saved data survives unclean shutdowns", 5 s
by default; `/internal/force_flush` makes points visible, not durable. So points count as durable
once the same process has run long enough after the write. /metrics has its start time and flush
interval.
"""

from __future__ import annotations

import re
import threading
import time
from enum import Enum
from typing import NamedTuple

from idroserra.core.errors import StoreUnavailable
from idroserra.history.influx.http import Http

FRESH_S = 2.0  # two processes that start in the same second are indistinguishable
POLL_EVERY_S = 1.0
# Points wait up to 2 s before they form a part in memory; a part is due after an interval of at
# least 2 s; due parts are flushed once per interval, with jitter. The slack is for a busy machine.
MIN_INTERVAL_S, INTERVALS, SLACK_S = 2.0, 3.0, 10.0

_STARTED = re.compile(rb"^vm_app_start_timestamp (\d+)", re.MULTILINE)
_UPTIME = re.compile(rb"^vm_app_uptime_seconds (\d+)", re.MULTILINE)
_INTERVAL = re.compile(rb'^flag\{name="inmemoryDataFlushInterval", value="([^"]+)"', re.MULTILINE)
_DURATION = re.compile(r"([\d.]+)(ms|s|m|h)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3_600.0}


class Durability(Enum):
    """Whether written points are durable. NO: the process was killed and may have lost them."""

    YES = "yes"
    NOT_YET = "not yet"
    NO = "no"


class ProcessState(NamedTuple):
    """State of the process from /metrics, read at the monotonic time at_s."""

    started_unix_s: int
    uptime_s: float
    hold_s: float
    at_s: float


class WriteReceipt(NamedTuple):
    """Receipt of a write: the process, and the monotonic time until which it may lose the data."""

    monitor: VictoriaMonitor
    started_unix_s: int
    until_s: float

    def durability(self) -> Durability:
        """Return whether the data is on disk. Raises StoreUnavailable."""
        return self.monitor.durability(self)


class VictoriaMonitor:
    """Monitors whether the server process has restarted. Thread-safe."""

    def __init__(self, url: str, http: Http) -> None:
        self._url = url
        self._http = http
        self._lock = threading.Lock()
        self._is_victoria: bool | None = None
        self._seen: ProcessState | None = None

    def before(self) -> ProcessState | None:
        """Return the state of the process before a write; None if it is not VictoriaMetrics.

        Raises StoreUnavailable."""
        with self._lock:
            if self._is_victoria is None:
                status, _, body = self._http.get("/-/healthy")
                if status >= 500:  # from a proxy
                    raise StoreUnavailable(f"{self._url}: HTTP {status}")
                self._is_victoria = b"VictoriaMetrics" in body
            if not self._is_victoria:
                return None
            if self._seen is None or time.monotonic() - self._seen.at_s > POLL_EVERY_S:
                self._poll()
            assert self._seen is not None
            if self._seen.uptime_s < FRESH_S:
                self._seen = None
                raise StoreUnavailable(f"{self._url}: VictoriaMetrics has just started")
            return self._seen

    def receipt(self, before: ProcessState) -> WriteReceipt:
        """Return the receipt of a write between `before` and now."""
        return WriteReceipt(self, before.started_unix_s, time.monotonic() + before.hold_s)

    def durability(self, receipt: WriteReceipt) -> Durability:
        """Return whether the data of a receipt is on disk. Raises StoreUnavailable."""
        with self._lock:
            if time.monotonic() >= receipt.until_s and (
                    self._seen is None or self._seen.at_s < receipt.until_s):
                self._poll()
            if self._seen is None:
                return Durability.NOT_YET
            if self._seen.started_unix_s != receipt.started_unix_s:
                return Durability.NO
            return Durability.YES if self._seen.at_s >= receipt.until_s else Durability.NOT_YET

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def _poll(self) -> None:
        at_s = time.monotonic()
        status, _, body = self._http.get("/metrics")
        started, uptime, interval = (
            pattern.search(body) for pattern in (_STARTED, _UPTIME, _INTERVAL))
        if status != 200 or started is None or uptime is None or interval is None:
            self._seen = None
            raise StoreUnavailable(
                f"{self._url}: /metrics of VictoriaMetrics (HTTP {status}) lacks start time or"
                " flush interval: without them points could be lost")
        interval_s = max(MIN_INTERVAL_S, _seconds_of(interval[1].decode()))
        self._seen = ProcessState(
            int(started[1]), float(uptime[1]), INTERVALS * interval_s + SLACK_S, at_s)


def _seconds_of(duration: str) -> float:
    """Return the seconds of a Go duration such as 1m30s."""
    return sum(float(count) * _SECONDS[unit] for count, unit in _DURATION.findall(duration))
