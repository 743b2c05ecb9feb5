"""Stops over a real broker: what they wait for, and what they outlast."""

import json
import sqlite3
import threading
from contextlib import contextmanager
from dataclasses import replace

import pytest

from idro.protocol.messages import Ack
from idro.protocol.reason import Reason
from idroserra.auth.clock import Uptime
from idroserra.core.config import MqttConfig
from idroserra.mqtt.connection import MqttConnection
from idroserra.nodes.command_messages import CommandMessages
from idroserra.nodes.command_state import CommandState
from idroserra.nodes.command_store import UNSAVED_AGAIN_MS
from idroserra.nodes.commands import Commands
from idroserra.nodes.live import LiveState
from idroserra.nodes.pending_stops import STOP_AGAIN_MS, STOP_FOR_MS
from idroserra.nodes.registry import Nodes
from support.node_client import NodeClient

NODE = "idro-a1"
KEY = bytes(range(32))
STOPPED = Reason("all_stopped")
YEAR_MS = 365 * 24 * 3_600_000


class Wall:
    """A wall clock that stands until it is moved."""

    def __init__(self):
        self.unix_ms = 1_795_507_200_000

    def __call__(self):
        return self.unix_ms


class Host:
    """Registry and commands of a host, without its threads."""

    def __init__(self, folder, port):
        self.wall, self.folder, self.rows = Wall(), folder, []
        self.up_ms = 60_000
        self.link = MqttConnection(
            MqttConfig(url=f"mqtt://127.0.0.1:{port}", client_id="own"), self.wall)
        self.live = LiveState()
        self.epoch = lambda: self.wall.unix_ms - 10_000  # as the spool knows it
        self.open()

    def open(self):
        self.nodes = Nodes(self.folder / "own.db", "farm")
        self.commands = Commands(
            self.folder / "own.db", self.nodes, self.live, self.link,
            lambda node, boot_id: self.epoch(),
            lambda *row, **more: self.rows.append((row, more)),
            uptime=lambda: Uptime("boot", self.up_ms))

    def close(self):
        self.commands.close()
        self.nodes.close()

    def send(self, verb="stop", **more):
        return self.commands.send(NODE, verb, {}, "anna", **more)

    def state(self, command_id):
        found = self.commands.state(command_id)
        return found.state, found.reason

    def answer(self, command_id, outcome="done", reason=STOPPED):
        self.commands.on_ack(NODE, Ack(command_id, outcome, reason, "b", 1))

    def later(self, by_ms=STOP_AGAIN_MS):
        self.wall.unix_ms += by_ms
        self.up_ms += by_ms
        self.commands.end_overdue()
        self.commands.repeat_stops()


@pytest.fixture
def node(mosquitto):
    node = NodeClient(mosquitto.port, NODE, KEY)
    node.outcome = None
    node.start()
    yield node
    node.stop()


@pytest.fixture
def host(tmp_path, mosquitto, node, eventually):
    host = Host(tmp_path, mosquitto.port)
    host.nodes.adopt(NODE, KEY)
    host.nodes.set_info(NODE, node.info())
    host.nodes.set_online(NODE, True)
    host.link.start()
    eventually(lambda: host.link.is_connected and node.is_ready.is_set(), 10, "both")
    yield host
    host.link.stop()
    host.close()


@contextmanager
def held(*locks):
    """Hold locks in another thread."""
    is_held, release = threading.Event(), threading.Event()

    def hold():
        for lock in locks:
            lock.acquire()
        is_held.set()
        release.wait()
        for lock in locks:
            lock.release()

    holder = threading.Thread(target=hold)
    holder.start()
    is_held.wait(60)
    try:
        yield
    finally:
        release.set()
        holder.join(60)


def test_a_stop_waits_for_a_node_without_contact(host, node, eventually):
    host.nodes.set_online(NODE, False)
    subscription = host.live.subscribe()
    command_id = host.send()
    assert host.state(command_id) == ("pending", Reason("node_offline"))
    host.later(12 * 3_600_000)
    assert host.state(command_id) == ("pending", Reason("node_offline"))
    host.nodes.set_online(NODE, True)
    host.later()
    assert host.state(command_id) == ("pending", None)
    shown = [message["reason"] for message in subscription.take() if message["type"] == "command"]
    assert shown == [Reason("node_offline").as_json(), None]
    eventually(lambda: node.commands, 10, "it arrives")
    host.answer(command_id)
    assert host.state(command_id) == ("done", STOPPED)


