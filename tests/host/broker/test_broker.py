"""The demo broker: starts on loopback, keeps nodes apart; amqtt leaks no retained message."""

import queue
import socket
import subprocess
import sys
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest

from idroserra.broker import local
from idroserra.broker.local import Broker, free_port
from idroserra.broker.local_server import LocalServerError
from idroserra.mqtt.paho_client import stop_client
from support.wait import wait_until

WAIT_S = 60


class Client:
    """A paho client whose received messages wait in a queue."""

    def __init__(self, broker: Broker, name: str) -> None:
        self.received: queue.Queue[tuple[str, bytes]] = queue.Queue()
        self._subscribed: queue.Queue[int] = queue.Queue()
        version = mqtt.MQTTv5 if broker.mqtt_version == 5 else mqtt.MQTTv311
        self._client = mqtt.Client(
            mqtt.CallbackAPIVersion.VERSION2, client_id=name, protocol=version
        )
        self._client.username_pw_set(name)
        self._client.on_message = lambda _c, _u, m: self.received.put((m.topic, m.payload))
        self._client.on_subscribe = lambda _c, _u, mid, _r, _p: self._subscribed.put(mid)
        self._client.connect("127.0.0.1", broker.port)
        self._client.loop_start()
        wait_until(self._client.is_connected, 10, "a connection")  # else a message is sent twice

    def subscribe(self, topic: str) -> None:
        self._client.subscribe(topic, qos=1)
        self._subscribed.get(timeout=WAIT_S)

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        sent = self._client.publish(topic, payload, qos=1, retain=retain)
        sent.wait_for_publish(WAIT_S)
        assert sent.is_published()

    def close(self) -> None:
        stop_client(self._client)


@pytest.fixture(params=["mosquitto", "amqtt"])
def broker(request: pytest.FixtureRequest, tmp_path: Path):
    running = Broker(tmp_path, request.param)
    running.start()
    yield running
    running.stop()


def test_a_retained_message_reaches_only_its_subscriber(broker: Broker) -> None:
    clients = [Client(broker, name) for name in ("host", "idro-other")]
    host, other = clients
    host.publish("idro/v1/idro-one/down/config", b"for one", retain=True)
    host.subscribe("idro/v1/idro-one/down/config")
    assert host.received.get(timeout=WAIT_S) == ("idro/v1/idro-one/down/config", b"for one")
    other.close()
    clients.append(Client(broker, "idro-other"))  # this CONNECT is where amqtt 0.12.1 leaks
    clients[-1].subscribe("idro/v1/idro-other/down/command")
    host.publish("idro/v1/idro-other/down/command", b"sentinel")
    assert clients[-1].received.get(timeout=WAIT_S)[1] == b"sentinel"
    for client in clients:
        client.close()


def test_mosquitto_delivers_no_message_across_nodes(tmp_path: Path) -> None:
    broker = Broker(tmp_path, "mosquitto")
    broker.start()
    one, two, host = (Client(broker, name) for name in ("idro-one", "idro-two", "host"))
    host.subscribe("idro/v1/+/up/#")
    two.subscribe("idro/v1/#")
    one.publish("idro/v1/idro-two/up/ack", b"forged")
    one.publish("idro/v1/idro-one/up/ack", b"own")
    host.publish("idro/v1/idro-two/down/command", b"sentinel")
    assert host.received.get(timeout=WAIT_S) == ("idro/v1/idro-one/up/ack", b"own")
    assert two.received.get(timeout=WAIT_S) == ("idro/v1/idro-two/down/command", b"sentinel")
    for client in (one, two, host):
        client.close()
    broker.stop()


def test_a_free_port_is_given_once(monkeypatch) -> None:
    """Another server may ask before the first one binds it, or while it is down."""
    port = free_port()
    monkeypatch.setattr(local.random, "sample", lambda _ports, _count: range(port, port + 100))
    assert port < free_port() < port + 100


def test_two_processes_never_get_the_same_free_port() -> None:
    """Before a server binds it: a demo takes seconds."""
    port = free_port()
    other = subprocess.run(
        [sys.executable, "-c", f"""
from idroserra.broker import local
local.random.sample = lambda _ports, _count: range({port}, {port + 100})
print(local.free_port())"""], capture_output=True, text=True, check=True)
    assert port < int(other.stdout) < port + 100


def test_without_a_folder_for_temporary_files_the_error_names_it(monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(local.tempfile, "gettempdir", lambda: str(tmp_path / "none"))
    monkeypatch.setattr(local, "_reservations", local._reservations.__wrapped__)
    with pytest.raises(LocalServerError, match="no free port can be kept: .*/none/"):
        free_port()


def test_a_free_port_is_none_that_the_system_gives_to_a_client() -> None:
    ports = [free_port() for _ in range(200)]
    assert len(set(ports)) == 200
    with socket.socket() as server, socket.socket() as client:
        server.bind(("127.0.0.1", ports[0]))
        server.listen()
        client.connect(("127.0.0.1", ports[0]))
        assert max(ports) < 32_768 <= client.getsockname()[1]


def test_a_broker_that_cannot_start_says_why(tmp_path: Path) -> None:
    first = Broker(tmp_path / "first", "mosquitto", free_port())
    first.start()
    second = Broker(tmp_path / "second", "mosquitto", first.port)
    with pytest.raises(LocalServerError, match="in use"):
        second.start()
    first.stop()
