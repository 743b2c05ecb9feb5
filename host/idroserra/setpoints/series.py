"""The active settings of a node over time, from its reports and its `configured` events. Pure.

Reports and events may come late, twice and in any order. A node's revisions only rise until it
loses its settings, so they are ordered by (life, revision); the time of a revision is that of its
event, until that is known the arrival of its report. A revision ends when the next one begins.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

_Derived = TypeVar("_Derived")


class Revision(NamedTuple):
    """One revision of the settings. A new life begins when a node lost its settings.

    is_exact: from_unix_ms is that of the event. boot_id: of the node when it reported, "" if
    unknown. values: None until they are reported."""

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
    new = Revision(1, rev, unix_ms, False, boot_id, values)
    last = next((one for one in reversed(known) if one.values is not None), new)
    new = new._replace(life=last.life, from_unix_ms=max(unix_ms, last.from_unix_ms))
    found = _find(known, last.life, rev)
    is_older = rev < last.rev
    if is_older and boot_id not in ("", last.boot_id):
        return [*known, new._replace(life=last.life + 1)]
    if found is None:
        return _with(known, new)
    if found.values is None:
        return _with(known, found._replace(values=values, boot_id=boot_id))
    if found.values != values and not is_older:
        return [*known, new._replace(life=last.life + 1)]
    return list(known)


def with_event(known: Sequence[Revision], rev: int, unix_ms: int) -> list[Revision]:
    """Return the revisions after a `configured` event of unix_ms."""
    life = _life_of_event(known, rev, unix_ms)
    found = _find(known, life, rev)
    if found is None:
        return _with(known, Revision(life, rev, unix_ms, True, "", None))
    if found.is_exact:
        return list(known)
    begin = min(unix_ms, found.from_unix_ms)
    return _with(known, found._replace(from_unix_ms=begin, is_exact=True))


def series_of(known: Sequence[Revision]) -> SettingsSeries:
    """Return the series of these revisions."""
    begins: list[int] = []
    values: list[Mapping[str, Any]] = []
    for begin, end, one in _spans(known):
        if one.values is not None and begin != end:
            begins.append(begin)
            values.append(one.values)
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


def _life_of_event(known: Sequence[Revision], rev: int, unix_ms: int) -> int:
    """Return the life of an event: the newest one that began before it, or in which its revision
    was reported, at an unknown time."""
    end = len(known)
    while end:
        life = known[end - 1].life
        found = _find(known, life, rev)
        end = bisect_left(known, life, key=lambda one: one.life)
        if (found is not None and not found.is_exact) or known[end].from_unix_ms <= unix_ms:
            return life
    return known[0].life if known else 1
