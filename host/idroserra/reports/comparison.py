"""Compares two spans by the figures of the report: of two nodes, or of two weeks or crops.

Volumes, harvests and hours of light are per day, so that spans of different length compare:
harvests per day of the span, the others per day from the oldest to the newest record.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from idroserra.core.computed import KNOWN_SHARE, LampPpfd, dli_mol_per_m2, light_level
from idroserra.i18n.channels import display_of, plain_name
from idroserra.i18n.translate import format_number, gettext
from idroserra.i18n.translate import gettext as _
from idroserra.inventory.balance import Balance, balance_of
from idroserra.journal.models import NoteFilter, yields_of
from idroserra.nodes.node import Node
from idroserra.reports.alarm_summary import alarms_of
from idroserra.reports.builder import CHARTED, DAY_MS, LAMP_ON, NO_STRENGTHS, Range, read_channels
from idroserra.reports.sources import ReportSources
from idroserra.reports.statistics import read_channel

HOUR_MS = 3_600_000

Values = tuple[float | None, float | None]


class Figure(NamedTuple):
    """One figure of a span, as shown: `value` in `unit`, None if it is not known."""

    key: str
    label: str
    unit: str
    value: float | None
    decimals: int


class Row(NamedTuple):
    """A figure of two spans, in words. difference: the second less the first, "" if unknown."""

    key: str
    label: str
    values: tuple[str, str]
    difference: str


def figures(
    sources: ReportSources, node: Node, span: Range, ppfd: LampPpfd | None = None
) -> list[Figure]:
    """Return the figures of a span. `ppfd`: of the lamps, if known.

    Raises StoreUnavailable, StoreRejected."""
    known_ms = _known_ms(sources, node, span)
    balance = balance_of(
        sources.store, node, sources.settings.of(node), span.from_unix_ms, span.to_unix_ms,
        span.zone, NO_STRENGTHS)
    return [*_readings(sources, node, span), *_light(sources, node, span, known_ms, ppfd),
            *_doses(balance, known_ms), *_water(balance, known_ms),
            *_alarms(sources, node, span), *_harvest(sources, node, span)]


def _known_ms(sources: ReportSources, node: Node, span: Range) -> int:
    """Return how much of a span is between the oldest and the newest record of the node; 0 if it
    is a part of a day out of a longer span, which tells nothing of a day."""
    oldest, newest = sources.store.span(node.node) or (0, 0)
    known_ms = min(newest, span.to_unix_ms) - max(oldest, span.from_unix_ms)
    least_ms = KNOWN_SHARE * min(DAY_MS, span.to_unix_ms - span.from_unix_ms)
    return known_ms if known_ms >= least_ms else 0


def compare(before: Sequence[Figure], after: Sequence[Figure]) -> list[Row]:
    """Return the figures side by side; those that both sides lack are left out."""
    return [_row(one, values) for one, values in pairs(before, after)]


def pairs(before: Sequence[Figure], after: Sequence[Figure]) -> list[tuple[Figure, Values]]:
    """Return each figure that a side knows with the values of both, None if one is not known."""
    first, second = ({one.key: one for one in side} for side in (before, after))
    values = {key: (first[key].value if key in first else None,
                    second[key].value if key in second else None)
              for key in [*first, *second]}
    return [(first.get(key) or second[key], both) for key, both in values.items()
            if both != (None, None)]


def difference_of(figure: Figure, values: Values) -> float | None:
    """Return the second value less the first, as rounded as they are; None if one is unknown."""
    before, after = values
    return None if before is None or after is None else round(after - before, figure.decimals)


def _row(one: Figure, values: Values) -> Row:
    texts = ["\u2013" if value is None else _text(value, one) for value in values]
    difference, change = "", difference_of(one, values)
    if change is not None:
        sign = "+" if change > 0 else "\u2212" if change < 0 else "\u00b1"
        difference = f"{sign}{_text(abs(change), one)}"
    return Row(one.key, one.label, (texts[0], texts[1]), difference)


def _text(value: float, figure: Figure) -> str:
    return f"{format_number(value, figure.decimals)} {figure.unit}".rstrip()


def _readings(sources: ReportSources, node: Node, span: Range) -> Iterator[Figure]:
    known = set(sources.store.latest(node.node))
    channels = [one for one in CHARTED if one in known]
    read = read_channels(sources, node, sources.settings.of(node), channels, span)
    for one in read:
        if one.in_band_pct is not None:
            label = _("{what}, time in band").format(what=display_of(one.channel).label)
            yield Figure(f"{one.channel} in band", label, "%", one.in_band_pct, 1)
    for one in read:
        display, whole = display_of(one.channel), one.whole
        if whole is None:
            continue
        for name, label, value in (
                ("mean", _("{what}, mean"), whole.mean), ("min", _("{what}, min"), whole.low),
                ("max", _("{what}, max"), whole.high)):
            yield Figure(f"{one.channel} {name}", label.format(what=display.label), display.unit,
                         value * display.factor + display.offset, display.decimals)


def _light(
    sources: ReportSources, node: Node, span: Range, known_ms: int, ppfd: LampPpfd | None
) -> Iterator[Figure]:
    channel = light_level(sources.store.latest(node.node))
    if channel is None:
        return
    read = read_channel(sources.store, node.node, channel, span.days, LAMP_ON)
    if read.whole is None or not known_ms or read.read_ms < KNOWN_SHARE * known_ms:
        return
    hours = read.in_band_ms / read.read_ms * DAY_MS / HOUR_MS
    yield Figure("light", _("Lamp on, a day"), gettext("h"), hours, 1)
    if ppfd is not None and ppfd.since_unix_ms <= span.from_unix_ms:
        dli = dli_mol_per_m2(ppfd.umol_m2_s, read.whole.mean / 100 * DAY_MS / 1_000)
        yield Figure("dli", _("Light a day"), "mol/m²", dli, 1)


def _doses(balance: Balance, known_ms: int) -> Iterator[Figure]:
    for doser, volume_ul in balance.total.dosed_ul.items():
        label = _("{what}, a day").format(what=plain_name(doser))
        a_day_ml = volume_ul / 1_000 / known_ms * DAY_MS if known_ms else None
        yield Figure(f"dosed {doser}", label, "ml", a_day_ml, 2)


def _water(balance: Balance, known_ms: int) -> Iterator[Figure]:
    water, display = balance.total.water, display_of("reservoir.volume_ml")
    if water is None or not known_ms:
        return
    for name, label, volume_ml in (
            ("topped_up", _("Topped up by the valve, a day"), water.topped_up_ml),
            ("poured", _("Poured in by hand, or rain, a day"), water.poured_ml),
            ("left", _("Left the tank, a day"), water.left_ml)):
        yield Figure(name, label, display.unit, volume_ml * display.factor / known_ms * DAY_MS, 2)


def _alarms(sources: ReportSources, node: Node, span: Range) -> Iterator[Figure]:
    counts = alarms_of(sources.alarms, node.node, span.from_unix_ms, span.to_unix_ms)
    yield Figure("alarms", _("Alarms, root causes"), "", sum(one.roots for one in counts), 0)


def _harvest(
    sources: ReportSources, node: Node, span: Range
) -> Iterator[Figure]:
    days = (span.to_unix_ms - span.from_unix_ms) / DAY_MS
    notes = sources.journal.newest(
        about=NoteFilter((node.node,), node.site), from_unix_ms=span.from_unix_ms,
        to_unix_ms=span.to_unix_ms)
    weights = [one.weight_g for one in yields_of(notes)
               if one.node == node.node and one.weight_g is not None]
    total_g = sum(weights) if weights else None
    yield Figure("harvest", _("Harvested"), "g", total_g, 0)
    yield Figure("harvest_day", _("Harvested, a day"), "g",
                 None if total_g is None else total_g / days, 1)
