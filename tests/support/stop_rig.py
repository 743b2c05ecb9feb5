"""A node and a host on one virtual clock, for stops amid floods.

The node is the publisher, MQTT client, command handler, settings, outbox and safety gate of the
firmware with drivers and pins. The host is the real registry, commands, audit log and message
handler. Between them is the broker of the simulator, with the window of 20 messages of mosquitto.
"""

import asyncio
import random
import sqlite3
from contextlib import suppress
from functools import partial
from pathlib import Path

from idro.app.commands import CommandHandler
from idro.app.settings import Settings
from idro.net.publisher import Broker as BrokerAddress
from idro.net.publisher import Handlers, Publisher
from idro.outbox.outbox import Outbox
from idro.protocol import messages, system_host, topics
from idro.protocol.reason import Reason
from idro.safety.authentication import CommandIdLog
from idroserra.auth.audit import Audit
from idroserra.core import protocol
from idroserra.core.errors import StoreUnavailable
from idroserra.ingest.handler import LastMessage
from idroserra.mqtt.connection import IncomingMessage
from idroserra.nodes.command_messages import mac_of
from idroserra.nodes.commands import Commands
from idroserra.nodes.live import LiveState
from idroserra.nodes.pending_stops import REPEAT_S
from idroserra.nodes.registry import Nodes
from idroserra.server.message_handler import HostMessageHandler
from idroserra.setpoints.history import SettingsHistory
from idrosim.board.clock import VirtualClock
from idrosim.shim.network.broker import Broker
from idrosim.shim.network.virtual_sockets import Network
from support.outbox_records import CHANNELS, FAULTS, values_at
from support.safety_rig import Clock, Rig
from support.virtual_loop import VirtualLoop

NODE = "gh-one"
KEY = bytes(range(32))
BOOT_ID = "0badcafe"
START_UNIX_MS = 1_795_507_200_000
DOSER = "ph_down"
DOSE_UL = 900  # 9 s at 100 ul/s
SAMPLE_MS = 10_000


class RigClock(Clock):
    """The rig's clock on a VirtualClock."""

    def __init__(self, clock: VirtualClock, at_ms: int = 0):
        self._clock = clock
        self.boot_ms = at_ms

    @property
    def at_ms(self):
        return self._clock.now_us // 1_000

    async def sleep_ms(self, duration_ms):
        await asyncio.get_running_loop().pause_ms(duration_ms)

    def call_in(self, delay_ms, call):
        return self._clock.at(self._clock.now_us + delay_ms * 1_000, call)

    def every(self, period_ms, call):
        def tick():
            self.call_in(period_ms, tick)
            call()

        self.call_in(period_ms, tick)

    def advance(self, duration_ms):
        self._clock.advance_to(self._clock.now_us + duration_ms * 1_000)


class HostLink:
    """The host's connection to the broker, as MqttConnection."""

    def __init__(self, clock: VirtualClock, broker: Broker):
        self._clock, self._broker = clock, broker
        self.is_connected = True
        self.retained: dict[str, bytes] = {}

    def now_unix_ms(self):
        return START_UNIX_MS + self._clock.now_us // 1_000

    def publish(self, topic, payload, retained=False):
        if not self.is_connected:
            return False
        if retained:
            self.retained[topic] = payload
        self._broker.send(topic, payload, False)
        return True

    def publish_qos0(self, messages):
        for topic, payload in messages:
            self._broker.send(topic, payload, False, 0)


