"""What is due at a node, from what the host knows."""

from dataclasses import replace

from idroserra.node_state.calibration_age import OLD_DAYS, day_of, days_left
from idroserra.tasks.model import DAY_MS, Bottle, Crop, Stage, TaskInputs, tasks

NOW = 1_795_507_200_000
NOTHING = TaskInputs("idro-a", "farm", NOW)


def listed(**inputs):
    return [(one.kind, one.due_unix_ms) for one in tasks(replace(NOTHING, **inputs))]


def test_a_node_without_anything_known_has_no_task():
    assert tasks(NOTHING) == []


def test_a_calibration_is_due_when_the_state_of_the_node_says_so():
    day = day_of(NOW) - 20
    [found] = tasks(replace(NOTHING, ph_calibrated_day=day, ph_due_days=OLD_DAYS))
    assert (found.due_unix_ms - NOW) // DAY_MS in (days_left(day, NOW), days_left(day, NOW) - 1)
    assert not found.is_overdue(NOW)
    [late] = tasks(replace(NOTHING, ph_calibrated_day=day_of(NOW) - 40, ph_due_days=OLD_DAYS))
    assert late.is_overdue(NOW)
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
