"""The cache of the latest events of nodes: fed by the ingest, completed from the store."""


from idroserra.history.models import EventPoint
from idroserra.history.sqlite.store import SqliteStore
from idroserra.nodes.latest_events import ASK_EVERY_MS, RETRY_MS, LatestEvents
from support.samples import write_samples
from support.store_rig import sqlite_store

NOW = 1_795_507_200_000
HOUR_MS = 3_600_000
NO_EFFECT = {"code": "latch_no_effect", "values": {}}
LOW = {"code": "ph_low_blocked", "values": {"why": {"code": "water_low", "values": {}}}}


class Clock:
    """A wall clock that a test sets."""

    def __init__(self):
        self.unix_ms = NOW

    def __call__(self):
        return self.unix_ms

store = sqlite_store


def event(kind, ago_ms, seq=1, **detail):
    return EventPoint("idro-a", (NOW - ago_ms) * 1_000, seq, "b1", kind, detail)


def test_the_store_is_read_again_every_minute(store):
    clock = Clock()
    events = LatestEvents(lambda: store, clock)
    assert events.is_read("idro-a")
    assert events.all("idro-a") == {}
    write_samples(store, [], [event("latched", 5 * HOUR_MS, reason=NO_EFFECT),
                     event("boot", 30 * HOUR_MS, 2), event("boot", HOUR_MS, 3)])
    clock.unix_ms = NOW + ASK_EVERY_MS - 1
    assert events.is_read("idro-a")
    assert events.all("idro-a") == {}
    clock.unix_ms = NOW + ASK_EVERY_MS
    assert events.is_read("idro-a")
    assert events.newest("idro-a", "latched").detail == {"reason": NO_EFFECT}
    assert events.boots_unix_ms("idro-a") == (NOW - HOUR_MS,)


def test_an_older_event_of_the_store_changes_nothing(store):
    events = LatestEvents(lambda: store, Clock())
    events.take("idro-a", NOW * 1_000, "resumed", {"by": "anna"})
    events.take("idro-a", NOW * 1_000, "clock_set", {})
    write_samples(store, [], [event("resumed", HOUR_MS, by="bo")])
    assert events.is_read("idro-a")
    assert events.all("idro-a").keys() == {"resumed"}
    assert events.newest("idro-a", "resumed").detail == {"by": "anna"}


def test_decisions_and_doses_are_read_on_request(store):
    write_samples(store, [], [event("decided", HOUR_MS, loop="ph", reason=LOW),
                     event("decided", HOUR_MS, 2, loop="ec", reason={"code": "ec_in_band",
                                                          "values": {"ec_us_cm": 1_600}}),
                     event("dosed", HOUR_MS, 3)])
    events = LatestEvents(lambda: store, Clock())
    assert events.is_read("idro-a")
    assert events.decision("idro-a", "ph") is None
    assert events.is_read("idro-a", with_doses=True)
    assert events.newest("idro-a", "dosed").unix_ms == NOW - HOUR_MS
    assert events.decision("idro-a", "ph").detail["reason"] == LOW
    assert events.decision("idro-a", "light") is None


def test_a_store_that_does_not_answer_is_asked_again_after_a_while(store, tmp_path):
    gone = SqliteStore(tmp_path / "gone.db")
    gone.close()
    clock, stores = Clock(), [gone]
    events = LatestEvents(lambda: stores[0], clock)
    assert not events.is_read("idro-a")
    stores[0] = store
    clock.unix_ms = NOW + RETRY_MS - 1
    assert not events.is_read("idro-a")
    assert not events.is_read("idro-b")
    clock.unix_ms = NOW + RETRY_MS
    assert events.is_read("idro-a")
    assert events.is_read("idro-b")


def test_a_clock_that_is_set_back_does_not_stop_the_reading(store):
    clock = Clock()
    events = LatestEvents(lambda: store, clock)
    assert events.is_read("idro-a")
    write_samples(store, [], [event("latched", 2 * HOUR_MS, reason=NO_EFFECT)])
    clock.unix_ms = NOW - HOUR_MS
    assert events.is_read("idro-a")
    assert events.newest("idro-a", "latched") is not None
