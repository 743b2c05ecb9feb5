"""A feed receives what the store has, once, whatever happened to it meanwhile."""

import sqlite3
import tracemalloc

import pytest

from idroserra.core.config import FeedConfig
from idroserra.core.errors import StoreRejected, StoreUnavailable
from idroserra.feeds.service import UnknownFeed
from idroserra.history.paging import PAGE
from support.feed_rig import NODE, T0, FeedRig, HastyVictoria, feed_of
from support.samples import points_of

DAY_MS = 86_400_000
END_MS = T0 + 10**9


@pytest.fixture
def away(tmp_path):
    """A feed whose database does not answer."""
    return FeedConfig(name="away", url="http://127.0.0.1:9", timeout_ms=200)


@pytest.fixture
def rig_of(tmp_path):
    opened = []

    def open_rig(*feeds):
        opened.append(FeedRig(tmp_path, *feeds))
        return opened[-1]

    yield open_rig
    for rig in opened:
        rig.close()


def stored_ph(rig, node=NODE):
    points = points_of(rig.store, node, ["reservoir.ph"], T0 - 400 * DAY_MS, END_MS)
    return dict(points["reservoir.ph"])


def influx_ph(server, feed, node=NODE):
    rows = server.rows(f"SELECT ph FROM sample WHERE node='{node}'", feed.database)
    return {at_ns // 1_000_000: value for at_ns, value in rows}


def influx_events(server, feed):
    return server.rows("SELECT count(seq) FROM event", feed.database)[0][1]


def test_readings_and_events_reach_every_feed(rig_of, influxd, victoria, eventually):
    first, second = feed_of(influxd, "cloud"), feed_of(victoria, "victoria")
    rig = rig_of(first, second)
    rig.receive(1, 100)
    rig.feed("cloud")
    eventually(lambda: rig.try_feed("victoria"), 60, "it was saved")
    assert influx_ph(influxd, first) == stored_ph(rig)
    assert len(stored_ph(rig)) == 80
    assert influx_events(influxd, first) == 20
    [series] = victoria.export(f'sample_ph{{node="{NODE}"}}')
    assert dict(zip(series["timestamps"], series["values"], strict=True)) == stored_ph(rig)
    [volumes] = victoria.export(f'event_volume_ul{{node="{NODE}"}}')
    assert len(volumes["values"]) == 20
    assert [state.waiting for state in rig.feeds.states()] == [(0, None, 100, 0)] * 2


def test_a_feed_that_is_away_holds_up_nothing_and_catches_up(rig_of, influxd, away):
    cloud = feed_of(influxd, "cloud")
    rig = rig_of(away, cloud)
    rig.receive(1, 50)
    with pytest.raises(StoreUnavailable):
        rig.feed("away")
    assert rig.spool.depth == 0  # the store has it
    rig.feed("cloud")
    assert influx_ph(influxd, cloud) == stored_ph(rig)
    rig.receive(51, 50)
    rig.close()
    back = feed_of(influxd, "away")
    rig = rig_of(back, cloud)  # its database answers from now on
    rig.feed("away")
    assert influx_ph(influxd, back) == stored_ph(rig)
    assert influx_events(influxd, back) == 20


def test_what_a_month_away_costs_is_one_span_of_each_node(rig_of, away):
    rig = rig_of(away)
    for hour in range(0, 24 * 30, 6):
        rig.receive(1 + hour * 10, 60, step_ms=360_000)
        rig.receive(1 + hour * 10, 60, node="idro-b2", step_ms=360_000)
        assert not rig.try_feed("away")
    [state] = rig.feeds.states()
    assert state.waiting.oldest_unix_ms == T0 + 360_000
    spans = rig.feeder("away")._spans.query("SELECT count(*) FROM feed_spans")
    assert spans[0][0] == 2


def test_a_late_reading_reaches_a_feed_that_had_everything(rig_of, influxd):
    cloud = feed_of(influxd, "cloud")
    rig = rig_of(cloud)
    rig.receive(1, 20)
    rig.feed("cloud")
    rig.receive(21, 20, boot="b0", epoch_unix_ms=T0 - 40 * DAY_MS)
    assert rig.waiting_ms("cloud") < DAY_MS  # only what was late
    rig.feed("cloud")
    assert influx_ph(influxd, cloud) == stored_ph(rig)


def test_a_new_feed_takes_the_past_when_asked(rig_of, influxd):
    rig = rig_of()
    rig.receive(1, 40, epoch_unix_ms=T0 - 3 * DAY_MS)
    rig.receive(1, 40, node="idro-b2", boot="b2")
    rig.close()
    cloud = feed_of(influxd, "cloud")
    rig = rig_of(cloud)
    rig.feed("cloud")
    assert rig.feeds.states()[0].waiting.written == 0
    state = rig.feeds.fill("cloud", T0 - DAY_MS)
    assert state.waiting.oldest_unix_ms > T0
    rig.feeds.fill("cloud")
    rig.close()
    rig = rig_of(cloud)  # the host was restarted before it had sent anything
    rig.feed("cloud")
    assert influx_ph(influxd, cloud) == stored_ph(rig)
    assert influx_ph(influxd, cloud, "idro-b2") == stored_ph(rig, "idro-b2")
    with pytest.raises(UnknownFeed, match="no feed 'none' in the configuration"):
        rig.feeds.fill("none")


def test_a_point_that_a_feed_refuses_is_counted_and_the_rest_arrives(rig_of, influxd):
    cloud = feed_of(influxd, "cloud")
    influxd.run(f'CREATE DATABASE "{cloud.database}"')
    rig = rig_of(cloud)
    rig.receive(1, 10)
    rig.feed("cloud")
    rig.receive(11, 10, node="idro-b2")
    # Another program has written text where the events have a number.
    influxd.run('DROP MEASUREMENT "event"', cloud.database)
    rig.feeder("cloud")._lines.write_lines(
        [f'event,site=farm,node=x,kind=dosed volume_ul="much" {T0 + n * 86_400_000 * 7}000000'
         for n in range(3)])
    rig.feed("cloud")
    assert influx_ph(influxd, cloud, "idro-b2") == stored_ph(rig, "idro-b2")
    [state] = rig.feeds.states()
    assert (state.waiting.written, state.waiting.refused) == (18, 2)


def test_what_victoriametrics_lost_at_a_kill_is_sent_again(rig_of, victoria, eventually):
    fed = feed_of(victoria, "victoria")
    rig = rig_of(fed)
    eventually(lambda: rig.try_feed("victoria"), 30, "it answers")
    rig.receive(1, 50, node="idro-k1")
    feeder = rig.feeder("victoria")
    look = feeder._stopping.wait
    kills = []

    def kill_once(seconds):
        if not kills:
            kills.append(victoria.kill())
            victoria.start()
        return look(seconds)

    feeder._stopping.wait = kill_once
    eventually(lambda: rig.try_feed("victoria"), 60, "it was sent again")
    assert kills
    victoria.restart()
    [series] = victoria.export('sample_ph{node="idro-k1"}')
    assert len(series["values"]) == 40


def test_a_host_that_ends_before_it_was_saved_sends_it_again(rig_of, victoria, eventually):
    fed = feed_of(victoria, "victoria")
    rig = rig_of(fed)
    rig.receive(1, 10, node="idro-e1")
    feeder = rig.feeder("victoria")
    sent = feeder._lines.write

    def send_and_end(*block):
        rig.feeds.stop()
        return sent(*block)

    feeder._writer._write = send_and_end
    eventually(lambda: rig.try_feed("victoria"), 30, "it was sent, not saved")
    assert rig.waiting_ms("victoria") > 0
    rig.close()
    rig = rig_of(fed)
    eventually(lambda: rig.try_feed("victoria"), 60, "it was saved")
    [series] = victoria.export('sample_ph{node="idro-e1"}')
    assert len(series["values"]) == 8


def test_one_that_does_not_tell_when_it_started_receives_nothing(rig_of, tmp_path, eventually):
    class Locked(HastyVictoria):
        def command(self):
            return [*super().command(), "-metricsAuthKey=secret"]

    with Locked(tmp_path / "locked") as server:
        rig = rig_of(feed_of(server, "locked"))
        rig.receive(1, 10)
        with pytest.raises(StoreUnavailable, match="/metrics of VictoriaMetrics .HTTP 401."):
            rig.feed("locked")
        assert server.export("sample_ph") == []
        assert rig.waiting_ms("locked") > 0


def test_a_feed_that_was_removed_starts_from_now_when_it_comes_back(rig_of, away):
    rig = rig_of(away)
    rig.receive(1, 20)
    assert rig.waiting_ms("away") > 0
    rig.close()
    rig_of().close()
    assert rig_of(away).waiting_ms("away") == 0


def test_a_feeds_thread_sends_what_arrives(rig_of, influxd, eventually):
    import threading

    cloud = feed_of(influxd, "cloud")
    rig = rig_of(cloud)
    threads = [threading.Thread(target=run) for _, run in rig.feeds.loops()]
    for thread in threads:
        thread.start()
    rig.receive(1, 20)
    eventually(lambda: rig.waiting_ms("cloud") == 0, 30, "it was sent")
    rig.feeds.stop()
    for thread in threads:
        thread.join()
    assert influx_ph(influxd, cloud) == stored_ph(rig)


def test_a_flood_is_sent_in_little_memory(rig_of, influxd):
    cloud = feed_of(influxd, "cloud")
    rig = rig_of(cloud)
    many = 10 * PAGE
    rig.receive(1, many, step_ms=300)  # in one span
    tracemalloc.start()
    try:
        rig.feed("cloud")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert influx_ph(influxd, cloud) == stored_ph(rig)
    assert influx_events(influxd, cloud) == many // 5
    assert rig.feeds.states()[0].waiting == (0, None, many, 0)
    assert peak < 10_000_000


class Broken:
    """A store whose history in [from, to) cannot be read."""

    def __init__(self, store, from_unix_ms, to_unix_ms):
        self._store, self._from, self._to = store, from_unix_ms, to_unix_ms

    def __getattr__(self, name):
        return getattr(self._store, name)

    def instants(self, node, from_unix_ms, to_unix_ms, oldest=None):
        if from_unix_ms < self._to and to_unix_ms > self._from:
            raise StoreUnavailable("packed hour: damaged")
        return self._store.instants(node, from_unix_ms, to_unix_ms, oldest)


def test_what_cannot_be_read_keeps_nothing_else_from_being_sent(rig_of, influxd):
    cloud = feed_of(influxd, "cloud")
    rig = rig_of(cloud)
    rig.receive(1, 100, step_ms=3_600_000)
    damaged = T0 + 31 * 3_600_000
    rig.feeder("cloud")._store = lambda: Broken(rig.store, damaged, damaged + 1)
    for _ in range(2):
        with pytest.raises(StoreUnavailable, match="the store cannot be read: packed hour"):
            rig.feed("cloud")
    sent = influx_ph(influxd, cloud)
    assert stored_ph(rig).keys() - sent.keys() == {damaged}
    assert max(sent) == max(stored_ph(rig))
    assert 0 < rig.waiting_ms("cloud") <= 6 * 3_600_000


def test_a_database_that_refuses_everything_loses_no_small_block(rig_of, influxd):
    cloud = feed_of(influxd, "cloud")
    rig = rig_of(cloud)
    rig.receive(1, 20)
    rig.feed("cloud")
    lines = rig.feeder("cloud")._writer
    accepted = lines._write

    def refuse(instants, events):
        raise StoreRejected("HTTP 400: the plain HTTP request was sent to HTTPS port")

    lines._write = refuse
    rig.receive(21, 4)
    with pytest.raises(StoreUnavailable, match="refuses everything: HTTP 400"):
        rig.feed("cloud")
    assert rig.waiting_ms("cloud") > 0
    lines._write = accepted
    rig.feed("cloud")
    assert influx_ph(influxd, cloud) == stored_ph(rig)


def test_what_was_claimed_and_not_released_is_sent_after_all(rig_of, influxd, monkeypatch):
    cloud = feed_of(influxd, "cloud")
    rig = rig_of(cloud)
    rig.receive(1, 20)
    spans = rig.feeder("cloud")._spans
    with monkeypatch.context() as patched:
        patched.setattr(spans, "release", lambda feed: None)  # as on a full disk
        patched.setattr(rig.feeder("cloud")._writer, "write", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            rig.feed("cloud")
    rig.receive(21, 20)
    rig.feed("cloud")
    assert influx_ph(influxd, cloud) == stored_ph(rig)


def test_a_feed_that_ends_amid_a_round_stops_after_the_block(rig_of, influxd):
    cloud = feed_of(influxd, "cloud")
    rig = rig_of(cloud)
    for day in range(3):
        rig.receive(1 + day * 4_000, 4_000, step_ms=5_000, epoch_unix_ms=T0 + day * 86_400_000)
    feeder = rig.feeder("cloud")
    written = []
    send = feeder._writer.write

    def stop_after_one(*block):
        written.append(block)
        rig.feeds.stop()
        return send(*block)

    feeder._writer.write = stop_after_one
    feeder.move_round()
    assert len(written) == 1
    assert rig.waiting_ms("cloud") > 0
    rig.close()
    rig = rig_of(cloud)
    rig.feed("cloud")
    assert influx_ph(influxd, cloud) == stored_ph(rig)


def test_a_damaged_file_stops_the_feeds_and_not_the_store(rig_of, away, tmp_path):
    rig = rig_of(away)
    rig.receive(1, 20)
    rig.close()
    (tmp_path / "feeds.db").write_bytes(b"no database at all" * 1_000)
    for name in ("feeds.db-wal", "feeds.db-shm"):
        (tmp_path / name).unlink(missing_ok=True)
    rig = rig_of(away)
    assert (tmp_path / "feeds.damaged").exists()
    rig.feeds._spans.mark = damaged_mark
    rig.receive(21, 20)
    assert rig.spool.depth == 0
    assert "restart the host, then `idroserra feed fill`" in rig.feeds.health()["away"]
    [state] = rig.feeds.states()
    assert (state.why, state.failed_unix_ms is None) == (rig.feeds.health()["away"], False)


def damaged_mark(spans):
    error = StoreUnavailable("feeds.db: database disk image is malformed")
    error.__cause__ = sqlite3.DatabaseError("malformed")
    raise error
