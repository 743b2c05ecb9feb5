"""Exports history as CSV (RFC 4180): one row an instant, units in the header, faults in a column.

Times are UTC in ISO 8601 with milliseconds and as unix_ms; with a time zone there is a column of
local time with its UTC offset.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from idro.protocol.quantities import format_scaled
from idroserra.core import protocol
from idroserra.export.cells import csv_line, safe_cell
from idroserra.export.rows import Instant
from idroserra.history.models import EventPoint
from idroserra.i18n.events import event_text
from idroserra.i18n.translate import current_locale, use_locale
from idroserra.inventory.balance import Balance, Day

ROWS_A_PIECE = 500
_WATER_ML = ("topped_up", "poured", "left", "unseen")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def readings_csv(
    instants: Iterable[Instant], channels: Sequence[str], zone: ZoneInfo | None
) -> Iterator[str]:
    """Yield the CSV of readings in chunks, the header first."""
    units = {channel: protocol.split_channel(channel)[1] for channel in channels}
    head = [*_time_head(zone), *(f"{key} [{units[key].unit}]" for key in channels), "faults"]
    yield csv_line(head)
    yield from csv_pieces(
        [*_times(one.unix_ms, zone),
         *(_number(units[key], one.values.get(key)) for key in channels),
         " ".join(f"{key}={fault}" for key, fault in one.faults.items())]
        for one in instants
    )


def events_csv(events: Iterable[EventPoint], zone: ZoneInfo | None) -> Iterator[str]:
    """Yield the CSV of events in chunks, the header first. The detail is JSON; the text is in the
    language of the current locale."""
    locale = current_locale()  # a response is written later, in another context

    def text_of(one: EventPoint) -> str:
        with use_locale(locale):
            return str(safe_cell(event_text(one.kind, one.detail)))

    def lines() -> Iterator[str]:
        yield csv_line([*_time_head(zone), "boot_id", "seq", "kind", "detail", "text"])
        yield from csv_pieces(
            [*_times(one.unix_us // 1_000, zone), one.boot_id, str(one.seq), one.kind,
             json.dumps(dict(one.detail)), text_of(one)]
            for one in events
        )

    return lines()


def balance_csv(balance: Balance, zone: ZoneInfo | None) -> Iterator[str]:
    """Yield the CSV of a balance in chunks, the header first: one row a day."""
    dosers, strong = list(balance.total.dosed_ul), list(balance.total.dosed_meq)
    yield csv_line([
        *_time_head(zone), "to_unix_ms", *(f"water_{name} [ml]" for name in _WATER_ML),
        "level_unread [ms]", "valve_open [ms]", *(f"{doser} [ml]" for doser in dosers),
        *(f"{doser} [meq]" for doser in strong)])
    yield from csv_pieces(
        [*_times(day.from_unix_ms, zone), str(day.to_unix_ms), *_water(day), str(day.valve_ms),
         *(f"{day.dosed_ul[doser] / 1_000:.3f}" for doser in dosers),
         *("" if meq is None else f"{meq:.3f}" for meq in day.dosed_meq.values())]
        for day in balance.days)


def _water(day: Day) -> list[str]:
    if day.water is None:
        return ["", "", "", "", ""]
    amounts = vars(day.water)
    return [*(f"{amounts[f'{name}_ml']:.0f}" for name in _WATER_ML), str(day.water.unread_ms)]


def iso_utc(unix_ms: int) -> str:
    """Return the time in the form 2026-11-25T12:00:00.000Z."""
    return f"{_moment(unix_ms).isoformat(timespec='milliseconds')[:-6]}Z"


def _moment(unix_ms: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=unix_ms)


def _time_head(zone: ZoneInfo | None) -> list[str]:
    local = [] if zone is None else [f"time_local [{zone.key}]"]
    return ["time_utc", *local, "unix_ms"]


def _times(unix_ms: int, zone: ZoneInfo | None) -> list[str]:
    local = [] if zone is None else [
        _moment(unix_ms).astimezone(zone).isoformat(timespec="milliseconds")]
    return [iso_utc(unix_ms), *local, str(unix_ms)]


def _number(quantity: protocol.Quantity, value: float | None) -> str:
    """Return the exact decimals of a value, or "" for None."""
    if value is None:
        return ""
    return str(format_scaled(quantity, protocol.to_scaled(quantity, value)))


def csv_pieces(rows: Iterable[Sequence[object]]) -> Iterator[str]:
    """Yield the rows as text, many at once for speed."""
    text = io.StringIO()
    writer = csv.writer(text)
    for number, row in enumerate(rows, 1):
        writer.writerow(row)
        if number % ROWS_A_PIECE == 0:
            yield text.getvalue()
            text.seek(0)
            text.truncate()
    if text.tell():
        yield text.getvalue()