class HostSide:
    """The host's services on `folder`, which restart() closes and opens again."""

    def __init__(self, folder: Path, clock: VirtualClock):
        self._folder, self._clock = folder, clock
        self._retained: dict[str, bytes] = {}
        self._epoch_unix_ms = None  # as the spool stores it
        self.is_running = False
        self.broker = None

    def open(self):
        self.link = HostLink(self._clock, self.broker)
        self.nodes = Nodes(self._folder / "state.db", "farm")
        self.audit = Audit(self._folder / "audit.db", self.link.now_unix_ms)
        self.commands = Commands(self._folder / "state.db", self.nodes, LiveState(), self.link,
                                 lambda node, boot_id: self._epoch_unix_ms, self.audit.add)
        self.settings_history = SettingsHistory(self._folder / "state.db")
        self._handler = HostMessageHandler(
            self.nodes, self.commands, LiveState(), None, None, self.settings_history)
        self.is_running = True
        for leaf, payload in self._retained.items():
            self._take(leaf, payload, True)

    def close(self):
        self.is_running = False
        self.settings_history.close()
        self.commands.close()
        self.nodes.close()
        self.audit.close()

    def fill_disk(self):
        """Let no file grow, and use up what room its pages have."""
        databases = (
            self.commands._records._database, self.nodes._database._connection,
            self.audit._database)
        for database in databases:
            pages = database.execute("PRAGMA page_count").fetchone()[0]
            database.execute(f"PRAGMA max_page_count={pages}")
        while not self.audit.failure:
            self.audit.add("filler", "fill")
        with suppress(sqlite3.Error):
            while True:
                databases[0].execute(
                    "INSERT INTO commands (id, node, verb, args, by, sent_unix_ms, ends_unix_ms,"
                    " state, reason) VALUES (hex(randomblob(12)), 'x', 'run',"
                    " '', '', 1, 1, 'done', '')")

    def received(self, topic, payload):
        leaf = topics.parse(topic)[2]
        if leaf in ("status", "info", "config"):
            self._retained[leaf] = bytes(payload)
        if self.is_running:
            self._take(leaf, bytes(payload), False)

    def _take(self, leaf, payload, is_retained):
        if leaf == "telemetry":
            self._store(protocol.unpack_telemetry(payload))
            return
        self._handler.on_message(NODE, leaf, IncomingMessage(
            f"idro/v1/{NODE}/up/{leaf}", payload, is_retained, self.link.now_unix_ms(), 0, 0, 0))

    def _store(self, batch):
        now_unix_ms = self.link.now_unix_ms()
        self._epoch_unix_ms = now_unix_ms - batch.sent_at_ms
        self.nodes.record_last_messages(
            {NODE: LastMessage(batch.boot_id, batch.sent_at_ms, now_unix_ms)})
        stored = self._handler.stored_message(NODE, protocol.Stored(
            batch.boot_id, batch.records[-1].seq, now_unix_ms, batch.sent_at_ms))
        self.link.publish_qos0([(protocol.down_topic(NODE, "stored"), stored)])

    def refused(self, error):
        raise AssertionError(error)

    def subscribed(self, topic):
        assert topic == topics.every_down(NODE)
        for retained, payload in self.link.retained.items():
            self.broker.send(retained, payload, True)

    async def run(self):
        while True:
            await asyncio.get_running_loop().pause_ms(round(1_000 * REPEAT_S))
            if self.is_running:
                self.commands.stop_loops.look_up_boots()
                self.commands.stop_loops.repeat_stops()
                self.commands.end_overdue()


