"""Time ranges and time zones in requests."""

from __future__ import annotations

from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from msgspec import Meta

from idroserra.web.routing import BadRequest

DAY_MS = 86_400_000
MOST_SPAN_DAYS = 400
LATEST_UNIX_MS = 4_102_444_800_000  # the year 2100

FromMs = Annotated[int, Meta(ge=0, le=LATEST_UNIX_MS, description="Start, UTC, in ms.")]
ToMs = Annotated[int, Meta(ge=0, le=LATEST_UNIX_MS, description="End (not included), in ms.")]
LocalTime = Annotated[str, Meta(
    max_length=60, description="Adds local time to CSV, for example Europe/Rome.")] | None


def check_span(from_unix_ms: int, to_unix_ms: int, most_days: int = MOST_SPAN_DAYS) -> None:
    """Raise BadRequest unless the range is positive and at most `most_days` long."""
    if not 0 < to_unix_ms - from_unix_ms <= most_days * DAY_MS:
        raise BadRequest(f"to_unix_ms: must be after from_unix_ms, by at most {most_days} days")


def zone_of(name: str | None) -> ZoneInfo | None:
    """Return a time zone by name, None for None. Raises BadRequest."""
    if name is None:
        return None
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise BadRequest(
            f"time_zone: {name[:60]!r} is not a time zone such as Europe/Rome") from None
