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
# ISA-18.2 and EEMUA 191 for one operator: about one alarm in ten minutes is acceptable, never more
# than ten in any ten minutes. More are a flood, which ends when fewer than five came in ten
# minutes; floods should take less than 1 % of the time.
ACCEPTABLE_PER_10_MIN = 1.0
FLOOD_COUNT, CALM_COUNT = 10, 5
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
    times = sorted(one.unix_ms for one in raised)
    floods = _floods(times, to_unix_ms)
    flood_pct = 100 * sum(end - begin for begin, end in floods) / span_ms
    most_per_10_min = _most_within(times, PERIOD_MS)
    per_10_min = len(raised) * PERIOD_MS / span_ms
    annunciated = [one for one in active if one.is_annunciated]
    stale = [one for one in annunciated
             if to_unix_ms - (one.alarm.raised_unix_ms or to_unix_ms) >= STALE_MS]
    chattering = _chattering(raised)
    is_good = (per_10_min <= ACCEPTABLE_PER_10_MIN and most_per_10_min <= FLOOD_COUNT
               and flood_pct < ACCEPTABLE_FLOOD_PCT and not stale and not chattering)
    return {
        "site": site, "is_good": is_good,
        "told_count": len(raised), "per_hour": round(len(raised) * HOUR_MS / span_ms, 2),
        "per_10_min": round(per_10_min, 3), "most_per_10_min": most_per_10_min,
        "most_per_hour": _most_within(times, HOUR_MS), "flood_count": len(floods),
        "flood_pct": round(flood_pct, 2),
        "by_priority": {name: sum(one.priority == name for one in raised) for name in PRIORITIES},
        "standing_count": len(annunciated),
        "folded_count": sum(one.state == "suppressed" for one in active),
        "aside_count": sum(one.state in ("shelved", "out_of_service") for one in active),
        "stale": [one.key for one in stale], "chattering": chattering,
        "most_frequent": [{"key": key, "count": count} for key, count in
                          Counter(one.key for one in raised).most_common(SHOWN)],
    }


def _most_within(times: Sequence[int], window_ms: int) -> int:
    """Return the most of the sorted times that lie within any window."""
    most, first = 0, 0
    for last, at in enumerate(times):
        while at - times[first] >= window_ms:
            first += 1
        most = max(most, last - first + 1)
    return most


def _floods(times: Sequence[int], to_unix_ms: int) -> list[tuple[int, int]]:
    """Return [begin, end) of each flood, from the sorted times."""
    floods: list[tuple[int, int]] = []
    begin: int | None = None
    for last, at in enumerate(times):
        if begin is not None and at >= times[last - CALM_COUNT] + PERIOD_MS:
            floods.append((begin, times[last - CALM_COUNT] + PERIOD_MS))
            begin = None
        first = last - FLOOD_COUNT
        if begin is None and first >= 0 and at - times[first] < PERIOD_MS:
            begin = max(times[first], floods[-1][1] if floods else 0)
    if begin is not None:
        floods.append((begin, min(times[-CALM_COUNT] + PERIOD_MS, to_unix_ms)))
    return floods


def _chattering(raised: Sequence[Raised]) -> list[str]:
    """Return the keys of the alarms raised three times or more within an hour."""
    times: dict[str, list[int]] = {}
    for one in raised:
        times.setdefault(one.key, []).append(one.unix_ms)
    return sorted(
        key for key, at in times.items()
        if any(later - sooner < CHATTER_MS for sooner, later in
               zip(sorted(at), sorted(at)[CHATTER_COUNT - 1:], strict=False)))