def test_a_stop_without_an_answer_for_a_day_is_over(host):
    host.nodes.set_online(NODE, False)
    command_id = host.send()
    host.later(STOP_FOR_MS + 1)
    assert host.state(command_id) == ("timeout", Reason("node_offline"))
    host.answer(command_id)
    assert host.state(command_id) == ("done", STOPPED)


@pytest.mark.parametrize("step_ms", [-YEAR_MS, YEAR_MS])
def test_no_step_of_the_wall_clock_ends_a_stop_or_keeps_it(host, node, step_ms, eventually):
    host.nodes.set_online(NODE, False)
    command_id = host.send()
    host.wall.unix_ms += step_ms
    host.later()
    assert host.state(command_id) == ("pending", Reason("node_offline"))
    eventually(lambda: len(node.commands) == 2, 10, "it again")
    host.close()
    host.wall.unix_ms += step_ms
    host.open()
    host.later(STOP_FOR_MS)
    assert host.state(command_id)[0] == "pending"
    host.later(1)
    assert host.state(command_id)[0] == "timeout"


def test_a_stop_waits_for_the_broker(host, node, mosquitto, eventually):
    host.link.stop()
    command_id = host.send()
    assert host.state(command_id) == ("pending", Reason("broker_unreachable"))


def test_a_restarted_host_goes_on_repeating_it(host, node, eventually):
    command_id = host.send()
    eventually(lambda: len(node.commands) == 1, 10, "the first")
    host.close()
    host.wall.unix_ms += 600_000
    host.open()
    host.nodes.set_online(NODE, True)
    host.later()
    eventually(lambda: len(node.commands) == 2, 10, "it again")
    assert {one.id for one in node.commands} == {command_id}
    assert node.commands[1].not_after_at_ms > node.commands[0].not_after_at_ms - 1
    assert host.state(command_id) == ("pending", None)


@pytest.mark.parametrize(("outcome", "reason"), [
    ("expired", Reason("too_late", late_ms=1)), ("refused", Reason("old_boot")),
    ("failed", Reason("memory_check"))])
def test_only_done_ends_a_stop(host, node, eventually, outcome, reason):
    command_id = host.send()
    eventually(lambda: len(node.commands) == 1, 10, "the first")
    host.answer(command_id, outcome, reason)
    assert host.state(command_id)[0] == "pending"
    host.later()
    eventually(lambda: len(node.commands) == 2, 10, "it again")


def test_of_many_stops_one_is_repeated_and_its_answer_ends_all(host, node, eventually):
    ids = [host.send() for _ in range(30)]
    eventually(lambda: len(node.commands) == 30, 10, "each once")
    for count in range(31, 36):
        host.later()
        eventually(lambda count=count: len(node.commands) == count, 10, "one more")
    assert {one.id for one in node.commands[30:]} == {ids[-1]}
    host.answer(ids[10])
    assert [host.state(one)[0] for one in ids] == ["done"] * 11 + ["pending"] * 19
    host.answer(ids[-1])
    assert {host.state(one)[0] for one in ids} == {"done"}


def test_stops_of_many_that_wait_are_sent_again_and_not_added(host, node, eventually):
    known = [host.nodes.get(NODE)]
    first = host.commands.stop_all(known, "anna")
    for _ in range(9):
        assert host.commands.stop_all(known, "anna") == first
    eventually(lambda: len(node.commands) == 10, 10, "each is sent")
    assert [one.id for one in host.commands.recent(NODE)] == first
    assert [row[1] for row, _ in host.rows] == ["command"]
    other = host.commands.stop_all(known, "bob")
    assert other != first
    host.answer(*other)
    assert {host.state(*first)[0], host.state(*other)[0]} == {"done"}
    assert host.commands.stop_all(known, "anna") not in (first, other)


def test_a_stop_after_a_resume_is_a_new_one(host, node, eventually):
    known = [host.nodes.get(NODE)]
    first = host.commands.stop_all(known, "anna")
    host.send("resume")
    assert host.commands.stop_all(known, "anna") != first
    eventually(lambda: sorted(one.verb for one in node.commands) == ["resume", "stop", "stop"],
               10, "all")


