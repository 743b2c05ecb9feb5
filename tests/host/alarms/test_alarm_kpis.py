"""ISA-18.2 alarm KPIs, counted from the notified alarms of each site."""

from collections import Counter

import pytest

from idroserra.alarms.active import Transition
from idroserra.alarms.database import KEPT_OF_NODE, PRUNE_EVERY, AlarmDatabase
from idroserra.alarms.kpis import Raised, kpis
from support.alarm_rig import MINUTE_MS, T0, AlarmRig

DAY_MS = 86_400_000


def figures(raised, to=T0 + DAY_MS, standing=()):
    [found] = kpis([Raised(T0 + at, key, "farm", priority) for at, key, priority in raised],
                   standing, ["farm"], T0, to)
    return found


def test_a_quiet_day_is_good():
    found = figures([(MINUTE_MS, "a", "high"), (5 * 3_600_000, "b", "low")])
    assert found["is_good"]
    assert (found["told_count"], found["most_per_10_min"], found["flood_pct"]) == (2, 1, 0)
    assert found["by_priority"] == {"low": 1, "medium": 0, "high": 1, "urgent": 0}


def test_more_than_ten_in_ten_minutes_are_a_flood():
    found = figures([(n * 1_000, f"a{n}", "medium") for n in range(11)])
    assert found["most_per_10_min"] == 11
    assert found["flood_pct"] == pytest.approx(100 / 144, abs=0.01)
    assert figures([(n * 1_000, f"a{n}", "low") for n in range(10)])["flood_pct"] == 0


def test_a_flood_is_not_good_however_quiet_the_rest_of_the_week_is():
    """ISA-18.2 and EEMUA 191: at most 10 alarms in any 10 minutes for one operator."""
    flood = [(DAY_MS + n * 20_000, f"a{n}", "medium") for n in range(15)]
    found = figures(flood, to=T0 + 7 * DAY_MS)
    assert not found["is_good"]
    assert (found["most_per_10_min"], found["flood_count"]) == (15, 1)
    assert found["flood_pct"] < 1
    assert figures(flood[:10], to=T0 + 7 * DAY_MS)["is_good"]


def test_ten_minutes_begin_with_any_alarm():
    at_the_turn = [(10 * MINUTE_MS + (n - 7) * 10_000, f"a{n}", "low") for n in range(15)]
    found = figures(at_the_turn)
    assert (found["most_per_10_min"], found["flood_count"]) == (15, 1)
    assert (found["most_per_hour"], found["is_good"]) == (15, False)


def test_a_flood_ends_when_fewer_than_five_alarms_came_in_ten_minutes():
    storm = [(n * 30_000, f"a{n}", "low") for n in range(40)]  # 20 minutes
    later = [(5 * 3_600_000 + n * 1_000, f"b{n}", "low") for n in range(11)]
    found = figures(storm + later)
    assert found["flood_count"] == 2
    assert found["flood_pct"] == pytest.approx(100 * (28 + 10) / 1_440, abs=0.1)


def test_three_times_in_an_hour_is_chatter():
    often = [(n * 20 * MINUTE_MS, "a", "low") for n in range(3)]
    assert figures(often)["chattering"] == ["a"]
    assert not figures(often)["is_good"]
    rarely = [(n * 31 * MINUTE_MS, "a", "low") for n in range(3)]
    assert figures(rarely)["chattering"] == []
    assert figures(rarely)["most_frequent"] == [{"key": "a", "count": 3}]


def test_a_site_without_alarms_has_figures_too():
    assert [(one["site"], one["told_count"]) for one in kpis([], [], ["b", "a"], T0, T0 + 1)] == [
        ("a", 0), ("b", 0)]


def test_grouped_and_shelved_alarms_are_counted_apart_from_notified_ones(tmp_path):
    rig = AlarmRig(tmp_path, count=2)
    rig.silence("idro-0")
    rig.add_event("idro-1", "latched", reason="no effect")
    rig.step(5 * MINUTE_MS, 5_000)
    rig.alarms.shelve("dosing_latched/idro-1", 3_600_000, "anna", "", rig.now_unix_ms)
    [found] = rig.alarms.kpis([], T0, rig.now_unix_ms + 1)
    assert (found["told_count"], found["standing_count"], found["folded_count"],
            found["aside_count"]) == (2, 1, 6, 1)
    assert found["stale"] == []
    rig.step(25 * 3_600_000, 600_000)
    [found] = rig.alarms.kpis([], T0, rig.now_unix_ms + 1)
    assert "node_silent/idro-0" in found["stale"]
    rig.close()


def test_a_node_that_raises_alarms_all_the_time_takes_its_own_rows_only(tmp_path):
    database = AlarmDatabase(tmp_path / "alarms.db")
    turns = []
    for number in range(KEPT_OF_NODE + 3 * PRUNE_EVERY):
        node = "idro-calm" if number % PRUNE_EVERY == 7 else "idro-wild"
        turns.append(Transition(T0 + number, f"dosing_latched/{node}", "dosing_latched", "farm",
                                node, "", "high", "normal", "unacknowledged", None))
    for begin in range(0, len(turns), 500):
        database.save([], turns[begin:begin + 500])
    counts = Counter(one.key for one in database.raised(T0, T0 + DAY_MS))
    database.close()
    assert counts["dosing_latched/idro-calm"] == KEPT_OF_NODE // PRUNE_EVERY + 3
    assert KEPT_OF_NODE <= counts["dosing_latched/idro-wild"] <= KEPT_OF_NODE + PRUNE_EVERY
