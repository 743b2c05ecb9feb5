"""Builds the report of a node from measured and counted values only; gaps are stated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo

from idroserra.core.computed import light_level
from idroserra.core.errors import InvalidInput
from idroserra.history.paging import bounded_events
from idroserra.i18n.channels import (
    display_of,
    duration_text,
    format_value,
    plain_name,
    volume_text,
)
from idroserra.i18n.reasons import as_sentence
from idroserra.i18n.translate import TAGS, current_locale, format_number, ngettext
from idroserra.i18n.translate import gettext as _
from idroserra.inventory.balance import ACID, BASE, Balance, Strengths, balance_of, days_of
from idroserra.journal.models import KINDS, Note, NoteFilter, yields_of
from idroserra.nodes.node import Node
from idroserra.reports.alarm_summary import alarms_of
from idroserra.reports.model import Document, Picture, Section, Table
from idroserra.reports.sources import ReportSources
from idroserra.reports.statistics import MAX_HOLD_MS, BandReadings, Readings, Span, read_channel
from idroserra.reports.svg_chart import ChartDays, days_chart
from idroserra.setpoints.bands import BandStep, band_steps
from idroserra.setpoints.series import SettingsSeries

DAY_MS = 86_400_000
MAX_DAYS = 120
MAX_GAPS = 20
MAX_BANDS = 24  # rows of one channel
BANDED = ("reservoir.ph", "reservoir.ec_us_cm")
CHARTED = ("reservoir.ph", "reservoir.ec_us_cm", "reservoir.temp_c", "air.temp_c", "air.rh_pct")
LAMP_ON = (BandStep(0, (0.5, 100.0)),)
# Doses are reported in ml, so the strength of the stocks does not matter.
NO_STRENGTHS: Strengths = {ACID: [(0, 0.0)], BASE: [(0, 0.0)]}


class BadRange(InvalidInput):
    """A time range that is invalid for a report. The message names the field."""

    exit_code = 2


@dataclass(frozen=True)
class Range:
    """The time range [from, to), and the time zone of its days."""

    from_unix_ms: int
    to_unix_ms: int
    zone: tzinfo

    def __post_init__(self) -> None:
        """Raises BadRange."""
        if not 0 < self.to_unix_ms - self.from_unix_ms <= MAX_DAYS * DAY_MS:
            raise BadRange(f"to_unix_ms: must be after from_unix_ms, by at most {MAX_DAYS} days")

    @property
    def days(self) -> list[Span]:
        """The range, split at midnight."""
        return days_of(self.from_unix_ms, self.to_unix_ms, self.zone)

    def when(self, unix_ms: int) -> str:
        """Return date and time in the user's language."""
        return f"{self.day(unix_ms)}, {self.at(unix_ms):%H:%M}"

    def day(self, unix_ms: int, skeleton: str = "MMMEd") -> str:
        """Return a date in the user's language."""
        from babel.dates import format_skeleton  # loaded for reports only

        return str(format_skeleton(skeleton, self.at(unix_ms), locale=_locale()))

    def at(self, unix_ms: int) -> datetime:
        """Return a time in the zone of the range."""
        return datetime.fromtimestamp(unix_ms / 1_000, self.zone)


def _locale() -> str:
    """Return the locale of dates, as on the page (static/js/i18n.js): 20 Nov in English."""
    language = current_locale().language
    return "en_GB" if language == "en" else TAGS[language].replace("-", "_")


def build_report(sources: ReportSources, node: Node, span: Range) -> Document:
    """Return the report of a node. Raises TooManyEvents, StoreUnavailable, StoreRejected."""
    known = set(sources.store.latest(node.node))
    settings = sources.settings.of(node)
    read = read_channels(sources, node, settings, [one for one in CHARTED if one in known], span)
    balance = balance_of(sources.store, node, settings, span.from_unix_ms, span.to_unix_ms,
                         span.zone, NO_STRENGTHS)
    notes = sources.journal.newest(
        about=NoteFilter((node.node,), node.site), from_unix_ms=span.from_unix_ms,
        to_unix_ms=span.to_unix_ms)[::-1]
    sections = [
        _bands(sources, node, settings, read, span),
        *(_channel(one, settings, span) for one in read),
        _gaps(read, span), _doses(balance, span), _water(balance),
        _light(sources, node, known, span), _alarms(sources, node, span),
        _calibrations(sources, node, span), _harvests(notes, balance), _notes(notes, span)]
    title = _("Report of {node}").format(node=node.node)
    subtitle = _("{begin} to {end}, {zone}").format(
        begin=span.when(span.from_unix_ms), end=span.when(span.to_unix_ms),
        zone=str(span.zone))
    return Document(title, subtitle, sections)


def read_channels(
    sources: ReportSources, node: Node, settings: SettingsSeries, channels: Sequence[str],
    span: Range,
) -> list[Readings]:
    """Return the statistics of channels, by the setpoints of their time. Raises StoreUnavailable,
    StoreRejected."""
    return [read_channel(
        sources.store, node.node, one, span.days, band_steps(
            settings, one, span.from_unix_ms, span.to_unix_ms) if one in BANDED else ())
        for one in channels]