def test_the_stops_of_many_are_stored_in_one_transaction(host):
    for number in range(20):
        host.nodes.adopt(f"idro-b{number}", KEY)
    ran = []
    host.commands._records._database.set_trace_callback(ran.append)
    ids = host.commands.stop_all(host.nodes.all(), "anna")
    host.commands._records._database.set_trace_callback(None)
    assert [one for one in ran if one in ("BEGIN IMMEDIATE", "COMMIT")] == [
        "BEGIN IMMEDIATE", "COMMIT"]
    assert (ran[0], ran[-1], len(ids)) == ("BEGIN IMMEDIATE", "COMMIT", 21)
    host.close()
    host.open()
    assert {host.state(one)[0] for one in ids} == {"pending"}


def test_a_node_forgotten_meanwhile_fails_no_stop_of_the_others(host, node, eventually):
    host.nodes.set_online("idro-new", True)
    known = host.nodes.all()
    host.commands.forget("idro-new")
    [command_id] = host.commands.stop_all(known, "anna")
    assert host.state(command_id) == ("pending", None)
    eventually(lambda: [one.id for one in node.commands] == [command_id], 10, "the stop")


def test_a_later_resume_withdraws_a_stop_and_is_ordered_after_it(host, node, eventually):
    command_id = host.send()
    resume_id = host.send("resume", ttl_ms=1_000)
    assert host.state(command_id) == ("failed", Reason("cancelled", by="anna"))
    host.later()
    last_id = host.send()
    eventually(lambda: len(node.commands) == 3, 10, "all, in any order")
    ends = {one.id: one.not_after_at_ms for one in node.commands}
    assert ends[resume_id] > ends[command_id]
    assert max(ends.values()) == ends[last_id]


def test_a_resume_that_cannot_be_sent_names_a_stop_that_still_waits(host, node, eventually):
    host.nodes.set_online(NODE, False)
    assert host.state(host.send("resume")) == ("failed", Reason("node_offline"))
    command_id = host.send()
    expected = Reason("stop_waits", why=Reason("node_offline"))
    resume_id = host.send("resume")
    assert host.state(resume_id) == ("failed", expected)
    host.later()
    assert host.state(command_id) == ("pending", Reason("node_offline"))
    host.close()
    host.open()
    assert host.state(resume_id) == ("failed", expected)
    host.later()
    eventually(lambda: len(node.commands) >= 3, 10, "the stop again")
    assert {one.id for one in node.commands} == {command_id}
    host.answer(command_id)
    host.nodes.set_online(NODE, False)
    assert host.state(host.send("resume")) == ("failed", Reason("node_offline"))


def test_no_lock_of_other_work_delays_a_stop(host, node, eventually):
    with held(host.commands._lock, host.nodes._lock):
        sender = threading.Thread(target=host.send)
        sender.start()
        eventually(lambda: node.commands, 5, "it arrives")
        assert sender.is_alive(), "it waits to store the stop"
    sender.join(60)


