"""Summarizes a night or a day of a node in a few sentences, worst first.

Covers readings against their bands, gaps, doses, water, light, alarms and events.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from operator import itemgetter
from typing import Any, NamedTuple

from idroserra.core.computed import light_level
from idroserra.core.reasons import Reason, reason_from_json
from idroserra.core.text import Text
from idroserra.history.models import EventPoint
from idroserra.history.paging import TooManyEvents, bounded_events
from idroserra.i18n.channels import (
    display_of,
    duration_text,
    format_value,
    plain_name,
    volume_text,
)
from idroserra.i18n.events import event_text, level_of
from idroserra.i18n.marker import N_
from idroserra.i18n.reasons import reason_text
from idroserra.i18n.translate import format_number, ngettext
from idroserra.i18n.translate import gettext as _
from idroserra.inventory.balance import balance_of
from idroserra.node_state.causes import LEVELS
from idroserra.nodes.node import Node
from idroserra.reports.alarm_summary import alarms_of
from idroserra.reports.builder import (
    BANDED,
    DAY_MS,
    LAMP_ON,
    NO_STRENGTHS,
    BadRange,
    Range,
    read_channels,
    unknown_setpoints,
    value_text,
)
from idroserra.reports.sources import ReportSources
from idroserra.reports.statistics import Readings, read_channel
from idroserra.setpoints.series import SettingsSeries

MAX_DAYS = 8
MAX_GAPS, MAX_EVENTS = 3, 6
MOST_DIFFERENT = 10_000  # texts of events, and reasons of refusals, in memory
IN_BAND_PCT, PARTLY_IN_BAND_PCT = 95, 80
READ = ("reservoir.ph", "reservoir.ec_us_cm", "reservoir.temp_c", "air.temp_c")
_EVENT_KINDS = (
    "stopped", "resumed", "latched", "restarted", "memory_refused", "flash_failed", "water",
    "correction", "irrigation_no_flow", "irrigation_stuck_on", "air_too_hot", "boot",
    "fault_began")


class Sentence(NamedTuple):
    """One sentence. level: ok, note, warn or bad."""

    level: str
    text: str


class Summary(NamedTuple):
    """One summary sentence, then the details, worst first."""

    level: str
    summary: str
    sentences: list[Sentence]


class _Events(NamedTuple):
    """What happened: times and first {text: (unix_ms, kind)} of each text; refusals of each kind
    of reason, and its newest reason. Refusals without a reason are those of None."""

    times: Counter[str]
    first: dict[str, tuple[int, str]]
    refused: Counter[tuple[Any, ...] | None]
    newest: dict[tuple[Any, ...] | None, Reason]


def summarize(sources: ReportSources, node: Node, span: Range) -> Summary:
    """Return the summary of a node. Raises BadRange, TooManyEvents, StoreUnavailable,
    StoreRejected."""
    if span.to_unix_ms - span.from_unix_ms > MAX_DAYS * DAY_MS:
        raise BadRange(f"to_unix_ms: at most {MAX_DAYS} days after from_unix_ms")
    store = sources.store
    known = set(store.latest(node.node))
    settings = sources.settings.of(node)
    read = read_channels(sources, node, settings, [one for one in READ if one in known], span)
    events = _read_events(node.node, bounded_events(
        store, node.node, span.from_unix_ms, span.to_unix_ms, (*_EVENT_KINDS, "refused")))
    alarms = list(_alarms(sources, node, span))
    if not any(one.read_ms for one in read) and not (
            events.times or events.refused or any(one.level != "ok" for one in alarms)):
        return Summary("warn", _("No data for this period."), [])
    sentences = [
        *alarms, *_events(events, span), *map(_reading, read),
        *_unknown(settings, read, span), *_gaps(read, span),
        *_doses(sources, node, settings, span), *_refused(events),
        *_light(sources, node, known, span)]
    sentences.sort(key=lambda one: -LEVELS.index(one.level))
    grave = sum(one.level in ("warn", "bad") for one in sentences)
    if not grave:
        return Summary("ok", _("No problems found."), sentences)
    return Summary(sentences[0].level, ngettext(
        "One item needs attention.", "{count} items need attention.", grave).format(count=grave),
        sentences)


def _reading(read: Readings) -> Sentence:
    what, whole = display_of(read.channel).label, read.whole
    if whole is None:
        return Sentence("warn", _("{what}: no readings.").format(what=what))
    values, share = _values(read.channel, whole.low, whole.high), read.in_band_pct
    if share is None:
        return Sentence("ok", _("{what}: {values}.").format(what=what, values=values))
    if share >= 99.95:
        return Sentence("ok", _("{what} was in its band all the time: {values}.").format(
            what=what, values=values))
    level = "ok" if share >= IN_BAND_PCT else "note" if share >= PARTLY_IN_BAND_PCT else "warn"
    return Sentence(level, _("{what} was in its band {share} % of the time: {values}.").format(
        what=what, share=format_number(share, 0), values=values))


def _values(channel: str, low: float, high: float) -> str:
    if value_text(channel, low) == value_text(channel, high):
        return format_value(channel, high)
    return _("{low} to {high}").format(
        low=value_text(channel, low), high=format_value(channel, high))


def _gaps(read: Sequence[Readings], span: Range) -> Iterator[Sentence]:
    """Yield each gap once, even if several channels share it."""
    found = sorted({gap for one in read if one.channel in BANDED for gap in one.gaps})
    for start, end in found[:MAX_GAPS]:
        yield Sentence("warn", _("No readings for {time}, from {begin} to {end}.").format(
            time=duration_text(end - start), begin=_when(span, start), end=_when(span, end)))
    if len(found) > MAX_GAPS:
        yield Sentence("warn", _("And {count} more.").format(count=len(found) - MAX_GAPS))


def _when(span: Range, unix_ms: int) -> str:
    """Return a time, with its date if the range is longer than a day."""
    is_short = span.to_unix_ms - span.from_unix_ms <= DAY_MS
    return f"{span.at(unix_ms):%H:%M}" if is_short else span.when(unix_ms)


def _unknown(
    settings: SettingsSeries, read: Sequence[Readings], span: Range
) -> Iterator[Sentence]:
    unknown = unknown_setpoints(settings, read, span)
    if unknown is not None:
        yield Sentence("note", _("Setpoints before {time} are not known: the earliest known ones "
                                 "are used.").format(time=span.when(unknown)))


def _doses(
    sources: ReportSources, node: Node, settings: SettingsSeries, span: Range
) -> Iterator[Sentence]:
    total = balance_of(sources.store, node, settings, span.from_unix_ms, span.to_unix_ms,
                       span.zone, NO_STRENGTHS).total
    given = [f"{plain_name(doser)} {volume_text(ul)}" for doser, ul in total.dosed_ul.items()
             if ul]
    if given:
        yield Sentence("ok", _("Dosed: {what}.").format(what=", ".join(given)))
    elif total.dosed_ul:
        yield Sentence("ok", _("Nothing was dosed."))
    if total.water is not None and total.water.topped_up_ml >= 50:
        yield Sentence("ok", _("The valve topped up {volume}.").format(
            volume=format_value("reservoir.volume_ml", total.water.topped_up_ml)))


def _read_events(node: str, events: Iterable[EventPoint]) -> _Events:
    """Count events while they are read. Raises TooManyEvents, StoreError."""
    found = _Events(Counter(), {}, Counter(), {})
    for event in events:
        if event.kind == "refused":
            reason = reason_from_json(event.detail.get("reason"))
            key = None if reason is None else _likeness(reason)
            found.refused[key] += 1
            if reason is not None:
                found.newest[key] = reason
        else:
            text = event_text(event.kind, event.detail)
            found.first.setdefault(text, (event.unix_us // 1_000, event.kind))
            found.times[text] += 1
        if max(len(found.first), len(found.newest)) > MOST_DIFFERENT:
            raise TooManyEvents(Text(
                N_("{node}: more than {most} different events in this period: choose a shorter"
                   " one"), node=node, most=MOST_DIFFERENT))
    return found


def _likeness(reason: Reason) -> tuple[Any, ...]:
    """Return what is equal for reasons that say the same, whatever the numbers in them."""
    return (reason.code, *(
        (name, _likeness(value) if isinstance(value, Reason) else value)
        for name, value in sorted(reason.values.items(), key=itemgetter(0))
        if isinstance(value, (str, Reason))))


def _refused(events: _Events) -> Iterator[Sentence]:
    """Yield one sentence for all refused doses, with the most frequent reason, whatever numbers
    are in it."""
    count = sum(events.refused[key] for key in events.newest)
    if count:
        most = max(events.newest, key=events.refused.__getitem__)
        yield Sentence("note", ngettext(
            "A dose was refused once: {reason}.",
            "Doses were refused {count} times, most of them: {reason}.", count,
        ).format(count=count, reason=reason_text(events.newest[most])))


def _light(sources: ReportSources, node: Node, known: set[str], span: Range) -> Iterator[Sentence]:
    channel = light_level(known)
    if channel is None:
        return
    read = read_channel(sources.store, node.node, channel, span.days, LAMP_ON)
    if read.whole is None:
        return
    yield Sentence("ok", _("The lamp was on for {time}.").format(
        time=duration_text(read.in_band_ms)) if read.in_band_ms else _("The lamp was off."))


def _alarms(sources: ReportSources, node: Node, span: Range) -> Iterator[Sentence]:
    found = alarms_of(sources.alarms, node.node, span.from_unix_ms, span.to_unix_ms)
    for one in found:
        text = _("Alarm still active: {title}.") if one.is_active else ngettext(
            "Alarm, cleared after {time}: {title}.",
            "Alarm, {count} times, cleared, longest {time}: {title}.", one.count)
        yield Sentence("bad" if one.is_active else "warn", text.format(
            title=one.title, count=one.count, time=duration_text(one.longest_ms)))
    if not found:
        yield Sentence("ok", _("No alarms."))


def _events(events: _Events, span: Range) -> Iterator[Sentence]:
    """Yield each distinct event text once, with its first time and its count: the worst ones."""
    found = [(_level(kind), unix_ms, text) for text, (unix_ms, kind) in events.first.items()]
    worst = sorted(found, key=lambda one: LEVELS.index(one[0]))[-MAX_EVENTS:]
    for level, unix_ms, text in sorted(worst, key=itemgetter(1)):
        times = events.times[text]
        often = "" if times == 1 else _(" ({count} times)").format(count=times)
        yield Sentence(level, f"{_when(span, unix_ms)} {text}{often}")
    if len(found) > MAX_EVENTS:
        yield Sentence("note", _("Events not shown: {count}.").format(
            count=len(found) - MAX_EVENTS))


def _level(kind: str) -> str:
    level = level_of(kind)
    return level if level in LEVELS else "note"
