"""The active settings of a node over time, from its reports and its `configured` events. Pure.

Each revision is one of a boot of the node: settings are lost at a boot only, so that within a boot
revisions only rise. Boots are ordered by the earliest time known of them. A revision begins at the
time of its event, until that is known at the arrival of its report, and ends when the next begins.

Reports and events may come late and twice, events in any order, reports in that of the broker.
What they do not tell:

- A copy that the broker kept names no boot. One of a lower revision is older than what is known
  if the broker lost messages, or newer if the node lost its settings: it changes nothing until the
  node reports it itself, which it does when it connects.
- One of a higher revision counts as the next change.
- A boot id has no order. If reports of two boots changed places, the one that came last counts as
  newer until the events of both are known.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

_Derived = TypeVar("_Derived")


class Revision(NamedTuple):
    """One revision of the settings in one boot of a node.

    life: the number of the boot, in order; boots in which nothing changed have none. is_exact:
    from_unix_ms is that of the event. boot_id: "" if unknown. values: None until they are
    reported."""

    life: int
    rev: int
    from_unix_ms: int
    is_exact: bool
    boot_id: str
    values: Mapping[str, Any] | None


class SettingsSeries(NamedTuple):
    """The settings from each of `begins` on, oldest first."""

    begins: Sequence[int]
    values: Sequence[Mapping[str, Any]]

    @property
    def known_from_unix_ms(self) -> int | None:
        """The time from which on they are known; None if they never were."""
        return self.begins[0] if self.begins else None

    def at(self, unix_ms: int) -> Mapping[str, Any]:
        """Return the settings active at a time: before known_from_unix_ms the earliest known
        ones, {} if none are known."""
        return self.values[max(0, bisect_right(self.begins, unix_ms) - 1)] if self.begins else {}

    def steps(
        self, from_unix_ms: int, to_unix_ms: int, derive: Callable[[Mapping[str, Any]], _Derived]
    ) -> list[tuple[int, _Derived]]:
        """Return what `derive` makes of the settings in [from, to): (begin, derived) of each
        change, the first at `from`."""
        found = [(from_unix_ms, derive(self.at(from_unix_ms)))]
        first = bisect_right(self.begins, from_unix_ms)
        for begin, values in zip(self.begins[first:], self.values[first:], strict=True):
            derived = derive(values)
            if begin < to_unix_ms and derived != found[-1][1]:
                found.append((begin, derived))
        return found

    def changes(self, from_unix_ms: int, to_unix_ms: int) -> dict[str, list[tuple[int, Any]]]:
        """Return {setting: [(begin, value)]} in [from, to), the first at `from`."""
        found = {key: [(from_unix_ms, value)] for key, value in self.at(from_unix_ms).items()}
        first = bisect_right(self.begins, from_unix_ms)
        for begin, values in zip(self.begins[first:], self.values[first:], strict=True):
            for key, value in values.items() if begin < to_unix_ms else ():
                known = found.setdefault(key, [])
                if not known or known[-1][1] != value:
                    known.append((begin, value))
        return found


def with_report(
    known: Sequence[Revision], rev: int, values: Mapping[str, Any], boot_id: str, unix_ms: int
) -> list[Revision]:
    """Return the revisions after a report that arrived at unix_ms.

    boot_id "" for a copy that the broker kept: it may be older than what is known."""
    last = known[-1] if known else Revision(0, rev, 0, False, "", None)
    copy = _find_values(known, rev, values, is_copy=True) if boot_id else None
    life = _life(known, boot_id)
    if life is None and copy is not None:
        return _reported(_with(known, copy._replace(boot_id=boot_id)), copy.life)
    if life is None:
        is_known = (last.rev, last.values) == (rev, values) or not boot_id and (
            rev < last.rev or _find_values(known, rev, values, is_copy=False) is not None)
        begin = max(unix_ms, last.from_unix_ms)
        return list(known) if is_known else [
            *known, Revision(last.life + 1, rev, begin, False, boot_id, values)]
    found = _find(known, life, rev)
    if found is None:
        begin = max(unix_ms, last.from_unix_ms) if copy is None else copy.from_unix_ms
        found = Revision(life, rev, begin, False, boot_id, values)
    elif found.values is None:
        found = found._replace(values=values)
    after = _with([one for one in known if one is not copy], found)
    is_first = not any(one.life == life and one.values is not None for one in known)
    return _reported(after, life) if is_first else _in_order(after)


def with_event(
    known: Sequence[Revision], rev: int, unix_ms: int, boot_id: str
) -> list[Revision]:
    """Return the revisions after a `configured` event of unix_ms in a boot."""
    life = _life(known, boot_id)
    if life is None:
        life = known[-1].life + 1 if known else 1
    found = _find(known, life, rev)
    if found is None:
        return _in_order(_with(known, Revision(life, rev, unix_ms, True, boot_id, None)))
    if found.is_exact:
        return list(known)
    begin = min(unix_ms, found.from_unix_ms)
    return _in_order(_with(known, found._replace(from_unix_ms=begin, is_exact=True)))


def series_of(known: Sequence[Revision]) -> SettingsSeries:
    """Return the series of these revisions."""
    begins: list[int] = []
    values: list[Mapping[str, Any]] = []
    for (begin, end, _), active in zip(_spans(known), _values(known), strict=True):
        if active is not None and begin != end and (not values or values[-1] != active):
            begins.append(begin)
            values.append(active)
    return SettingsSeries(begins, values)


def pruned(known: Sequence[Revision], before_unix_ms: int, most: int) -> list[Revision]:
    """Return the newest revisions: those that ended before a time are dropped, and of more than
    `most` the oldest eighth."""
    kept = [one for _, end, one in _spans(known) if end is None or end > before_unix_ms]
    kept = kept if len(kept) <= most else kept[-(most - most // 8):]
    dropped = known[: len(known) - len(kept)]
    if kept and kept[0].values is None:
        values = next((one.values for one in reversed(dropped) if one.values is not None), None)
        kept[0] = kept[0]._replace(values=values)
    return kept


def _spans(known: Sequence[Revision]) -> Iterator[tuple[int, int | None, Revision]]:
    """Yield (begin, end, revision), oldest first; the end of the last one is None."""
    begins: list[int] = []
    for one in reversed(known):
        begins.append(min(one.from_unix_ms, begins[-1]) if begins else one.from_unix_ms)
    begins.reverse()
    ends: list[int | None] = [*begins, None][1:]
    return zip(begins, ends, known, strict=True)


def _values(known: Sequence[Revision]) -> list[Mapping[str, Any] | None]:
    """Return the values of each revision: if not reported by its own boot, those that a later boot
    reported first, unless settings were lost between."""
    found: list[Mapping[str, Any] | None] = []
    reported: list[Revision] = []
    for one in reversed(known):
        while reported and reported[-1].rev > one.rev:
            reported.pop()
        is_same = bool(reported) and reported[-1].rev == one.rev
        found.append(reported[-1].values if one.values is None and is_same else one.values)
        if one.is_exact and is_same:
            reported.pop()
        elif not one.is_exact:
            reported.append(one)
    return found[::-1]


def _reported(known: Sequence[Revision], life: int) -> list[Revision]:
    """Return the revisions after the first report of a boot: newer than all reported before."""
    return _in_order(sorted(known, key=lambda one: one.life == life))


def _life(known: Sequence[Revision], boot_id: str) -> int | None:
    """Return the number of a boot, None if it is unknown."""
    return next((one.life for one in reversed(known) if boot_id and one.boot_id == boot_id), None)


def _find_values(
    known: Sequence[Revision], rev: int, values: Mapping[str, Any], *, is_copy: bool
) -> Revision | None:
    """Return the newest revision with these values; is_copy: of those known of a copy only."""
    return next((one for one in reversed(known) if (one.rev, one.values) == (rev, values)
                 and not (is_copy and one.boot_id)), None)


def _in_order(known: Sequence[Revision]) -> list[Revision]:
    """Return the revisions with boots in the order of their earliest times, exact or not. A boot
    without an exact one began before those that were reported after it.

    Numbers stay if the order does."""
    if known[0].life == known[-1].life:
        return list(known)
    boots: dict[int, list[Revision]] = {}
    for one in known:
        boots.setdefault(one.life, []).append(one)
    began: dict[int, int] = {}
    newest_ms: int | None = None
    for life, of in reversed(boots.items()):
        is_inexact, began[life] = min((not one.is_exact, one.from_unix_ms) for one in of)
        if any(one.boot_id and one.values is not None for one in of):
            if is_inexact and newest_ms is not None:
                began[life] = min(began[life], newest_ms)
            newest_ms = began[life]
    order = sorted(boots, key=lambda life: began[life])
    numbers = dict(zip(order, sorted(boots), strict=True))
    return [one if numbers[life] == life else one._replace(life=numbers[life])
            for life in order for one in boots[life]]


def _position(known: Sequence[Revision], life: int, rev: int) -> int:
    """Return where a revision is or belongs."""
    return bisect_left(known, (life, rev), key=lambda one: (one.life, one.rev))


def _find(known: Sequence[Revision], life: int, rev: int) -> Revision | None:
    at = _position(known, life, rev)
    is_known = at < len(known) and (known[at].life, known[at].rev) == (life, rev)
    return known[at] if is_known else None


def _with(known: Sequence[Revision], new: Revision) -> list[Revision]:
    at = _position(known, new.life, new.rev)
    is_known = _find(known, new.life, new.rev) is not None
    return [*known[:at], new, *known[at + is_known:]]
