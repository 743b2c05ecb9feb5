"""A node that comes back: its readings get their normal time to renew before they count as old."""

from contextlib import closing

import pytest

from idroserra.alarms.database import AlarmDatabase
from idroserra.alarms.engine import AlarmEngine
from idroserra.alarms.rules import load_rules
from idroserra.alarms.snapshot_builder import SnapshotBuilder
from support.host_without_broker import HostWithoutBroker

MINUTE_MS = 60_000


@pytest.fixture
def host(tmp_path):
    running = HostWithoutBroker(tmp_path, alarms={"rules": {"broker_down": {"enabled": False}}})
    running.boot()
    running.read()
    yield running
    running.close()


def step(host, for_ms, every_ms=10_000, each=lambda: None):
    """Evaluate the alarms while time passes; return the transitions of old readings."""
    service, end, changes = host.service, host.unix_ms + for_ms, []
    while host.unix_ms < end:
        host.unix_ms += every_ms
        each()
        before = host.service.alarms.alarms.revision
        service.alarms.step()
        if service.alarms.alarms.revision != before:
            changes += [one for one in service.alarms.alarms.all()
                        if one.rule.name == "reading_stale"]
    return changes


def annunciated(changes):
    return sorted({one.key for one in changes
                   if one.state in ("unacknowledged", "returned", "acknowledged")})


def fall_silent(host, for_ms):
    host.connect(online=False)
    step(host, for_ms)
    assert "node_silent/idro-a" in {
        one.key for one in host.service.alarms.alarms.all() if one.alarm.is_active}


def test_a_silent_node_that_comes_back_raises_no_flood(host):
    fall_silent(host, 20 * MINUTE_MS)
    host.connect(online=True)
    changes = step(host, 2 * MINUTE_MS + 30_000)  # in contact; its backlog comes first
    host.read()
    changes += step(host, 5 * MINUTE_MS, each=host.read)
    assert annunciated(changes) == []
    assert host.service.alarms.alarms.all() == [] or {
        one.rule.name for one in host.service.alarms.alarms.all()} == {"node_silent"}


def test_a_reading_that_does_not_renew_after_the_contact_is_an_alarm(host):
    fall_silent(host, 20 * MINUTE_MS)
    host.connect(online=True)
    # Three sampling intervals to renew, then the delay of the alarm.
    lives = {"reservoir.ph", "reservoir.ec_us_cm"}
    values = {key: 1.0 for key in lives}
    changes = step(host, 8 * MINUTE_MS, each=lambda: host.read_only(values))
    found = annunciated(changes)
    assert found
    assert not [key for key in found if key.rpartition("/")[2] in lives]


@pytest.mark.parametrize("away_ms", [20_000, 20 * MINUTE_MS])
def test_an_old_reading_stays_an_alarm_when_the_contact_returns(host, away_ms):
    """A dead probe, whose alarm is acknowledged: a reconnect neither ends it nor raises it."""
    lives = {"reservoir.ec_us_cm": 1_600.0, "reservoir.level_mm": 200.0}

    def read():
        host.read_only(lives)

    step(host, 8 * MINUTE_MS, each=read)
    alarms, key = host.service.alarms.alarms, "reading_stale/idro-a/reservoir.ph"
    alarms.acknowledge([key], "ann", "", host.unix_ms)
    host.connect(online=False)
    step(host, away_ms)
    host.connect(online=True)
    changes = step(host, 10 * MINUTE_MS, each=read)
    found = [one for one in alarms.all() if one.key == key]
    assert [one.state for one in found] == ["acknowledged"]
    assert {one.state for one in changes if one.key == key} <= {"suppressed", "acknowledged"}
    host.read()
    step(host, 2 * MINUTE_MS, each=host.read)
    assert key not in {one.key for one in alarms.all()}


def test_a_contact_that_breaks_again_raises_no_flood(host):
    """The backlog of a node takes several contacts."""
    fall_silent(host, 20 * MINUTE_MS)
    changes = []
    for _ in range(4):
        host.connect(online=True)
        changes += step(host, MINUTE_MS)
        host.connect(online=False)
        changes += step(host, MINUTE_MS)
    host.connect(online=True)
    host.read()
    changes += step(host, 5 * MINUTE_MS, each=host.read)
    assert annunciated(changes) == []


