"""A broker that lets no client in does not keep the host from the others of its name."""

import socket
import threading
from contextlib import ExitStack, closing, contextmanager, suppress

import pytest

from idroserra.broker.local import free_port
from idroserra.core.config import MqttConfig
from idroserra.foreign.subscription import Subscription
from idroserra.mqtt import subscriber
from idroserra.mqtt.addresses import BrokerAddresses
from idroserra.mqtt.connection import MqttConnection
from idroserra.mqtt.paho_client import new_client, stop_client
from support.lost_subscription import lose_subscription
from support.programs import program
from support.server_process import Server

NAME = "localhost"  # mqtt:// is for loopback only
FIRST, SECOND, THIRD = "127.0.0.2", "127.0.0.3", "127.0.0.4"


class Member(Server):
    """A mosquitto at one address that accepts or refuses every client."""

    def __init__(self, folder, address, port, *, accepts):
        super().__init__(folder)
        self._address, self._port = address, port
        (folder / "mosquitto.conf").write_text(
            f"user root\nlog_dest none\nlistener {port} {address}\n"
            f"allow_anonymous {str(accepts).lower()}\n")

    def command(self):
        return [program("mosquitto"), "-c", str(self.folder / "mosquitto.conf")]

    def answers(self):
        with socket.socket() as probe:
            return probe.connect_ex((self._address, self._port)) == 0


@contextmanager
def ends_every_connection(address, port):
    """A server that closes a connection before it says anything."""
    def serve():
        with suppress(OSError):
            while True:
                server.accept()[0].close()
    with socket.create_server((address, port)) as server:
        thread = threading.Thread(target=serve)
        thread.start()
        yield
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


@pytest.fixture
def resolves(monkeypatch):
    """Give NAME addresses, in this order, as the system's resolver does."""
    system = socket.getaddrinfo

    def name_has(*addresses):
        def resolve(host, port, *rest, **more):
            found = addresses if host == NAME else [host]
            return [one for address in found for one in system(address, port, *rest, **more)]
        monkeypatch.setattr(socket, "getaddrinfo", resolve)
    return name_has


@pytest.fixture(params=["refuses clients", "ends every connection"])
def config(request, tmp_path, resolves):
    """The settings for a name with a half-dead broker at its first address."""
    port = free_port()
    resolves(FIRST, SECOND)
    with (ends_every_connection(FIRST, port) if "ends" in request.param else
          Member(tmp_path / "first", FIRST, port, accepts=False),
          Member(tmp_path / "second", SECOND, port, accepts=True)):
        yield MqttConfig(url=f"mqtt://{NAME}:{port}")


def test_the_host_goes_on_to_the_broker_that_accepts_it(config, eventually):
    host = MqttConnection(config)
    host.start()
    eventually(lambda: host.is_connected, 20, "a connection")
    host.stop()


def test_the_host_leaves_a_broker_that_delivers_nothing(
    tmp_path, resolves, monkeypatch, eventually
):
    """As RabbitMQ does after its disk was full: it accepts clients, and a queue is broken."""
    port = free_port()
    resolves(FIRST, SECOND)
    with (Member(tmp_path / "first", FIRST, port, accepts=True),
          Member(tmp_path / "second", SECOND, port, accepts=True)):
        host = MqttConnection(MqttConfig(url=f"mqtt://{NAME}:{port}"))
        host.start()
        eventually(lambda: host.is_connected, 20, "a connection")
        reached = host._subscriber._addresses
        assert reached._address == (FIRST, port)
        lose_subscription(host)
        monkeypatch.setattr(subscriber, "SILENT_S", 1.0)
        eventually(lambda: reached._address == (SECOND, port), 30, "a connection to the other")
        host.stop()


def test_so_do_the_foreign_subscription_and_every_other_client(config, eventually):
    foreign = Subscription(config, ["tele/#"], lambda *_: None)
    foreign.start()
    client = new_client(config, "idroserra-test")
    client.connect_async(config.host, config.port)
    client.loop_start()
    eventually(lambda: foreign.state == "connected" and client.is_connected(), 20, "connections")
    foreign.stop()
    stop_client(client)


@pytest.fixture
def tries(resolves):
    """Return the address that a try to connect reaches; all but the third have a server."""
    resolves(THIRD, FIRST, SECOND)
    with ExitStack() as opened:
        port = opened.enter_context(socket.create_server((FIRST, 0))).getsockname()[1]
        opened.enter_context(socket.create_server((SECOND, port)))
        addresses = BrokerAddresses(NAME, port)

        def reached():
            with closing(addresses.connect(5.0)) as connection:
                return connection.getpeername()[0]
        yield reached, addresses


def test_each_try_takes_the_next_address_until_one_accepts(tries):
    reached, addresses = tries
    assert [reached() for _ in range(5)] == [FIRST, SECOND, FIRST, SECOND, FIRST]
    addresses.accepted()
    assert [reached() for _ in range(2)] == [FIRST, SECOND]


def test_a_name_of_which_no_address_answers_is_an_error(resolves):
    resolves(FIRST, SECOND)
    with pytest.raises(ConnectionRefusedError):
        BrokerAddresses(NAME, free_port()).connect(5.0)
