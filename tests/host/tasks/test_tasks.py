"""What is due at a node, from what the host knows."""

from dataclasses import replace

import pytest

from idroserra.node_state.calibration_age import OLD_DAYS, age_reason, day_of, days_left
from idroserra.tasks.model import DAY_MS, Bottle, Crop, Stage, TaskInputs, tasks

NOW = 1_795_478_400_000  # midnight in UTC
NOTHING = TaskInputs("idro-a", "farm", NOW)


def listed(**inputs):
    return [(one.kind, one.due_unix_ms) for one in tasks(replace(NOTHING, **inputs))]


def test_a_node_without_anything_known_has_no_task():
    assert tasks(NOTHING) == []


@pytest.mark.parametrize("ago_days", [20, 29, 30, 31, 40])
@pytest.mark.parametrize("now", [NOW, NOW + 1, NOW + DAY_MS - 1])
def test_a_calibration_is_overdue_when_the_state_of_the_node_says_so(ago_days, now):
    day = day_of(NOW) - ago_days
    [found] = tasks(replace(
        NOTHING, now_unix_ms=now, ph_calibrated_day=day, ph_due_days=OLD_DAYS))
    assert (found.due_unix_ms - now) // DAY_MS == days_left(day, now)
    assert found.is_overdue(now) == (age_reason(day, now) is not None)


def test_a_calibration_that_was_never_recorded_has_no_date():
    assert listed(ph_calibrated_day=0) == [("calibration", None)]


def test_a_bottle_is_due_when_it_will_be_empty():
    assert listed(bottles=[Bottle("ph_down", 10_000, 2_000.0)]) == [("bottle", NOW + 5 * DAY_MS)]
    assert listed(bottles=[Bottle("ph_down", 0, None)]) == [("bottle", NOW)]
    for unknown in (Bottle("ph_down", 10_000, None), Bottle("ph_down", 10_000, 0.0),
                    Bottle("ph_down", 10_000_000, 2_000.0)):
        assert listed(bottles=[unknown]) == []


def test_the_interval_of_water_changes_is_that_of_the_journal():
    changes = [NOW - days * DAY_MS for days in (3, 13, 22, 32, 42)]
    [found] = tasks(replace(NOTHING, water_changes_unix_ms=changes))
    assert (found.due_unix_ms, found.values["days"], found.values["source"]) == (
        NOW + 7 * DAY_MS, 10, "journal")
    [first] = tasks(replace(NOTHING, water_changes_unix_ms=changes[:1]))
    assert (first.due_unix_ms, first.values["source"]) == (NOW + 11 * DAY_MS, "usual")


def test_a_recipe_has_its_next_stage_and_its_harvest():
    crop = Crop("lettuce", Stage("Heads", NOW + 4 * DAY_MS), NOW + 30 * DAY_MS)
    assert listed(crop=crop) == [("stage", NOW + 4 * DAY_MS), ("harvest", NOW + 30 * DAY_MS)]
    assert listed(crop=crop._replace(stage=None)) == [("harvest", NOW + 30 * DAY_MS)]


def test_tasks_are_sorted_by_date_and_those_without_one_come_last():
    found = listed(versions=["0.2.0"], crop=Crop("lettuce", None, NOW + 9 * DAY_MS),
                   bottles=[Bottle("ph_up", 10_000, 2_000.0)], ph_calibrated_day=day_of(NOW) - 40)
    assert [kind for kind, _ in found] == ["calibration", "bottle", "harvest", "update"]
