"""Lists what is due at a node, with a date where one is known. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import NamedTuple

DAY_MS = 86_400_000
DAYS_1970_TO_2000 = 10_957
# A bottle that lasts longer than this is no task yet.
AHEAD_MS = 60 * DAY_MS
# The usual interval of recirculating systems, until the journal has one of its own.
WATER_CHANGE_DAYS = 14
INTERVALS_USED = 4
Value = int | float | str | None
KINDS = ("calibration", "bottle", "water_change", "stage", "harvest", "update")


class Bottle(NamedTuple):
    """What is left of a bottle, and its use a day; per_day_ul None: not known."""

    doser: str
    left_ul: int
    per_day_ul: float | None


class Stage(NamedTuple):
    """The next stage of a running recipe, and when it begins."""

    name: str
    begin_unix_ms: int


class Crop(NamedTuple):
    """A running recipe: its next stage, None in the last one, and the end of its last day."""

    recipe: str
    stage: Stage | None
    end_unix_ms: int


@dataclass(frozen=True)
class TaskInputs:
    """What tasks are derived from.

    ph_calibrated_day: days since 2000, 0: never recorded, None: no pH probe. ph_due_days: the age
    in days at which a calibration is due. water_changes_unix_ms: of the journal, newest first.
    versions: of the releases that are on offer and not installed."""

    node: str
    site: str
    now_unix_ms: int
    ph_calibrated_day: int | None = None
    ph_due_days: int = 30
    bottles: Sequence[Bottle] = ()
    water_changes_unix_ms: Sequence[int] = ()
    crop: Crop | None = None
    versions: Sequence[str] = ()


class Task(NamedTuple):
    """Something to do. due_unix_ms None: at any time. values: numbers and names for its text."""

    kind: str
    node: str
    site: str
    due_unix_ms: int | None
    values: Mapping[str, Value]

    def is_overdue(self, now_unix_ms: int) -> bool:
        """True if its date has passed."""
        return self.due_unix_ms is not None and self.due_unix_ms < now_unix_ms


def tasks(inputs: TaskInputs) -> list[Task]:
    """Return the tasks of a node, the earliest first; those without a date last."""
    found = [*_calibration(inputs), *_bottles(inputs), *_water_change(inputs), *_crop(inputs),
             *_updates(inputs)]
    return sorted(found, key=by_date)


def by_date(task: Task) -> tuple[bool, int, int, str]:
    """Sort key: by date, without a date last, then by kind and node."""
    due = task.due_unix_ms
    return due is None, due or 0, KINDS.index(task.kind), task.node


def _task(inputs: TaskInputs, kind: str, due_unix_ms: int | None, **values: Value) -> Task:
    return Task(kind, inputs.node, inputs.site, due_unix_ms, values)


def _calibration(inputs: TaskInputs) -> Iterator[Task]:
    day = inputs.ph_calibrated_day
    if day is None:
        return
    if not day:
        yield _task(inputs, "calibration", None, days=None)
        return
    # The end of that day, as the state and the alarm count whole days.
    due_unix_ms = (day + inputs.ph_due_days + 1 + DAYS_1970_TO_2000) * DAY_MS - 1
    yield _task(inputs, "calibration", due_unix_ms, days=inputs.ph_due_days)


def _bottles(inputs: TaskInputs) -> Iterator[Task]:
    for bottle in inputs.bottles:
        if not bottle.left_ul:
            due_unix_ms = inputs.now_unix_ms
        elif bottle.per_day_ul:
            due_unix_ms = inputs.now_unix_ms + round(
                bottle.left_ul / bottle.per_day_ul * DAY_MS)
        else:
            continue
        if due_unix_ms - inputs.now_unix_ms <= AHEAD_MS:
            yield _task(inputs, "bottle", due_unix_ms, doser=bottle.doser,
                        left_ul=bottle.left_ul, per_day_ul=bottle.per_day_ul)


def _water_change(inputs: TaskInputs) -> Iterator[Task]:
    """The interval is the median of the last ones in the journal."""
    changes = inputs.water_changes_unix_ms
    if not changes:
        return
    intervals = [later - sooner for later, sooner in zip(changes, changes[1:], strict=False)]
    is_known = bool(intervals)
    days = max(1, round(median(intervals[:INTERVALS_USED]) / DAY_MS)) if is_known else (
        WATER_CHANGE_DAYS)
    yield _task(inputs, "water_change", changes[0] + days * DAY_MS, days=days,
                last_unix_ms=changes[0], source="journal" if is_known else "usual")


def _crop(inputs: TaskInputs) -> Iterator[Task]:
    crop = inputs.crop
    if crop is None:
        return
    if crop.stage is not None:
        yield _task(inputs, "stage", crop.stage.begin_unix_ms, recipe=crop.recipe,
                    stage=crop.stage.name)
    yield _task(inputs, "harvest", crop.end_unix_ms, recipe=crop.recipe)


def _updates(inputs: TaskInputs) -> Iterator[Task]:
    for version in inputs.versions:
        yield _task(inputs, "update", None, version=version)
