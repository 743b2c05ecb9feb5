"""Registry and commands of a host on a real broker, for tests of stops."""

import threading

from idro.protocol.messages import Ack
from idro.protocol.reason import Reason
from idroserra.auth.clock import Uptime
from idroserra.core.config import MqttConfig
from idroserra.mqtt.connection import MqttConnection
from idroserra.nodes.commands import Commands
from idroserra.nodes.live import LiveState
from idroserra.nodes.pending_stops import STOP_AGAIN_MS
from idroserra.nodes.registry import Nodes

NODE = "idro-a1"
KEY = bytes(range(32))
STOPPED = Reason("all_stopped")


class Wall:
    """A wall clock that stands until it is moved."""

    def __init__(self):
        self.unix_ms = 1_795_507_200_000

    def __call__(self):
        return self.unix_ms


class Host:
    """Registry and commands of a host, without its threads but that of look-ups."""

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
        self._looks = threading.Thread(target=self.commands.stop_loops.run_look_ups)
        self._looks.start()

    def close(self):
        self.commands.stop_loops.end()
        self._looks.join(60)
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
        self.commands.stop_loops.repeat_stops()
