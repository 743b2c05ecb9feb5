"""Alarm statistics after ISA-18.2: rates, floods, stale and chattering alarms. Pure.

Counts annunciated alarms: those that became unacknowledged. Suppressed and shelved alarms, and
those out of service, do not count.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from idroserra.alarms.active import ActiveAlarm
from idroserra.alarms.rules import PRIORITIES

PERIOD_MS = 600_000
HOUR_MS = 3_600_000
STALE_MS = 86_400_000
# ISA-18.2 for one operator: about one alarm in ten minutes is acceptable, more than ten in ten
# minutes are a flood, and floods should take less than 1 % of the time.
ACCEPTABLE_PER_10_MIN = 1.0
FLOOD_COUNT = 10
ACCEPTABLE_FLOOD_PCT = 1.0
CHATTER_COUNT, CHATTER_MS = 3, HOUR_MS
SHOWN = 5


class Raised(NamedTuple):
    """One annunciation of an alarm."""

    unix_ms: int
    key: str
    site: str
    priority: str


def kpis(
    raised: Iterable[Raised], alarms: Iterable[ActiveAlarm], sites: Iterable[str],
    from_unix_ms: int, to_unix_ms: int,
) -> list[dict[str, Any]]:
    """Return the statistics of each site over [from, to), sorted by name."""
    by_site: dict[str, list[Raised]] = {}
    for one in raised:
        by_site.setdefault(one.site, []).append(one)
    active = [one for one in alarms if one.alarm.is_active]
    names = sorted({*sites, *by_site, *(one.site for one in active)})
    return [_site(name, by_site.get(name, []), [one for one in active if one.site == name],
                  from_unix_ms, to_unix_ms) for name in names]


def _site(
    site: str, raised: Sequence[Raised], active: Sequence[ActiveAlarm], from_unix_ms: int,
    to_unix_ms: int,
) -> dict[str, Any]:
    span_ms = max(PERIOD_MS, to_unix_ms - from_unix_ms)
    periods = Counter((one.unix_ms - from_unix_ms) // PERIOD_MS for one in raised)
    hours = Counter((one.unix_ms - from_unix_ms) // HOUR_MS for one in raised)
    flood_count = sum(count > FLOOD_COUNT for count in periods.values())
    flood_pct = 100 * flood_count * PERIOD_MS / span_ms
    per_10_min = len(raised) * PERIOD_MS / span_ms
    annunciated = [one for one in active if one.is_annunciated]
    stale = [one for one in annunciated
             if to_unix_ms - (one.alarm.raised_unix_ms or to_unix_ms) >= STALE_MS]
    chattering = _chattering(raised)
    is_good = (per_10_min <= ACCEPTABLE_PER_10_MIN and flood_pct < ACCEPTABLE_FLOOD_PCT
               and not stale and not chattering)
    return {
        "site": site, "is_good": is_good,
        "told_count": len(raised), "per_hour": round(len(raised) * HOUR_MS / span_ms, 2),
        "per_10_min": round(per_10_min, 3), "most_per_10_min": max(periods.values(), default=0),
        "most_per_hour": max(hours.values(), default=0), "flood_pct": round(flood_pct, 2),
        "by_priority": {name: sum(one.priority == name for one in raised) for name in PRIORITIES},
        "standing_count": len(annunciated),
        "folded_count": sum(one.state == "suppressed" for one in active),
        "aside_count": sum(one.state in ("shelved", "out_of_service") for one in active),
        "stale": [one.key for one in stale], "chattering": chattering,
        "most_frequent": [{"key": key, "count": count} for key, count in
                          Counter(one.key for one in raised).most_common(SHOWN)],
    }


def _chattering(raised: Sequence[Raised]) -> list[str]:
    """Return the keys of the alarms raised three times or more within an hour."""
    times: dict[str, list[int]] = {}
    for one in raised:
        times.setdefault(one.key, []).append(one.unix_ms)
    return sorted(
        key for key, at in times.items()
        if any(later - sooner < CHATTER_MS for sooner, later in
               zip(sorted(at), sorted(at)[CHATTER_COUNT - 1:], strict=False)))