class StopRig:
    """Both ends. Call close() at the end."""

    def __init__(self, folder: Path, seed: int):
        self.clock = VirtualClock()
        self.stopped_ms: int | None = None  # when the node carried out the first stop
        network = self.network = Network(self.clock, 20, seed)
        self.host = HostSide(folder / "host", self.clock)
        network.broker = self.host.broker = Broker(network.latency_us, self.host)
        self.loop = VirtualLoop(self.clock, network)
        for name in ("host", "node"):
            (folder / name).mkdir()
        self.host.open()
        self.host.nodes.adopt(NODE, KEY)
        self._build_node(folder / "node", random.Random(seed))
        self._tasks = [self.loop.create_task(task) for task in (
            self.host.run(), self.publisher.run(), self._sample())]

    def _build_node(self, folder, rng):
        rig = self.rig = Rig(
            folder, partial(RigClock, self.clock), **{"doser.ul_per_s": 100})
        rig.arm()
        clock = rig.clock
        self.outbox = Outbox(str(folder / "outbox"), BOOT_ID, CHANNELS, clock)
        self.settings = Settings((str(folder / "settings.a"), str(folder / "settings.b")))
        handlers = Handlers(
            self._info, self._report, lambda payload: self.handler.receive(payload),
            self._on_config, lambda payload: self.handler.receive_stored(payload),
            lambda leaf, payload: None)
        self.publisher = Publisher(
            BrokerAddress("10.0.0.1", 1883, NODE, None, False, self.loop.open), self.outbox, clock,
            handlers, rng.randint)
        actions = {"resume": self._resume, "run": self._run, "hold": self._hold,
                   "end_correction": self._end_correction}
        self.handler = CommandHandler(
            (NODE, KEY, BOOT_ID), clock=clock, command_ids=CommandIdLog(str(folder / "ids")),
            actions=actions, stop=self._stop, stop_outcome=self._stop_outcome,
            record_event=lambda kind, detail: None,
            send_ack=self.publisher.send_ack)

    def close(self):
        tasks = asyncio.all_tasks(self.loop)
        for task in tasks:
            task.cancel()
        self.loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        self.loop.close()
        if self.host.is_running:
            self.host.close()

    def now_ms(self) -> int:
        return self.clock.now_us // 1_000

    def wait(self, duration_ms: int) -> None:
        self.loop.run_until_complete(self.loop.pause_ms(duration_ms))
        for task in self._tasks:
            assert not task.done(), task.exception()

    def wait_for(self, condition, most_ms: int, step_ms: int = 100) -> bool:
        """Let time pass until `condition()`; return False after `most_ms`."""
        end_ms = self.now_ms() + most_ms
        while not condition():
            if self.now_ms() >= end_ms:
                return False
            self.wait(step_ms)
        return True

    def dose(self) -> None:
        """Start a dose."""
        self.dosing = self.loop.create_task(self.rig.dose(DOSER, DOSE_UL))
        self.wait(10)
        assert self.rig.level(DOSER) == 1

    def flood(self, count: int, rng: random.Random, every: int = 50) -> None:
        """Send `count` commands at once, and a change of the settings with every 50th.

        The host limits its own rate, so they come past it, from a holder of the node's key."""
        run = {"actuator": "light", "for_ms": 60_000, "duty_pct": 50}
        for index in range(count):
            if index % every == every - 1:
                with suppress(StoreUnavailable):  # a full disk refuses it
                    self.host.commands.set_config(
                        NODE, {"ph.target": rng.choice((5.8, 6.0))}, "ann")
            message = self._command(f"{rng.getrandbits(96):024x}", "run", run, KEY)
            self.host.link.publish(*message)

    def forge(self, count: int) -> None:
        """Send `count` stops at once, not signed with the node's key."""
        for index in range(count):
            message = self._command(f"forged{index}", "stop", {}, bytes(32))
            self.host.link.publish_qos0([message])

    def _command(self, command_id, verb, args, key):
        command = protocol.Command(
            command_id, verb, args, BOOT_ID, self.rig.clock.now_ms() + 30_000, "ann")
        return (protocol.down_topic(NODE, "command"),
                protocol.pack_command(NODE, command, mac_of(key)))

    async def _sample(self):
        while True:
            self.rig.sense()
            self.rig.circulate()
            seq = self.outbox._last_seq + 1
            self.outbox.append_telemetry(self.rig.clock.now_ms(), values_at(seq), FAULTS)
            await self.loop.pause_ms(SAMPLE_MS)

    def _info(self):
        return messages.Info(
            "0.1.0", "test", "esp32", BOOT_ID, self.rig.clock.now_ms(), None, "none", "power_on",
            "", CHANNELS, {DOSER: "doser", "light": "dimmer"}, self.outbox.boots(), False, 100, 0,
            messages.AS_FLASHED, system_host.UNKNOWN_SYSTEM)

    def _report(self):
        return messages.ConfigReport(self.settings.rev, None, self.settings.values)

    def _on_config(self, pieces):
        self.handler.receive_config(pieces, self.settings)
        self.publisher.publish_config()

    def _stop(self, by):
        self.rig.gate.stop(by)
        assert self.rig.level(DOSER) == 0
        if self.stopped_ms is None:
            self.stopped_ms = self.now_ms()

    def _stop_outcome(self):
        ledger = self.rig.ledger
        return ("failed", ledger.failure()) if ledger.error else ("done", Reason("all_stopped"))

    def _resume(self, args, by, answer):
        self.rig.gate.resume(by)
        answer("done", Reason("dosing_resumed"))

    def _hold(self, args, by, answer):
        answer("done", Reason("hold_begun", for_ms=args["for_ms"]))

    def _end_correction(self, args, by, answer):
        answer("done", Reason("no_correction"))

    def _run(self, args, by, answer):
        self.rig.gate.set_duty(args["actuator"], args["duty_pct"], args["for_ms"], by)
        answer("done", Reason("run_begun", actuator=args["actuator"],
                              duty_pct=args["duty_pct"], for_ms=args["for_ms"]))


