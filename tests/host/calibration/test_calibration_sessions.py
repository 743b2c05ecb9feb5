"""A calibration on a virtual clock: holds renewed, expiry, resets of the node, no answer."""

import json

import pytest

from idro.protocol import messages, settings, system_host
from idroserra.auth.clock import Uptime
from idroserra.auth.identity import Identity, set_identity
from idroserra.auth.roles import Role
from idroserra.calibration.errors import BadPoint, CannotCalibrate, UnknownCalibration
from idroserra.calibration.procedures import PointRequest
from idroserra.calibration.service import CalibrationService
from idroserra.calibration.session import HOLD_MS, IDLE_MS, LAST_HOLD_MS
from idroserra.core.reasons import Reason
from idroserra.nodes.commands import Commands
from idroserra.nodes.live import LiveState
from idroserra.nodes.registry import Nodes

NODE = "idro-a"
START_MS = 1_795_000_000_000
MINUTE_MS = 60_000
SEVEN = 7.02  # buffer 7.00 at 20 C
FULL = Reason("settings_not_written", detail="flash is full")


class Wire:
    """A broker connection and a node that executes every command."""

    def __init__(self):
        self.is_connected = True
        self.unix_ms = START_MS
        self.set_back_ms = 0  # by how much the wall clock is behind its start and the uptime
        self.sent = []  # (leaf, message)
        self.node_answers = True
        self.commands = None
        self.nodes = None

    def now_unix_ms(self):
        return self.unix_ms

    def uptime(self):
        return Uptime("boot", self.unix_ms + self.set_back_ms - START_MS)

    def set_clock_back(self, by_ms):
        """Step the wall clock; the uptime goes on. Negative: forward."""
        self.unix_ms -= by_ms
        self.set_back_ms += by_ms

    def publish(self, topic, payload, retained=False):
        leaf = topic.rpartition("/")[2]
        message = json.loads(payload)
        self.sent.append((leaf, message))
        return True

    def deliver(self):
        """Let the node answer everything it was sent."""
        sent, self.sent = self.sent, []
        for leaf, message in sent:
            if leaf == "command":
                self.commands.on_ack(NODE, messages.Ack(message["id"], "done", "", "boot-1", 1))
            else:
                self.nodes.set_report(NODE, messages.ConfigReport(
                    message["rev"], None, settings.check(message["values"])))
        return [m["args"]["for_ms"] for leaf, m in sent if leaf == "command"]


