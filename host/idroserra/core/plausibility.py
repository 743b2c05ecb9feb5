"""Limits of what a node can mean: a message within the protocol may still be impossible.

A message beyond them is refused on arrival: it is kept and counted as one that cannot be read.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from idro.errors import ProtocolError
from idro.protocol.messages import Batch, ConfigReport, EventRecord, Info
from idroserra.core.reasons import Reason, is_of_its_type

# A wall time outside these limits comes from a clock that was never set.
LOWEST_UNIX_MS = 1_577_836_800_000  # 2020-01-01
HIGHEST_UNIX_MS = 4_102_444_800_000  # 2100-01-01
# How far a node may be ahead of the host, whose own clock may be late after a start without
# network.
AHEAD_MS = 31 * 86_400_000
HIGHEST_AT_MS = 10 * 366 * 86_400_000
HIGHEST_SEQ = 2**32
HIGHEST_REV = 2**40
# Of a number in an event or a reason: a wall time, a duration, a volume in ul.
HIGHEST_NUMBER = HIGHEST_UNIX_MS


def is_wall_time(unix_ms: int | None, now_unix_ms: int) -> bool:
    """True when `unix_ms` is a plausible time of the past at the host's time `now_unix_ms`."""
    return unix_ms is not None and LOWEST_UNIX_MS <= unix_ms <= latest_unix_ms(now_unix_ms)


def latest_unix_ms(now_unix_ms: int) -> int:
    """Return the latest plausible time of a record; a host without a set clock believes any."""
    return now_unix_ms + AHEAD_MS if now_unix_ms >= LOWEST_UNIX_MS else HIGHEST_UNIX_MS


def check_batch(batch: Batch) -> None:
    """Check records and their header. Raises ProtocolError."""
    _check("sent_at_ms", batch.sent_at_ms or 0, HIGHEST_AT_MS)
    _check("oldest_seq", batch.oldest_seq, HIGHEST_SEQ)
    for record in batch.records:
        _check("seq", record.seq, HIGHEST_SEQ)
        _check("at_ms", record.at_ms, HIGHEST_AT_MS)
        if isinstance(record, EventRecord):
            _check_values("detail", record.detail)


def check_info(info: Info) -> None:
    """Check the times of an info. Raises ProtocolError."""
    _check("at_ms", info.at_ms, HIGHEST_AT_MS)
    _check("boot_unix_ms", info.boot_unix_ms or 0, HIGHEST_UNIX_MS)
    _check("earn_left_ms", info.earn_left_ms, HIGHEST_AT_MS)
    for _boot_id, last_at_ms in info.boots:
        _check("last_at_ms", last_at_ms, HIGHEST_AT_MS)


def check_report(report: ConfigReport) -> None:
    """Check revision and error of a settings report. Raises ProtocolError."""
    _check("rev", report.rev, HIGHEST_REV)
    if report.error is not None:
        check_reason("error", report.error)


def check_reason(key: str, reason: Reason) -> None:
    """Check the values of a reason. Raises ProtocolError."""
    _check_values(key, reason.as_json())


def _check(key: str, number: int, highest: int) -> None:
    if not -highest <= number <= highest:
        raise ProtocolError(f"{key}: {number} is not plausible, at most {highest}")


def _check_values(key: str, values: Mapping[str, Any]) -> None:
    for name, value in values.items():
        if value is not None and not is_of_its_type(name, value):
            raise ProtocolError(f"{key}: {name}: {type(value).__name__} is not plausible")
        if isinstance(value, Mapping):
            _check_values(name, value)
        elif isinstance(value, int):
            _check(f"{key}: {name}", value, HIGHEST_NUMBER)
