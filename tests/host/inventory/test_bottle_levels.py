"""Levels of bottles from the doses in a store: exact, and in little memory for a flood."""

import tracemalloc

import pytest

from idroserra.core.errors import StoreUnavailable
from idroserra.history import paging
from idroserra.history.models import EventPoint
from idroserra.inventory.bottles import COUNT_EVERY_MS, BottleInventory
from idroserra.inventory.database import Bottle, InventoryDatabase
from support.store_rig import DAY_MS, HOUR_MS, NODE, T0, sqlite_store

NOW = T0 + 3 * DAY_MS
OTHER = "idro-b2"

store = sqlite_store


@pytest.fixture
def inventory(store, tmp_path):
    return BottleInventory(InventoryDatabase(tmp_path / "alarms.db"), lambda: store)


def doses(count, at_ms=0, node=NODE, doser="ph_down", volume_ul=1_000, boot_id="b1"):
    return [EventPoint(node, (T0 + at_ms + seq) * 1_000 + seq % 1_000, seq, boot_id, "dosed",
                       {"actuator": doser, "volume_ul": volume_ul}) for seq in range(count)]


def bottle(doser="ph_down", filled_ms=0, node=NODE, volume_ml=1_000):
    return Bottle(node, doser, volume_ml * 1_000, T0 + filled_ms, "anna")


def left_ml(inventory, node=NODE):
    return {doser: left_ul / 1_000 for doser, (_, left_ul) in inventory.of(node).items()}


def test_each_bottle_counts_its_own_doses_since_it_was_filled(inventory, store):
    store.write([], doses(5) + doses(3, HOUR_MS, boot_id="b2") + doses(
        4, HOUR_MS, doser="nutrient_a", boot_id="b3") + doses(7, node=OTHER, boot_id="b4"))
    for one in (bottle(filled_ms=HOUR_MS), bottle("nutrient_a"), bottle("ph_up"),
                bottle(node=OTHER)):
        inventory.fill(one)
    assert inventory.of(NODE)["ph_up"][1] == 1_000_000
    inventory.count(NOW)
    assert left_ml(inventory) == {"ph_down": 997, "nutrient_a": 996, "ph_up": 1_000}
    assert left_ml(inventory, OTHER) == {"ph_down": 993}


def test_the_use_of_a_week_is_that_of_the_asked_dosers(inventory, store):
    old = doses(9, -8 * DAY_MS, boot_id="b2")
    store.write([], [*old, *doses(6), *doses(4, HOUR_MS, doser="nutrient_a", boot_id="b3")])
    use = inventory.use_of(NODE, ["ph_down", "ph_up"], NOW)
    assert use.dosed_ul == {"ph_down": 6_000, "ph_up": 0}
    assert use.over_ms == 7 * DAY_MS
    assert use.per_day_ul("ph_down") == pytest.approx(6_000 / 7)


@pytest.mark.usefixtures("any_number_of_events")
def test_a_flood_of_doses_is_counted_in_little_memory(inventory, store):
    many = 10 * paging.PAGE
    store.write([], [one._replace(detail=one.detail | {"actuator": f"pump_{one.seq}"}
                                  if one.seq % 2 else one.detail) for one in doses(many)])
    inventory.fill(bottle(volume_ml=1_000 * many))
    tracemalloc.start()
    try:
        inventory.count(NOW)
        use = inventory.use_of(NODE, ["ph_down"], NOW)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert left_ml(inventory) == {"ph_down": 1_000 * many - many // 2}
    assert use.dosed_ul == {"ph_down": 1_000 * many // 2}
    assert peak < 5_000_000


def test_a_bottle_with_more_doses_than_are_counted_is_empty(inventory, store, monkeypatch):
    monkeypatch.setattr(paging, "MOST_EVENTS", 50)
    store.write([], doses(51, volume_ul=1) + doses(2, node=OTHER, boot_id="b2"))
    for node in (NODE, OTHER):
        inventory.fill(bottle(node=node))
    inventory.count(NOW)
    assert left_ml(inventory) == {"ph_down": 0}
    assert left_ml(inventory, OTHER) == {"ph_down": 998}
    assert inventory.use_of(NODE, ["ph_down"], NOW).per_day_ul("ph_down") is None
    inventory.fill(bottle(filled_ms=HOUR_MS))
    inventory.count(NOW + COUNT_EVERY_MS)
    assert left_ml(inventory) == {"ph_down": 1_000}


def test_a_bottle_that_is_not_filled_again_empties_no_other(inventory, store, monkeypatch):
    monkeypatch.setattr(paging, "MOST_EVENTS", 50)
    store.write([], doses(50, volume_ul=1) + doses(3, HOUR_MS, doser="nutrient_a", boot_id="b2")
                + doses(4, 2 * HOUR_MS, boot_id="b3"))
    for one in (bottle(), bottle("nutrient_a", HOUR_MS), bottle("ph_up", 9 * DAY_MS)):
        inventory.fill(one)
    inventory.count(NOW)
    assert left_ml(inventory) == {"ph_down": 0, "nutrient_a": 997, "ph_up": 1_000}


def test_a_store_that_does_not_answer_leaves_the_counted_levels(inventory, store):
    store.write([], doses(5))
    inventory.fill(bottle())
    inventory.count(NOW)

    def unavailable():
        raise StoreUnavailable("none")

    inventory._store = unavailable
    inventory.count(NOW + COUNT_EVERY_MS)
    assert left_ml(inventory) == {"ph_down": 995}


def test_a_bottle_is_known_before_its_doses_are_counted(inventory, tmp_path):
    def unreachable():
        raise StoreUnavailable("no answer")

    inventory.fill(bottle())
    again = BottleInventory(InventoryDatabase(tmp_path / "alarms.db"), unreachable)
    again.count(NOW)
    assert again.left_pct(NODE) == {"ph_down": None}