def test_no_writer_of_the_file_delays_a_stop(host, node, eventually):
    other = sqlite3.connect(host.folder / "own.db", isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    sender = threading.Thread(target=host.send)
    sender.start()
    eventually(lambda: node.commands, 5, "it arrives")
    assert sender.is_alive(), "it waits to store the stop"
    other.execute("ROLLBACK")
    other.close()
    sender.join(60)


@pytest.fixture
def other(host, node):
    """A node without a boot: the host knows the uptime of the first alone."""
    host.nodes.set_uptime(NODE, node.boot_id, 10_000, host.wall.unix_ms)
    host.nodes.adopt("idro-b2", KEY)
    host.nodes.set_info("idro-b2", node.info())
    host.nodes.set_online("idro-b2", True)
    return "idro-b2"


def test_no_node_of_unknown_uptime_delays_the_stops_of_others(host, node, other, eventually):
    asked, release = threading.Event(), threading.Event()

    def busy():
        asked.set()
        release.wait()

    host.epoch = busy
    stops = [threading.Thread(target=host.commands.stop_all, args=(host.nodes.all(), by))
             for by in ("anna", "bob")]
    try:
        stops[0].start()
        assert asked.wait(60)
        stops[1].start()
        eventually(lambda: len(node.commands) == 2, 5, "both stops of the first node")
        host.wall.unix_ms += STOP_AGAIN_MS
        host.commands.repeat_stops()
        eventually(lambda: len(node.commands) == 3, 5, "its stop again")
    finally:
        release.set()
        for one in stops:
            one.join(60)


def test_a_failed_look_up_of_an_uptime_fails_no_stop(host, node, other, mosquitto, eventually):
    def fail():
        raise sqlite3.OperationalError("disk I/O error")

    host.epoch = fail
    late = NodeClient(mosquitto.port, other, KEY)
    late.outcome = None
    late.start()
    eventually(late.is_ready.is_set, 10, "the other node")
    host.nodes.set_info(other, late.info())
    first, second = host.commands.stop_all(host.nodes.all(), "anna")
    assert (host.state(first), host.state(second)) == (
        ("pending", None), ("pending", Reason("boot_unknown")))
    eventually(lambda: node.commands, 5, "the stop of the first")
    host.epoch = lambda: host.wall.unix_ms - 10_000
    host.commands.end_overdue()
    eventually(lambda: late.commands, 5, "the stop of the other, once its uptime is known")
    assert host.state(second) == ("pending", None)
    late.stop()


def test_a_full_disk_takes_a_stop_and_its_answer(host, node, eventually):
    database = host.commands._records._database
    pages = database.execute("PRAGMA page_count").fetchone()[0]
    database.execute(f"PRAGMA max_page_count={pages}")
    ids = [host.send() for _ in range(200)]
    with pytest.raises(sqlite3.Error, match="full"):
        database.execute("INSERT INTO commands SELECT 0, 'x', node, verb, args, by, 1, 1, "
                         "printf('%9000c', 'x'), reason FROM commands LIMIT 1")
    eventually(lambda: node.commands and node.commands[-1].id == ids[-1], 20, "the last")
    host.answer(ids[-1])
    assert host.state(ids[-1]) == ("done", STOPPED)


def set_full(host, *, is_full=True):
    host.commands._records._database.execute(f"PRAGMA query_only={int(is_full)}")


@pytest.mark.parametrize("is_closed", [False, True])
def test_an_answer_that_came_on_a_full_disk_is_stored_later(host, node, is_closed):
    command_id, other_id = host.send(), host.send("end_correction")
    set_full(host)
    host.answer(command_id)
    host.answer(other_id)
    host.later(60_000)
    assert host.state(other_id)[0] == host.state(command_id)[0] == "done"
    assert {one.state for one in host.commands.recent(NODE)} == {"done"}
    set_full(host, is_full=False)
    if not is_closed:
        host.later(UNSAVED_AGAIN_MS)
        set_full(host)
    host.close()
    host.open()
    host.later()
    assert host.state(other_id)[0] == host.state(command_id)[0] == "done"


def test_a_stop_that_a_resume_ended_on_a_full_disk_stays_ended(host, node):
    command_id = host.send()
    set_full(host)
    host.send("resume")
    assert host.state(command_id)[0] == "failed"
    set_full(host, is_full=False)
    host.close()
    host.open()
    host.later()
    assert host.state(command_id) == ("failed", Reason("cancelled", by="anna"))


def test_a_flood_does_not_delete_a_stop_that_waits(host):
    host.nodes.set_online(NODE, False)
    command_id = host.send()
    host.commands._records._database.execute(
        "UPDATE commands SET number = number - 20000 WHERE id=?", (command_id,))
    host.send("resume")
    host.close()
    host.open()
    assert host.state(command_id)[0] == "pending"


@pytest.mark.parametrize(("back_ms", "end_at_ms"), [(1_000, 40_000), (3_600_000, 30_000)])
def test_a_wall_clock_that_was_set_back_far_orders_nothing(host, back_ms, end_at_ms):
    """A node refuses a command whose end is too far ahead."""
    messages = CommandMessages(lambda node, boot_id: None)
    known = replace(host.nodes.get(NODE), boot_epoch_unix_ms=0)

    def end_ms(ends_unix_ms):
        stop = CommandState("c", NODE, "stop", {}, "ann", 0, ends_unix_ms, "pending", None)
        _, payload = messages.pack(known, stop, KEY, ends_unix_ms)
        return json.loads(payload)["not_after_at_ms"]

    assert end_ms(end_at_ms + back_ms) == end_at_ms + back_ms
    assert end_ms(end_at_ms) == (end_at_ms + back_ms if back_ms < 30_000 else end_at_ms)


def test_a_stop_of_a_forgotten_node_does_not_act_on_the_next_of_that_name(host, node, eventually):
    command_id = host.send()
    eventually(lambda: node.commands, 10, "the stop")
    host.commands.forget(NODE)
    assert host.state(command_id) == ("failed", Reason("not_adopted"))
