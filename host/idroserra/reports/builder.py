"""Writes the report of a node: every figure was measured or counted; what is missing is said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo

from idroserra.core.errors import HostError
from idroserra.i18n.channels import display_of, duration_text, plain_name, shown, volume_text
from idroserra.i18n.translate import (
    TAGS,
    current_locale,
    figure,
    gettext,
    ngettext,
    translate_message,
)
from idroserra.i18n.translate import gettext as _
from idroserra.inventory.balance import ACID, BASE, Balance, Strengths, balance_of, days_of
from idroserra.journal.models import KINDS, About, Note, yields_of
from idroserra.nodes.registry import Node
from idroserra.reports.alarm_summary import told_of
from idroserra.reports.model import Document, Picture, Section, Table
from idroserra.reports.sources import ReportSources
from idroserra.reports.statistics import Readings, Span, readings_of
from idroserra.reports.svg_chart import days_chart

DAY_MS = 86_400_000
MOST_DAYS = 120
MOST_GAPS = 20
CHANGES = 100_000
BANDS = {"reservoir.ph": ("ph.target", "ph.deadband"),
         "reservoir.ec_us_cm": ("ec.target_us_cm", "ec.deadband_us_cm")}
CHARTED = ("reservoir.ph", "reservoir.ec_us_cm", "reservoir.temp_c", "air.temp_c", "air.rh_pct")
LIGHT = "light.duty_pct"
# A report tells doses in ml: how strong a stock is, it does not ask.
NO_STRENGTHS: Strengths = {ACID: [(0, 0.0)], BASE: [(0, 0.0)]}


class BadRange(HostError):
    """A range that no report can be made of. The message names the field."""

    exit_code = 2


@dataclass(frozen=True)
class Range:
    """[from, to) in the days of a time zone."""

    from_unix_ms: int
    to_unix_ms: int
    zone: tzinfo

    def __post_init__(self) -> None:
        """Raises BadRange."""
        if not 0 < self.to_unix_ms - self.from_unix_ms <= MOST_DAYS * DAY_MS:
            raise BadRange(f"to_unix_ms: must be after from_unix_ms, by at most {MOST_DAYS} days")

    @property
    def days(self) -> list[Span]:
        """The range cut at midnights."""
        return days_of(self.from_unix_ms, self.to_unix_ms, self.zone)

    def when(self, unix_ms: int) -> str:
        """Return a time as the language writes it."""
        return f"{self.day(unix_ms)}, {self.at(unix_ms):%H:%M}"

    def day(self, unix_ms: int, skeleton: str = "MMMEd") -> str:
        """Return a day as the language writes it."""
        from babel.dates import format_skeleton  # not every host writes reports

        return str(format_skeleton(skeleton, self.at(unix_ms), locale=_locale()))

    def at(self, unix_ms: int) -> datetime:
        """Return a time in the time zone."""
        return datetime.fromtimestamp(unix_ms / 1_000, self.zone)


def _locale() -> str:
    return TAGS[current_locale().language].replace("-", "_")


def report_of(sources: ReportSources, node: Node, span: Range) -> Document:
    """Return the report of a node. Raises StoreUnavailable, StoreRejected."""
    known = set(sources.store.latest(node.node))
    channels = [one for one in CHARTED if one in known]
    read = [readings_of(sources.store, node.node, one, span.days, band_of(node, one))
            for one in channels]
    balance = balance_of(
        sources.store, node, span.from_unix_ms, span.to_unix_ms, span.zone, NO_STRENGTHS)
    notes = sources.journal.newest(
        about=About((node.node,), node.site), from_unix_ms=span.from_unix_ms,
        to_unix_ms=span.to_unix_ms)[::-1]
    sections = [
        _bands(sources, node, read, span), *(_channel(one, span) for one in read),
        _gaps(read, span), _doses(balance, span), _water(balance),
        _light(sources, node, known, span), _alarms(sources, node, span),
        _calibrations(sources, node, span), _harvests(notes, balance), _notes(notes, span)]
    title = _("Report of {node}").format(node=node.node)
    subtitle = _("{begin} to {end}, {zone}").format(
        begin=span.when(span.from_unix_ms), end=span.when(span.to_unix_ms),
        zone=str(span.zone))
    return Document(title, subtitle, sections)


def band_of(node: Node, channel: str) -> tuple[float, float] | None:
    """Return the band a channel was to be in, on its stored scale; None where it has none."""
    keys = BANDS.get(channel)
    if keys is None or node.report is None:
        return None
    target, half = (float(node.report.values[key]) for key in keys)
    return target - half, target + half


def _bands(sources: ReportSources, node: Node, read: Sequence[Readings], span: Range) -> Section:
    rows = []
    for one in read:
        if one.band is None or one.in_band_pct is None:
            continue
        rows.append([
            display_of(one.channel).label, _range(one.channel, one.band),
            f"{figure(one.in_band_pct, 1)} %", duration_text(one.read_ms)])
    title = _("Time in band")
    if not rows:
        return Section(title, [_("Neither pH nor EC has readings in this time.")])
    changed = sources.store.events(
        node.node, span.from_unix_ms, span.to_unix_ms, ("configured",))
    lines = [_("Judged by the setpoints in force now; time without readings is not counted.")]
    if changed:
        lines.append(ngettext(
            "Settings were changed once in this time.",
            "Settings were changed {count} times in this time.", len(changed),
        ).format(count=len(changed)))
    head = ["", _("Band"), _("In band"), _("Time with readings")]
    return Section(title, lines, Table(head, rows))


def _range(channel: str, band: tuple[float, float]) -> str:
    return f"{number_of(channel, band[0])}\u2013{shown(channel, band[1])}"


def number_of(channel: str, value: float) -> str:
    """Return a stored value of a channel as the person reads it, without its unit."""
    look = display_of(channel)
    return figure(value * look.factor + look.offset, look.decimals)


def _channel(read: Readings, span: Range) -> Section:
    look, whole = display_of(read.channel), read.whole
    title = f"{look.label}, {look.unit}" if look.unit else look.label
    if whole is None:
        return Section(title, [_("No readings in this time.")])
    by_day = {day.from_unix_ms: day for day in read.days}
    days = [by_day.get(start) for start, _end in span.days]
    labels = [span.day(start, "MMMd") for start, _end in span.days]
    chart = days_chart(title, days, labels, read.band,
                       lambda value: number_of(read.channel, value))
    rows = []
    for (start, end), day in zip(span.days, days, strict=True):
        name = span.day(start)
        if day is None:
            rows.append([name, "\u2014", "\u2014", "\u2014", _("no readings")])
            continue
        missing_ms = end - start - day.read_ms
        rows.append([name, *(number_of(read.channel, value) for value in (
            day.low, day.mean, day.high)),
            duration_text(missing_ms) if missing_ms >= 60_000 else ""])
    rows.append([_("All"), *(number_of(read.channel, value) for value in (
        whole.low, whole.mean, whole.high)), ""])
    head = [_("Day"), _("Least"), _("Mean"), _("Most"), _("Without readings")]
    return Section(title, [], Table(head, rows), [chart])


def _gaps(read: Sequence[Readings], span: Range) -> Section:
    lines = [
        _("{what}: no readings for {time}, from {begin} to {end}.").format(
            what=display_of(one.channel).label, time=duration_text(end - start),
            begin=span.when(start), end=span.when(end))
        for one in read for start, end in one.gaps]
    if not lines:
        lines = [_("None longer than 15 minutes.")]
    elif len(lines) > MOST_GAPS:
        left = len(lines) - MOST_GAPS
        lines = [*lines[:MOST_GAPS], _("And {count} more.").format(count=left)]
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
    water, lines = balance.total.water, [translate_message(one) for one in balance.unknown]
    if water is None:
        return Section(_("Water"), lines)
    rows = [[name, shown("reservoir.volume_ml", ml)] for name, ml in (
        (_("Topped up by the valve"), water.topped_up_ml),
        (_("Poured in by hand, or rain"), water.poured_ml),
        (_("Left the tank"), water.left_ml))]
    return Section(_("Water"), lines, Table(["", _("Volume")], rows))


def _light(sources: ReportSources, node: Node, known: set[str], span: Range) -> Section:
    title = _("Light")
    dark = _("No sensor of this node measures the light plants use: its daily sum (DLI) is not "
             "known.")
    if LIGHT not in known:
        return Section(title, [_("This node reports no lamp."), dark])
    read = readings_of(sources.store, node.node, LIGHT, span.days, (0.5, 100))
    whole = read.whole
    if whole is None or read.in_band_ms is None:
        return Section(title, [_("No readings in this time."), dark])
    full_ms = round(whole.mean / 100 * whole.read_ms)
    return Section(title, [
        _("The lamp was on for {time}, as much as {full} at full light.").format(
            time=duration_text(read.in_band_ms), full=duration_text(full_ms)), dark])


def _alarms(sources: ReportSources, node: Node, span: Range) -> Section:
    alarms = sources.alarms
    changes = alarms.history(span.from_unix_ms, span.to_unix_ms, CHANGES, node.node)
    titles = {change.rule: gettext(alarms.title(change.rule)) for change in changes}
    told = told_of(changes, titles, span.to_unix_ms)
    if not told:
        return Section(_("Alarms"), [_("No alarm began in this time.")])
    rows = [[one.title, str(one.count), str(one.roots), duration_text(one.longest_ms)
             + (f", {_('still standing')}" if one.is_standing else "")] for one in told]
    head = [_("Alarm"), _("Times"), _("As root cause"), _("Longest")]
    return Section(_("Alarms"), [], Table(head, rows))


def _calibrations(sources: ReportSources, node: Node, span: Range) -> Section:
    done = [past for past in sources.calibrations.history.of(node.node, None, 1_000)
            if span.from_unix_ms <= past.unix_ms < span.to_unix_ms]
    if not done:
        return Section(_("Calibrations"), [_("None in this time.")])
    rows = [[span.when(past.unix_ms), plain_name(past.actuator or past.kind), past.by]
            for past in reversed(done)]
    table = Table([_("When"), _("What"), _("By")], rows, is_words=True)
    return Section(_("Calibrations"), [], table)


def _harvests(notes: Sequence[Note], balance: Balance) -> Section:
    found = [one for one in yields_of(notes) if one.node == balance.node]
    if not found:
        return Section(_("Harvest"), [_("No harvest is written down in this time.")])
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
        lines.append(_("{grams} g for each litre of water that was added.").format(
            grams=figure(weight_g / added_l, 1)))
    head = [_("Crop"), _("Harvests"), _("Weight"), _("Pieces")]
    return Section(_("Harvest"), lines, Table(head, rows))


def _grams(weight_g: float) -> str:
    return figure(weight_g, 1 if weight_g % 1 else 0)


def _notes(notes: Sequence[Note], span: Range) -> Section:
    if not notes:
        return Section(_("Journal"), [_("Nothing is written here yet.")])
    rows, pictures = [], []
    for note in notes:
        about = note.node or note.site or _("The whole site")
        parts = [_(KINDS[note.kind]), note.crop or "", note.text]
        rows.append([span.when(note.unix_ms), about, ". ".join(one for one in parts if one)])
        pictures += [Picture(note.id, photo.id, f"{span.when(note.unix_ms)}, {note.by}")
                     for photo in note.photos]
    table = Table([_("When"), _("About"), _("What")], rows, is_words=True)
    return Section(_("Journal"), [], table, [], pictures)