def test_the_reason_of_a_renewed_reading_is_not_its_age(host):
    step(host, 8 * MINUTE_MS, each=lambda: host.read_only({"reservoir.ph": 5.9}))
    old = [one for one in host.service.alarms.alarms.all() if one.rule.name == "reading_stale"]
    assert old
    assert {one.reason.code for one in old} == {"reading_old"}
    host.read()
    step(host, 2 * MINUTE_MS, each=host.read)
    ended = [one for one in host.service.alarms.alarms.all() if one.rule.name == "reading_stale"]
    assert {(one.state, one.reason.code) for one in ended} == {("returned", "reading_normal")}


def test_a_connection_that_breaks_every_minute_hides_no_silent_node(host, tmp_path):
    """As where two programs use one client id, and the broker lets one in at a time."""
    service, broker = host.service, {"state": "connected"}
    builder = SnapshotBuilder(service._alarm_sources()._replace(
        counts=lambda: {**service.counts(), "broker": broker}))
    with closing(AlarmDatabase(tmp_path / "others.db")) as database:
        alarms = AlarmEngine(load_rules(), database)
        for second in range(10 * 60):
            host.unix_ms += 1_000
            broker["state"] = "connecting: refused" if second % 60 < 3 else "connected"
            alarms.step(builder.build(host.unix_ms, {}, lambda _node: {}))
        assert "node_silent/idro-a" in {one.key for one in alarms.all() if one.is_annunciated}


class Clocked:
    """Alarms of `host`, evaluated each minute, whose clock a test sets back."""

    def __init__(self, host, database):
        self._host, self.broker = host, {"state": "connected"}
        self._sources = host.service._alarm_sources()._replace(
            counts=lambda: {**host.service.counts(), "broker": self.broker})
        self.alarms = AlarmEngine(load_rules(), database)
        self.restart()

    def restart(self):
        self._builder = SnapshotBuilder(self._sources)

    def set_back(self, hours, minutes=0):
        self._host.unix_ms -= (60 * hours + minutes) * MINUTE_MS

    def run(self, minutes, each=lambda: None, seconds=60):
        """Return in how many of the minutes, or of so many seconds, the node counted as silent."""
        silent = 0
        for _ in range(minutes):
            self._host.unix_ms += 1_000 * seconds
            each()  # later than the snapshot by two milliseconds
            self.alarms.step(self._builder.build(self._host.unix_ms - 2, {}, lambda _node: {}))
            silent += "node_silent/idro-a" in {
                one.key for one in self.alarms.all()
                if one.is_annunciated and one.alarm.is_active}
        return silent


@pytest.fixture
def clocked(host, tmp_path):
    with closing(AlarmDatabase(tmp_path / "others.db")) as database:
        yield Clocked(host, database)


@pytest.mark.parametrize("is_restarted", [False, True])
def test_a_clock_that_is_set_back_hides_no_silent_node(clocked, is_restarted):
    """As of a machine without a clock battery that starts with the time of its last shutdown."""
    assert clocked.run(1) == 0
    clocked.set_back(6)
    if is_restarted:
        clocked.restart()
    assert clocked.run(20) >= 14


@pytest.mark.parametrize("minutes_back", [6 * 60, 20, 19])
def test_a_clock_that_is_set_back_ends_no_alarm(clocked, minutes_back):
    assert clocked.run(20) >= 14
    clocked.set_back(0, minutes_back)
    assert clocked.run(20) == 20


def test_a_clock_that_is_set_back_as_the_broker_goes_hides_no_silent_node(clocked):
    assert clocked.run(1) == 0
    clocked.set_back(6)
    clocked.broker["state"] = "connecting: refused"
    clocked.run(1, seconds=1)
    clocked.broker["state"] = "connected"
    assert clocked.run(20) >= 14


def test_a_clock_that_is_set_back_makes_no_node_silent(host, clocked):
    def hear():
        host.connect(online=True)

    assert clocked.run(300, hear) == 0
    for _ in range(3):
        clocked.set_back(1)
        assert clocked.run(2) == 0  # the limit of two minutes begins again
        assert clocked.run(30, hear) == 0