class House:
    """The parts of a host around its calibrations."""

    def __init__(self, folder):
        self.wire = Wire()
        self.live = LiveState()
        self.nodes = Nodes(folder / "state.db", "test")
        self.asked = []  # (who, verb) of the audit rows
        self.commands = Commands(
            folder / "state.db", self.nodes, self.live, self.wire, lambda *_: START_MS, self.audit,
            uptime=self.wire.uptime)
        self.wire.commands, self.wire.nodes = self.commands, self.nodes
        self.calibrations = CalibrationService(
            folder / "state.db", self.nodes, self.commands, self.live, self.wire.now_unix_ms,
            self.wire.uptime)
        self.add(NODE)

    def audit(self, who, action, *, detail, **_):
        if action == "command":
            self.asked.append((who, detail["verb"]))

    def add(self, node):
        """Adopt a node that is online and has reported its settings."""
        self.nodes.adopt(node, bytes(32))
        self.boot("boot-1", node)
        self.nodes.set_online(node, True)
        self.nodes.set_report(node, messages.ConfigReport(0, None, settings.defaults()))

    def boot(self, boot_id, node=NODE):
        self.nodes.set_info(node, messages.Info(
            "0.1.0", "esp32-reservoir", "esp32", boot_id, 0, None, "host", "power_on", "", (),
            {"ph_down": "doser"}, (), False, 100, 0, messages.AS_FLASHED,
            system_host.UNKNOWN_SYSTEM))

    def start(self, kind="ph", **more):
        """Begin, with the hold in force; returns the id."""
        session_id = self.calibrations.start(NODE, kind, "ada", **more)["id"]
        assert self.wire.deliver() == [HOLD_MS]
        return session_id

    def read(self, ph, seconds=60):
        for _ in range(seconds // 2):
            self.wire.unix_ms += 2_000
            self.live.record(NODE, self.wire.unix_ms,
                             {"reservoir.ph": ph, "reservoir.temp_c": 20.0}, {})

    def close(self):
        self.calibrations.close()
        self.commands.close()
        self.nodes.close()


@pytest.fixture
def house(tmp_path):
    house = House(tmp_path)
    yield house
    house.close()


def test_a_hold_is_renewed_while_somebody_goes_on(house):
    session_id = house.start()
    asked = []
    for _ in range(60):
        house.wire.unix_ms += MINUTE_MS
        assert house.calibrations.state(NODE, session_id)["hold"]["is_held"]
        asked += house.wire.deliver()
    assert set(asked) == {HOLD_MS}
    assert 4 <= len(asked) <= 8


@pytest.mark.parametrize("set_back_ms", [60 * MINUTE_MS, -30 * MINUTE_MS])
def test_a_step_of_the_wall_clock_shows_no_hold_that_the_node_has_not(house, set_back_ms):
    """The node's hold is of its uptime: it is renewed in time, or reported as ended."""
    session_id = house.start()
    node_holds_until_ms = house.wire.uptime().ms + HOLD_MS
    for minute in range(1, 90):
        house.wire.unix_ms += MINUTE_MS
        if minute == 5:
            house.wire.set_clock_back(set_back_ms)
        hold = house.calibrations.state(NODE, session_id)["hold"]
        now_ms = house.wire.uptime().ms
        assert hold["is_held"]
        assert now_ms < node_holds_until_ms
        assert hold["until_unix_ms"] - house.wire.unix_ms <= node_holds_until_ms - now_ms
        for for_ms in house.wire.deliver():
            node_holds_until_ms = now_ms + for_ms


def test_a_hold_that_is_not_answered_is_not_held_after_a_step_of_the_clock(house):
    session_id = house.start()
    house.wire.set_clock_back(60 * MINUTE_MS)
    for minute in range(21):
        house.wire.unix_ms += MINUTE_MS
        hold = house.calibrations.state(NODE, session_id)["hold"]
        assert hold["is_held"] == (minute < 19)
    with pytest.raises(CannotCalibrate, match="not held"):
        house.calibrations.take(NODE, session_id, PointRequest("7.00"))
    assert set(house.wire.deliver()) == {HOLD_MS}  # requested again and again


def test_deadlines_of_a_calibration_are_not_of_the_wall_clock(house):
    session_id = house.start()
    house.read(SEVEN)
    assert house.calibrations.state(NODE, session_id)["reading"] is not None
    house.wire.set_clock_back(60 * MINUTE_MS)
    house.wire.unix_ms += 16_000
    assert house.calibrations.state(NODE, session_id)["reading"] is None  # silent
    house.wire.unix_ms += IDLE_MS + 1
    assert house.calibrations.state(NODE, session_id)["state"] == "expired"


def test_settings_unconfirmed_for_a_minute_are_so_at_any_wall_time(house):
    session_id = finished(house)
    house.wire.set_clock_back(60 * MINUTE_MS)
    house.wire.unix_ms += 61_000
    assert house.calibrations.state(NODE, session_id)["state"] == "unconfirmed"


def test_a_hold_that_an_open_page_renews_is_audited(house):
    set_identity(Identity("session", "vera", Role.OPERATOR))
    try:
        session_id = house.start()
        assert house.asked == []  # the request has a row of its own
        house.wire.unix_ms += 10 * MINUTE_MS
        house.calibrations.state(NODE, session_id)
        house.calibrations.state(NODE, session_id)
    finally:
        set_identity(None)
    assert house.wire.deliver() == [HOLD_MS]
    assert house.asked == [("ada", "hold")]


def test_an_idle_calibration_and_its_hold_expire(house):
    session_id = house.start()
    house.wire.unix_ms += IDLE_MS + 1
    assert house.calibrations.open_of(NODE) is None
    assert house.wire.deliver() == [LAST_HOLD_MS]
    assert house.calibrations.state(NODE, session_id)["state"] == "expired"
    with pytest.raises(CannotCalibrate, match="expired already"):
        house.calibrations.take(NODE, session_id, PointRequest("7.00"))
    house.start("ec")


def test_looking_at_the_list_keeps_nothing_open(house):
    house.start()
    for _ in range(16):
        house.wire.unix_ms += MINUTE_MS
        house.calibrations.open_of(NODE)
    assert house.calibrations.open_of(NODE) is None


def test_what_a_viewer_reads_keeps_nothing_open(house):
    session_id = house.start()
    asked = []
    for _ in range(16):
        house.wire.unix_ms += MINUTE_MS
        state = house.calibrations.state(NODE, session_id, is_activity=False)
        asked += house.wire.deliver()
    assert (state["state"], asked[-1]) == ("expired", LAST_HOLD_MS)


def test_an_open_calibration_of_an_unknown_node_stops_no_other(house):
    house.start()
    house.add("idro-b")
    house.nodes.forget(NODE)
    assert house.calibrations.start("idro-b", "ph", "ada")["state"] == "open"


def test_a_forgotten_node_takes_its_open_calibration_along(house):
    session_id = house.start()
    house.calibrations.forget(NODE)
    assert house.calibrations.state(NODE, session_id)["state"] == "cancelled"
    house.nodes.forget(NODE)
    house.add(NODE)
    house.wire.deliver()
    assert house.calibrations.open_of(NODE) is None
    house.start()


def test_a_reset_of_the_node_asks_for_the_hold_again(house):
    session_id = house.start()
    house.read(SEVEN)
    house.boot("boot-2")
    assert not house.calibrations.state(NODE, session_id)["hold"]["is_held"]
    with pytest.raises(CannotCalibrate, match="not held yet"):
        house.calibrations.take(NODE, session_id, PointRequest("7.00"))
    assert house.wire.deliver() == [HOLD_MS]
    assert house.calibrations.state(NODE, session_id)["hold"]["is_held"]
    assert house.calibrations.take(NODE, session_id, PointRequest("7.00"))["points"]


def test_cancelled_before_the_node_answered_the_hold_ends_too(house):
    session_id = house.calibrations.start(NODE, "ph", "ada")["id"]
    house.calibrations.cancel(NODE, session_id)
    assert house.wire.deliver() == [HOLD_MS, LAST_HOLD_MS]


def finished(house):
    session_id = house.start()
    house.read(SEVEN + 0.1)
    house.calibrations.take(NODE, session_id, PointRequest("7.00"))
    house.calibrations.finish(NODE, session_id, "bert")
    return session_id


def test_settings_that_come_in_time_are_done_and_kept_once(house):
    session_id = finished(house)
    assert house.calibrations.state(NODE, session_id)["state"] == "applying"
    assert house.calibrations.cancel(NODE, session_id)["state"] == "applying"
    house.wire.deliver()
    for _ in range(3):
        assert house.calibrations.open_of(NODE) is None
        assert house.calibrations.state(NODE, session_id)["state"] == "done"
    past, = house.calibrations.history.of(NODE)
    assert past.is_confirmed
    assert (past.by, house.nodes.get(NODE).wanted_by) == ("bert", "bert")  # started by ada
    assert past.settings["ph.calibrated_day"] == (0, START_MS // 86_400_000 - 10_957)
    assert past.results["offset_mv"] == pytest.approx(-5.8, abs=0.1)


def test_what_was_applied_is_kept_though_nobody_looked_for_a_day(house):
    session_id = finished(house)
    applied_unix_ms = house.wire.unix_ms
    house.wire.deliver()
    house.wire.unix_ms += 86_400_000
    assert house.calibrations.open_of(NODE) is None
    past, = house.calibrations.history.of(NODE)
    assert (past.id, past.is_confirmed, past.unix_ms) == (session_id, True, applied_unix_ms)
    assert not house.wire.deliver()  # no hold any more


def test_unconfirmed_settings_are_recorded_as_unconfirmed(house):
    session_id = finished(house)
    house.wire.unix_ms += 61_000
    state = house.calibrations.state(NODE, session_id)
    assert state["state"] == "unconfirmed"
    assert not house.calibrations.history.of(NODE)[0].is_confirmed


def test_settings_that_the_node_refuses_fail_and_are_not_kept(house):
    session_id = finished(house)
    report = messages.ConfigReport(0, FULL, settings.defaults())  # the revision in force
    house.nodes.set_report(NODE, report, house.wire.unix_ms)
    state = house.calibrations.state(NODE, session_id)
    assert (state["state"], state["reason"]["code"], state["reason"]["values"]) == (
        "failed", "settings_refused", {"why": FULL.as_json()})
    assert state["reason"]["text"] == (
        "the node refused the settings: the settings cannot be written: flash is full")
    house.wire.unix_ms += 61_000
    assert house.calibrations.state(NODE, session_id)["state"] == "failed"
    assert not house.calibrations.history.of(NODE)


def test_an_error_from_before_is_no_refusal(house):
    report = messages.ConfigReport(0, FULL, settings.defaults())
    house.nodes.set_report(NODE, report, house.wire.unix_ms)
    session_id = finished(house)
    assert house.calibrations.state(NODE, session_id)["state"] == "applying"
    house.wire.deliver()
    assert house.calibrations.state(NODE, session_id)["state"] == "done"


def test_health_counts_what_the_slope_lost(house):
    for days, signal in ((0, 3.99), (30, 4.12)):
        house.wire.unix_ms = START_MS + days * 86_400_000
        house.nodes.set_report(NODE, messages.ConfigReport(
            house.nodes.get(NODE).wanted_rev, None, settings.defaults()))
        session_id = house.start()
        for buffer, ph in (("7.00", SEVEN), ("4.01", signal)):
            house.read(ph)
            house.calibrations.take(NODE, session_id, PointRequest(buffer))
        house.calibrations.finish(NODE, session_id, "ada")
        house.wire.deliver()
        assert house.calibrations.state(NODE, session_id)["state"] == "done"
        house.wire.deliver()
    newest, first = house.calibrations.history.of(NODE, "ph")
    assert first.health == 100
    assert newest.results["slope_pct"] == pytest.approx(96.0, abs=0.5)
    assert newest.health == 100 - round(5 * (first.results["slope_pct"]
                                             - newest.results["slope_pct"] - 1))
    assert house.calibrations.history.health_now(
        NODE, house.wire.unix_ms + 40 * 86_400_000) == newest.health - 10


def test_readings_from_before_the_node_fell_silent_are_no_point(house):
    session_id = house.start()
    house.read(SEVEN + 0.3)  # in the tank
    house.calibrations.state(NODE, session_id)
    house.wire.unix_ms += 16_000  # into the buffer
    assert house.calibrations.state(NODE, session_id)["reading"] is None
    with pytest.raises(BadPoint, match="waiting for a reading"):
        house.calibrations.take(NODE, session_id, PointRequest("7.00"))
    house.read(SEVEN)
    house.calibrations.take(NODE, session_id, PointRequest("7.00"))


def test_points_can_be_taken_back(house):
    session_id = house.start()
    house.read(SEVEN)
    house.calibrations.take(NODE, session_id, PointRequest("7.00"))
    assert house.calibrations.drop_point(NODE, session_id)["points"] == []
    with pytest.raises(CannotCalibrate):
        house.calibrations.drop_point(NODE, session_id)
    with pytest.raises(BadPoint):
        house.calibrations.finish(NODE, session_id, "ada")


def test_an_offline_node_and_a_stranger_are_refused(house):
    house.nodes.set_online(NODE, False)
    with pytest.raises(CannotCalibrate, match="offline"):
        house.calibrations.start(NODE, "ph", "ada")
    with pytest.raises(UnknownCalibration):
        house.calibrations.state(NODE, "cal-x")
