"""What nodes told, as the alarms know it: at once from the stream, late from the store."""

from idroserra.alarms.told import ASK_EVERY_MS, RETRY_MS, TellTale
from idroserra.store.models import EventPoint
from idroserra.store.sqlite import SqliteStore

NOW = 1_795_507_200_000
HOUR_MS = 3_600_000


def event(kind, ago_ms, seq=1, **detail):
    return EventPoint("idro-a", (NOW - ago_ms) * 1_000, seq, "b1", kind, detail)


def test_what_is_told_late_is_found_in_the_store(tmp_path):
    store = SqliteStore(tmp_path / "store.db")
    told = TellTale(lambda: store)
    told.read(["idro-a"], NOW)
    assert told.is_read("idro-a")
    assert told.events("idro-a") == {}
    store.write([], [event("latched", 5 * HOUR_MS, reason="no effect"),
                     event("boot", 30 * HOUR_MS, 2), event("boot", HOUR_MS, 3)])
    told.read(["idro-a"], NOW + ASK_EVERY_MS - 1)
    assert told.events("idro-a") == {}
    told.read(["idro-a"], NOW + ASK_EVERY_MS)
    assert told.events("idro-a")["latched"].detail == {"reason": "no effect"}
    assert told.boots_unix_ms("idro-a", NOW) == (NOW - HOUR_MS,)
    store.close()


def test_the_stream_is_known_at_once_and_an_older_event_changes_nothing(tmp_path):
    store = SqliteStore(tmp_path / "store.db")
    told = TellTale(lambda: store)
    told.take([{"type": "record", "node": "idro-a"},
               {"type": "event", "node": "idro-a", "unix_ms": NOW, "kind": "resumed",
                "detail": {"by": "anna"}}])
    store.write([], [event("resumed", HOUR_MS, by="bo"), event("dosed", HOUR_MS, 2)])
    told.read(["idro-a"], NOW)
    assert told.events("idro-a")["resumed"].detail == {"by": "anna"}
    assert set(told.events("idro-a")) == {"resumed"}
    store.close()


def test_a_store_that_does_not_answer_is_asked_again_after_a_while(tmp_path):
    gone = SqliteStore(tmp_path / "gone.db")
    gone.close()
    stores = [gone]
    told = TellTale(lambda: stores[0])
    told.read(["idro-a", "idro-b"], NOW)
    assert not told.is_read("idro-a")
    stores[0] = SqliteStore(tmp_path / "store.db")
    told.read(["idro-a", "idro-b"], NOW + RETRY_MS - 1)
    assert not told.is_read("idro-a")
    told.read(["idro-a", "idro-b"], NOW + RETRY_MS)
    assert told.is_read("idro-a")
    assert told.is_read("idro-b")
    stores[0].close()
