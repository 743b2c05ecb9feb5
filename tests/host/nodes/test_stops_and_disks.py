"""Stops over a real broker while a lock, a busy file or a full disk keeps other work waiting."""

import sqlite3
import threading
from contextlib import contextmanager

import pytest

from idro.protocol.reason import Reason
from idroserra.nodes.command_store import UNSAVED_AGAIN_MS
from idroserra.nodes.pending_stops import STOP_AGAIN_MS
from support.node_client import NodeClient
from support.stop_host import KEY, NODE, STOPPED


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
    stops = [threading.Thread(target=lambda by=by: host.commands.begin_stops(
        host.nodes.all(), by)()) for by in ("anna", "bob")]
    try:
        stops[0].start()
        assert asked.wait(60)
        stops[1].start()
        eventually(lambda: len(node.commands) == 2, 5, "both stops of the first node")
        host.wall.unix_ms += STOP_AGAIN_MS
        host.commands.stop_loops.repeat_stops()
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
    first, second = host.commands.begin_stops(host.nodes.all(), "anna")()
    assert (host.state(first), host.state(second)) == (
        ("pending", None), ("pending", Reason("boot_unknown")))
    eventually(lambda: node.commands, 5, "the stop of the first")
    host.epoch = lambda: host.wall.unix_ms - 10_000
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


def restart_with_room(host, *, is_closed):
    """Free the disk and restart: what waits is stored as the host closes, or a minute before."""
    set_full(host, is_full=False)
    if not is_closed:
        host.later(UNSAVED_AGAIN_MS)
        set_full(host)
    host.close()
    host.open()


@pytest.mark.parametrize("is_closed", [False, True])
def test_an_answer_that_came_on_a_full_disk_is_stored_later(host, node, is_closed):
    command_id, other_id = host.send(), host.send("end_correction")
    set_full(host)
    host.answer(command_id)
    host.answer(other_id)
    host.later(60_000)
    assert host.state(other_id)[0] == host.state(command_id)[0] == "done"
    assert {one.state for one in host.commands.recent(NODE)} == {"done"}
    restart_with_room(host, is_closed=is_closed)
    host.later()
    assert host.state(other_id)[0] == host.state(command_id)[0] == "done"


@pytest.mark.parametrize("is_closed", [False, True])
def test_a_stop_that_came_on_a_full_disk_waits_after_a_restart(host, node, is_closed):
    set_full(host)
    command_id = host.send()
    host.later()
    restart_with_room(host, is_closed=is_closed)
    assert host.state(command_id)[0] == "pending"
    assert [stop.id for stop in host.commands._stops.all()] == [command_id]


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