def unknown_setpoints(
    settings: SettingsSeries, read: Sequence[Readings], span: Range
) -> int | None:
    """Return until when setpoints are not known, although there are readings; or None."""
    known = settings.known_from_unix_ms
    first = min((one.first_unix_ms for one in read if one.first_unix_ms is not None), default=None)
    is_unknown = known is not None and first is not None and known - first > MAX_HOLD_MS
    return known if is_unknown else None


def _bands(
    sources: ReportSources, node: Node, settings: SettingsSeries, read: Sequence[Readings],
    span: Range,
) -> Section:
    rows = [row for one in read for row in _band_rows(one, span)]
    title = _("Time in band")
    if not rows:
        return Section(title, [_("No pH or EC readings in this period.")])
    changed = sum(1 for _event in bounded_events(
        sources.store, node.node, span.from_unix_ms, span.to_unix_ms, ("configured",)))
    lines = [_("Based on the setpoints of the time; time without readings is not counted.")]
    unknown = unknown_setpoints(settings, read, span)
    if unknown is not None:
        lines.append(_("Setpoints before {time} are not known: the earliest known ones are "
                       "used.").format(time=span.when(unknown)))
    if changed:
        lines.append(ngettext(
            "Settings were changed once in this period.",
            "Settings were changed {count} times in this period.", changed,
        ).format(count=changed))
    head = ["", _("Band"), _("In band"), _("Time with readings")]
    return Section(title, lines, Table(head, rows))


def _band_rows(read: Readings, span: Range) -> list[list[str]]:
    """Return the row of a channel, and one for each band if there was more than one."""
    share, label = read.in_band_pct, display_of(read.channel).label
    if share is None:
        return []
    bands = [one for one in read.bands if one.read_ms]
    head = _band_cells(read.channel, bands[0]) if len(bands) == 1 else [
        _("{count} bands").format(count=len(bands)), _percent(share), duration_text(read.read_ms)]
    rows = [[label, *head]]
    if 1 < len(bands) <= MAX_BANDS:
        rows += [[_("From {time}").format(time=span.when(one.from_unix_ms)),
                  *_band_cells(read.channel, one)] for one in bands]
    return rows


def _band_cells(channel: str, one: BandReadings) -> list[str]:
    share = one.in_band_pct
    return ["\u2014" if one.band is None else _range(channel, one.band),
            "\u2014" if share is None else _percent(share), duration_text(one.read_ms)]


def _percent(share: float) -> str:
    return f"{format_number(share, 1)} %"


def _range(channel: str, band: tuple[float, float]) -> str:
    return f"{value_text(channel, band[0])}\u2013{format_value(channel, band[1])}"


def value_text(channel: str, value: float) -> str:
    """Return a stored value in the user's unit and format, without the unit."""
    display = display_of(channel)
    return format_number(value * display.factor + display.offset, display.decimals)


def _channel(read: Readings, settings: SettingsSeries, span: Range) -> Section:
    display, whole = display_of(read.channel), read.whole
    title = f"{display.label}, {display.unit}" if display.unit else display.label
    if whole is None:
        return Section(title, [_("No readings in this period.")])
    by_day = {day.from_unix_ms: day for day in read.days}
    days = [by_day.get(start) for start, _end in span.days]
    labels = [span.day(start, "MMMd") for start, _end in span.days]
    chart = days_chart(
        title, ChartDays(span.days, days, labels), read.bands,
        lambda value: value_text(read.channel, value), settings.known_from_unix_ms)
    rows = []
    for (start, end), day in zip(span.days, days, strict=True):
        name = span.day(start)
        if day is None:
            rows.append([name, "\u2014", "\u2014", "\u2014", _("no readings")])
            continue
        missing_ms = end - start - day.read_ms
        rows.append([name, *(value_text(read.channel, value) for value in (
            day.low, day.mean, day.high)),
            duration_text(missing_ms) if missing_ms >= 60_000 else ""])
    rows.append([_("All"), *(value_text(read.channel, value) for value in (
        whole.low, whole.mean, whole.high)), ""])
    head = [_("Day"), _("Min"), _("Mean"), _("Max"), _("Without readings")]
    return Section(title, [], Table(head, rows), [chart])


def _gaps(read: Sequence[Readings], span: Range) -> Section:
    lines = [
        _("{what}: no readings for {time}, from {begin} to {end}.").format(
            what=display_of(one.channel).label, time=duration_text(end - start),
            begin=span.when(start), end=span.when(end))
        for one in read for start, end in one.gaps]
    if not lines:
        lines = [_("None longer than 15 minutes.")]
    elif len(lines) > MAX_GAPS:
        left = len(lines) - MAX_GAPS
        lines = [*lines[:MAX_GAPS], _("And {count} more.").format(count=left)]
    return Section(_("Gaps in the readings"), lines)


