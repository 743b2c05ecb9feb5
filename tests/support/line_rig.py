"""A real mosquitto with the TLS listeners of `idroserra broker init`, and clients for them."""

import queue
import ssl
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
import pytest

from idroserra.broker import tls_files
from idroserra.broker.certificates import folder_of
from idroserra.broker.local import free_port
from idroserra.mqtt.paho_client import stop_client
from idroserra.pki.broker_ca import HOST
from support.programs import program
from support.server_process import Server, reserve
from support.wait import wait_until

NODES = ("idro-one", "idro-two")
WAIT_S = 30
MESSAGE_S = 60


class Rig(Server):
    """mosquitto as `broker init` configures it, with certificates for nodes and a host.

    It logs to `folder`, by default that of the host's TLS files."""

    def __init__(self, data_dir: Path, nodes: tuple[str, ...] = NODES,
                 folder: Path | None = None) -> None:
        self.tls = folder_of(data_dir)
        super().__init__(folder or self.tls)
        self.node_port, self.host_port = self.port, free_port()
        self._reservations.append(reserve(self.host_port))
        self._data_dir = data_dir
        self.init()
        self.line = tls_files.BrokerCertificates(data_dir)
        for node in nodes:
            self.line.issue(node)

    def init(self) -> None:
        """Do what `broker init` does."""
        tls_files.init(self._data_dir, ["localhost", "127.0.0.1"], node_port=self.node_port,
                       host_port=self.host_port, node_address="127.0.0.1")

    def command(self) -> list[str]:
        return [program("mosquitto"), "-c", str(self.line.broker.configuration)]

    def ports(self) -> tuple[int, ...]:
        return self.node_port, self.host_port

    def files(self, who: str) -> tuple[Path, Path]:
        if who == HOST:
            return self.tls / "host.pem", self.tls / "host.key"
        return self.line.files(who)

    def client(self, who: str, **more: Any) -> "Client":
        return Client(self, self.files(who), who, **more)

    def ended(self, who: str, folder: Path) -> tuple[Path, Path]:
        """Return certificate and key files of a certificate that expired a minute ago."""
        made = folder / "ended.pem", folder / "ended.key"
        self.line.authority.issue_client(who, *made, good_for=timedelta(minutes=-1))
        return made


class Client:
    """A paho client at one of the listeners; received messages are queued in `received`."""

    def __init__(
        self, rig: Rig, files: tuple[Path, Path] | None, name: str, *,
        context: ssl.SSLContext | None = None, port: int | None = None, waits: bool = True,
    ) -> None:
        self.received: queue.Queue[tuple[str, bytes, bool]] = queue.Queue()
        self.connections = 0
        self._subscribed: queue.Queue[int] = queue.Queue()
        self._client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=name,
                                   protocol=mqtt.MQTTv5, reconnect_on_failure=waits)
        self._client.tls_set_context(context or trusting(rig, files))
        self._client.on_message = lambda _c, _u, m: self.received.put(
            (m.topic, m.payload, m.retain))
        self._client.on_subscribe = lambda _c, _u, mid, _r, _p: self._subscribed.put(mid)
        self._client.on_connect = self._on_connect
        self._rig = rig
        port = port or (rig.host_port if name == HOST else rig.node_port)
        if waits:  # tries again, as a node does, when a busy broker closes the socket
            self._client.connect_async("127.0.0.1", port)
            self._client.loop_start()
            wait_until(self._client.is_connected, WAIT_S, f"{name} at the broker")
            return
        with suppress(OSError):
            self._client.connect("127.0.0.1", port)
            self._client.loop_start()

    def _on_connect(self, _c: Any, _u: Any, _f: Any, reason: Any, _p: Any) -> None:
        self.connections += not reason.is_failure

    @property
    def is_connected(self) -> bool:
        return self._client.is_connected()

    def subscribe(self, topic: str) -> None:
        self._client.subscribe(topic, qos=1)
        self._subscribed.get(timeout=MESSAGE_S)

    def heard(self) -> tuple[str, bytes]:
        """Return topic and payload of the next message."""
        try:
            topic, payload, _ = self.received.get(timeout=MESSAGE_S)
        except queue.Empty:
            pytest.fail(f"no message in {MESSAGE_S} s, {self.connections} connections: "
                        f"{self._rig.log()[-2000:]}")
        return topic, payload

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """Publish a message without waiting for its delivery."""
        self._client.publish(topic, payload, qos=1, retain=retain)

    def close(self) -> None:
        stop_client(self._client)


def trusting(
    rig: Rig, files: tuple[Path, Path] | None,
    change: Callable[[ssl.SSLContext], None] = lambda context: None,
) -> ssl.SSLContext:
    """Return a context that trusts the broker and presents `files`."""
    context = ssl.create_default_context(cafile=str(rig.tls / "ca.pem"))
    if files is not None:
        context.load_cert_chain(*files)
    change(context)
    return context
