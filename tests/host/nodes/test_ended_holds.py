"""A dose that control was free to give ends a stop or latch that the host knows only from before:
the board or its ledger is another one. Nothing else does."""

import pytest

from idro.protocol.messages import AS_FLASHED, Info
from idro.protocol.system_host import UNKNOWN_SYSTEM
from idroserra.history.models import EventPoint
from idroserra.nodes.dosing_state import is_stopped
from idroserra.nodes.latest_events import LatestEvents
from idroserra.nodes.live import LiveState
from idroserra.nodes.newest_readings import NewestReadings
from idroserra.nodes.node import Node
from idroserra.nodes.states import NodeStates
from support.store_rig import sqlite_store

NOW = 1_795_507_200_000
NODE = "idro-a"
MINUTE_MS = 60_000
OLD, NEW = "old-boot", "new-boot"
DOSED = {"actuator": "ph_down", "volume_ul": 1500, "on_ms": 1500, "by": "control",
         "reason": {"code": "ph_high_dose", "values": {}}}
CUT = {**DOSED, "cut": {"code": "stopped", "values": {}}}
LATCH = {"reason": {"code": "latch_no_effect", "values": {}}}
STOP = {"by": "anna"}

store = sqlite_store


def stopped(store, *reported, running=NEW, is_read=False):
    """Return whether the node is shown as stopped or locked after (minutes ago, boot, seq, kind,
    detail) of its events, taken as they come or read from the store."""
    events = LatestEvents(lambda: store, lambda: NOW)
    points = [EventPoint(NODE, (NOW - ago * MINUTE_MS) * 1_000 + seq, seq, boot, kind, detail)
              for ago, boot, seq, kind, detail in reported]
    if is_read:
        store.write([], points)
    else:
        for one in points:
            events.take(*one[:2], one.kind, one.detail, one.boot_id)
    live = LiveState()
    live.record(NODE, NOW, {"reservoir.ph": 5.8}, {})
    info = Info("1", "b", "esp32", running, 900, None, "none", "power_on", "", ("reservoir.ph",),
                {"ph_down": "doser"}, (), True, 100, 0, AS_FLASHED, UNKNOWN_SYSTEM)
    states = NodeStates(events, NewestReadings(live, lambda: store, lambda: NOW), lambda: NOW,
                        recipe_paused=lambda node: None, alarms=lambda node: ())
    return is_stopped(states.of(Node(
        NODE, "site", online=True, last_seen_unix_ms=NOW, info=info, boot_epoch_unix_ms=NOW)))


@pytest.mark.parametrize("is_read", [False, True], ids=["as it comes", "from the store"])
@pytest.mark.parametrize(("kind", "detail"), [("stopped", STOP), ("latched", LATCH)])
def test_a_dose_of_a_board_with_another_ledger_ends_the_hold(store, kind, detail, is_read):
    assert not stopped(store, (60, OLD, 90, kind, detail), (30, NEW, 1, "boot", {}),
                       (2, NEW, 9, "dosed", DOSED), is_read=is_read)


def test_a_dose_cut_by_something_else_leaves_the_hold_ended(store):
    low = {**DOSED, "cut": {"code": "water_low", "values": {}}}
    assert not stopped(store, (60, OLD, 90, "stopped", STOP), (2, NEW, 9, "dosed", DOSED),
                       (1, NEW, 10, "dosed", low))


@pytest.mark.parametrize("reported", [
    [(60, OLD, 90, "stopped", STOP), (30, NEW, 1, "boot", {}), (29, NEW, 2, "armed", {}),
     (2, NEW, 3, "decided", {"loop": "ph", "reason": {"code": "ph_in_band", "values": {}}})],
    [(3, NEW, 8, "dosed", DOSED), (2, NEW, 9, "stopped", STOP)],
    [(2, NEW, 9, "stopped", STOP), (3, NEW, 8, "dosed", DOSED)],
    [(2, NEW, 9, "stopped", STOP), (2, NEW, 10, "dosed", CUT)],
    [(2, NEW, 9, "latched", LATCH), (2, NEW, 10, "dosed", {**CUT, "by": "anna"})],
    [(60, OLD, 90, "latched", LATCH), (2, NEW, 9, "dosed", DOSED), (1, NEW, 12, "stopped", STOP)],
], ids=["no dose", "dosed before", "dosed before, in flight", "cut by the stop",
        "by hand, cut by the latch", "stopped again"])
def test_a_node_that_is_stopped_stays_stopped(store, reported):
    assert stopped(store, *reported)


def test_a_dose_of_an_earlier_boot_ends_no_hold_whatever_its_time(store):
    """Without a clock, records that waited for the broker are timed by their arrival."""
    assert stopped(store, (10, NEW, 9, "stopped", STOP), (2, OLD, 50, "dosed", DOSED))


def test_a_stop_that_seems_later_by_the_clock_of_another_boot_stays(store):
    assert stopped(store, (1, OLD, 90, "stopped", STOP), (2, NEW, 9, "dosed", DOSED))


def test_a_dose_that_ended_as_the_stop_came_is_recorded_after_it(store):
    assert stopped(store, (2, NEW, 999, "stopped", STOP), (2, NEW, 1_000, "dosed", DOSED))


def test_of_a_node_that_never_announced_its_boot_a_dose_ends_nothing(store):
    assert stopped(store, (60, OLD, 90, "stopped", STOP), (2, "other", 9, "dosed", DOSED))
