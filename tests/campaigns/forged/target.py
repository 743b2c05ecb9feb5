"""The node under attack: the firmware image in MicroPython, in real time, at a real mosquitto.

Its settings disable everything automatic but the circulation, so that every other edge of a pin
is caused by a command.
"""

import json
import queue
import threading
import time
from pathlib import Path
from typing import Any, NamedTuple

import paho.mqtt.client as mqtt

from campaigns.forged.attacker import (
    KEY,
    NODE,
    TTL_MS,
    Attacker,
    signed,
    signed_text,
    stored,
    topic,
)
from campaigns.forged.relay import Relay
from idroserra.boards import compiler
from idroserra.broker.local import Broker
from idroserra.image import build
from idroserra.mqtt.paho_client import stop_client
from idrosim.runner import process
from support.wait import wait_until

BOARD = "esp32-reservoir"
GAP_S = 0.23  # A node accepts five messages a second on average.
ANSWER_S = 20
BLINK = {"actuator": "top_off", "for_ms": 300}
QUIET = {
    "dosing.enabled": False, "light.on_minutes": 0, "circulation.off_ms": 0,
    "level.low_mm": 20, "level.target_mm": 21, "level.full_mm": 5_000,
}


class Sent(NamedTuple):
    """The header of the newest message with records, and its last seq."""

    oldest_seq: int
    sent_at_ms: int
    last_seq: int


class Target:
    """Broker, relay and node. `edges` are the level changes of pins: (name, level)."""

    def __init__(self, folder: Path, seed: int) -> None:
        self._broker = Broker(folder / "broker", "mosquitto")
        self._broker.start()
        self.relay = Relay(self._broker.port)
        self.edges: list[tuple[str, float]] = []
        self.acks: queue.Queue[dict[str, Any]] = queue.Queue()
        self.events: list[dict[str, Any]] = []
        self.sent = Sent(0, 0, 0)
        self._acked_at_ms = 0
        self._info: dict[str, Any] = {}
        self._announced = threading.Event()
        self._config_rev = 0
        self._announced_at_s = 0.0
        build.build_image(BOARD, folder / "image")
        job = process.make_job(
            NODE, compiler.load(BOARD), folder / "node", mode="live", seed=seed, key=KEY.hex(),
            start_unix_ms=time.time_ns() // 1_000_000,
            nvs={"broker_port": self.relay.port},
        )
        process.install_image(job, folder / "image")
        self._node = process.LiveNode(job, on_line=self._line)
        self._sent_s = 0.0
        self._client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id="attacker")
        self._client.username_pw_set("host")  # with the host's rights to publish
        self._client.on_message = self._on_message
        self._client.on_connect = lambda client, *_: client.subscribe("idro/v1/+/up/#", 1)

    def __enter__(self) -> "Target":
        self.relay.__enter__()
        self._client.connect("127.0.0.1", self._broker.port)
        self._client.loop_start()
        wait_until(self._client.is_connected, 10, "the attacker at the broker")
        self._node.start()
        wait_until(self._announced.is_set, 30, "the node publishes up/info")
        self._publish(f"idro/v1/{NODE}/down/config", _config(1))
        wait_until(lambda: self._config_rev == 1, 20, "the node applies the settings")
        wait_until(lambda: ("circulation", 1) in self.edges, 20, "the circulation")
        return self

    def __exit__(self, *_: object) -> None:
        self._node.stop()
        stop_client(self._client)
        self.relay.__exit__()
        self._broker.stop()

    def attacker(self, seed: int) -> Attacker:
        return Attacker(seed, self._info["boot_id"], self.uptime_ms)

    def uptime_ms(self) -> int:
        """Return the uptime of the node, slightly overestimated."""
        return int(self._info["at_ms"] + (time.monotonic() - self._announced_at_s) * 1_000)

    def send(self, payload: bytes) -> None:
        """Publish a command, within the rate that the node accepts."""
        pause_s = self._sent_s + GAP_S - time.monotonic()
        if pause_s > 0:
            threading.Event().wait(pause_s)
        self._sent_s = time.monotonic()
        self._publish(topic(NODE), payload)

    def obey(self, name: str, verb: str, args: dict[str, Any]) -> bytes:
        """Send a valid command, check that it is executed, and return its bytes."""
        payload = signed({
            "v": 1, "id": name, "verb": verb, "args": args, "boot_id": self._info["boot_id"],
            "not_after_at_ms": self.uptime_ms() + TTL_MS, "by": "the grower",
        })
        self.send(payload)
        ack = self.answer(name)
        assert ack["outcome"] == "done", ack
        return payload

    @property
    def boot_id(self) -> str:
        return str(self._info["boot_id"])

    def clock_of_boot(self) -> int | None:
        """Return the wall time of the boot by the node's clock, as it said last."""
        found: int | None = self._info["boot_unix_ms"]
        return found

    def refusals(self) -> int:
        """Return the number of events about ignored messages."""
        return len([1 for event in self.events if event["kind"] == "refused" and event[
            "detail"]["reason"]["code"] in ("message_ignored", "unsigned")])

    def send_stored(self, payload: bytes) -> None:
        self._publish(topic(NODE, "stored"), payload)

    def confirm(self) -> bytes:
        """Confirm what the node has sent as the host does, check that it erases it, and return
        the bytes."""
        sent = self.sent
        payload = stored(
            self.boot_id, sent.last_seq, time.time_ns() // 1_000_000, sent.sent_at_ms)
        self.send_stored(payload)
        self.blink(f"valid-{sent.last_seq}-{sent.sent_at_ms}")
        wait_until(lambda: self.sent.oldest_seq > sent.last_seq, 60, "the records to be erased")
        wait_until(lambda: self._info["clock"] == "host", 20, "the wall time to be taken")
        return payload

    def blink(self, name: str) -> None:
        """Open the valve, and wait for records that were sent after that."""
        self.obey(name, "run", BLINK)
        wait_until(lambda: self.sent.sent_at_ms > self._acked_at_ms, 60, "records after it")

    def answer(self, name: str) -> dict[str, Any]:
        """Return the ack of a command. Fails if another ack arrives first."""
        ack = self.acks.get(timeout=5 * ANSWER_S)
        assert ack["id"] == name, (name, ack)
        self._acked_at_ms = ack["at_ms"]
        return ack

    def _publish(self, where: str, payload: bytes) -> None:
        self._client.publish(where, payload, qos=1)

    def _line(self, line: process.Line) -> None:
        if line["t"] == "pin":
            self.edges.append((line["name"], line["level"]))

    def _on_message(self, _client: Any, _userdata: Any, message: Any) -> None:
        leaf = message.topic.rsplit("/", 1)[1]
        if leaf == "ack":
            self.acks.put(json.loads(message.payload))
        elif leaf == "info":
            self._info, self._announced_at_s = json.loads(message.payload), time.monotonic()
            self._announced.set()
        elif leaf == "config":
            self._config_rev = json.loads(message.payload)["rev"]
        elif leaf in ("event", "telemetry"):
            batch = json.loads(message.payload)
            records = batch["records"]
            self.sent = Sent(batch["oldest_seq"], batch["sent_at_ms"], records[-1]["seq"])
            known = {event["seq"] for event in self.events}
            self.events += [record for record in records
                            if leaf == "event" and record["seq"] not in known]


def _config(rev: int) -> bytes:
    text = json.dumps({"v": 1, "rev": rev, "by": "the grower", "values": QUIET})[:-1]
    return signed_text(text, f"idro/v1/{NODE}/down/config")