def _doses(balance: Balance, span: Range) -> Section:
    title, total = _("Doses"), balance.total.dosed_ul
    if not total:
        return Section(title, [_("This node has no dosing pump.")])
    head = [_("Day"), *(plain_name(doser) for doser in total)]
    rows = [[span.day(day.from_unix_ms), *(volume_text(day.dosed_ul[doser]) for doser in total)]
            for day in balance.days]
    rows.append([_("All"), *(volume_text(ul) for ul in total.values())])
    return Section(title, [], Table(head, rows))


def _water(balance: Balance) -> Section:
    water, lines = balance.total.water, [as_sentence(one) for one in balance.unknown]
    if water is None:
        return Section(_("Water"), lines)
    rows = [[name, format_value("reservoir.volume_ml", ml)] for name, ml in (
        (_("Topped up by the valve"), water.topped_up_ml),
        (_("Poured in by hand, or rain"), water.poured_ml),
        (_("Left the tank"), water.left_ml))]
    return Section(_("Water"), lines, Table(["", _("Volume")], rows))


def _light(sources: ReportSources, node: Node, known: set[str], span: Range) -> Section:
    title = _("Light")
    has_sensor = any(one.endswith(".ppfd_umol_m2_s") for one in known)
    no_dli = [] if has_sensor else [
        _("No sensor measures photosynthetic light: the daily light integral (DLI) is unknown.")]
    channel = light_level(known)
    if channel is None:
        return Section(title, [_("This node reports no lamp."), *no_dli])
    read = read_channel(sources.store, node.node, channel, span.days, LAMP_ON)
    whole = read.whole
    if whole is None:
        return Section(title, [_("No readings in this period."), *no_dli])
    full_ms = round(whole.mean / 100 * whole.read_ms)
    return Section(title, [
        _("The lamp was on for {time}, equivalent to {full} at full output.").format(
            time=duration_text(read.in_band_ms), full=duration_text(full_ms)), *no_dli])


def _alarms(sources: ReportSources, node: Node, span: Range) -> Section:
    found = alarms_of(sources.alarms, node.node, span.from_unix_ms, span.to_unix_ms)
    if not found:
        return Section(_("Alarms"), [_("No alarms in this period.")])
    still = _("still active")
    rows = [[one.title, str(one.count), str(one.roots), duration_text(one.longest_ms)
             + (f", {still}" if one.is_active else "")] for one in found]
    head = [_("Alarm"), _("Times"), _("As root cause"), _("Longest")]
    return Section(_("Alarms"), [], Table(head, rows))


def _calibrations(sources: ReportSources, node: Node, span: Range) -> Section:
    done = [past for past in sources.calibrations.history.of(node.node, None, 1_000)
            if span.from_unix_ms <= past.unix_ms < span.to_unix_ms]
    if not done:
        return Section(_("Calibrations"), [_("None in this period.")])
    rows = [[span.when(past.unix_ms), plain_name(past.actuator or past.kind), past.by]
            for past in reversed(done)]
    table = Table([_("When"), _("What"), _("By")], rows, is_words=True)
    return Section(_("Calibrations"), [], table)


def _harvests(notes: Sequence[Note], balance: Balance) -> Section:
    found = [one for one in yields_of(notes) if one.node == balance.node]
    if not found:
        return Section(_("Harvest"), [_("No harvest recorded in this period.")])
    rows = [[one.crop or _("No crop named"), str(one.harvests),
             "\u2014" if one.weight_g is None else f"{_grams(one.weight_g)} g",
             "\u2014" if one.count is None else str(one.count)] for one in found]
    lines = [_("{weighed} of {harvests} harvests of {crop} were weighed.").format(
        weighed=one.weighed, harvests=one.harvests, crop=one.crop or _("No crop named"))
        for one in found if one.weighed < one.harvests]
    weight_g = sum(one.weight_g or 0 for one in found)
    water = balance.total.water
    added_l = 0 if water is None else (water.topped_up_ml + water.poured_ml) / 1_000
    if weight_g and added_l >= 1:
        lines.append(_("{grams} g per litre of water added.").format(
            grams=format_number(weight_g / added_l, 1)))
    head = [_("Crop"), _("Harvests"), _("Weight"), _("Pieces")]
    return Section(_("Harvest"), lines, Table(head, rows))


def _grams(weight_g: float) -> str:
    return format_number(weight_g, 1 if weight_g % 1 else 0)


def _notes(notes: Sequence[Note], span: Range) -> Section:
    if not notes:
        return Section(_("Journal"), [_("None in this period.")])
    rows, pictures = [], []
    for note in notes:
        about = note.node or note.site or _("The whole site")
        parts = [_(KINDS[note.kind]), note.crop or "", note.text]
        rows.append([span.when(note.unix_ms), about, ". ".join(one for one in parts if one)])
        pictures += [Picture(note.id, photo.id, f"{span.when(note.unix_ms)}, {note.by}")
                     for photo in note.photos]
    table = Table([_("When"), _("About"), _("What")], rows, is_words=True)
    return Section(_("Journal"), [], table, [], pictures)
