"""The host's MQTT reader with real brokers: TLS, refusals, dead connections, sessions."""

import datetime
import ipaddress
import socket
import subprocess

import paho.mqtt.client as mqtt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from paho.mqtt.enums import CallbackAPIVersion

from idroserra.broker.local import free_port
from idroserra.core.config import MqttConfig
from idroserra.mqtt import connection, subscriber
from idroserra.mqtt.connection import HOST_STATUS_TOPIC, IncomingMessage, MqttConnection, RawChunk
from idroserra.mqtt.paho_client import stop_client
from support.lost_subscription import lose_subscription
from support.node_client import NodeClient
from support.programs import program, program_since
from support.tcp_link import TcpLink
from support.wait import wait_until

KEY = bytes(range(32))


def certificate(folder, name, authority=None):
    """Make NAME.pem and NAME.key: an authority of its own, or of one; return (cert, key)."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    issuer, signer = (subject, key) if authority is None else (
        authority[0].subject, authority[1])
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    made = (
        x509.CertificateBuilder().subject_name(subject).issuer_name(issuer)
        .public_key(key.public_key()).serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(authority is None, None), critical=True)
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        # Python 3.13 asks for the next three (RFC 5280, 4.2.1).
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()),
                       critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()),
                       critical=False)
        .add_extension(x509.KeyUsage(
            digital_signature=authority is not None, key_cert_sign=authority is None,
            crl_sign=False, content_commitment=False, key_encipherment=False,
            data_encipherment=False, key_agreement=False, encipher_only=False,
            decipher_only=False), critical=True)
        .sign(signer, hashes.SHA256())
    )
    (folder / f"{name}.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / f"{name}.key").write_bytes(key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption()))
    return made, key


@pytest.fixture(scope="module")
def secured(tmp_path_factory):
    """A mosquitto that speaks TLS, asks for a certificate and takes its name for the user's."""
    folder, port, plain = tmp_path_factory.mktemp("tls"), free_port(), free_port()
    authority = certificate(folder, "authority")
    for name in ("broker", "host"):
        certificate(folder, name, authority)
    certificate(folder, "stranger")
    (folder / "acl").write_text("user host\ntopic readwrite idro/v1/#\n")
    (folder / "mosquitto.conf").write_text(
        f"per_listener_settings true\nuser root\nlog_dest none\nlistener {port} 127.0.0.1\n"
        f"cafile {folder}/authority.pem\ncertfile {folder}/broker.pem\n"
        f"keyfile {folder}/broker.key\nrequire_certificate true\nuse_identity_as_username true\n"
        f"acl_file {folder}/acl\nlistener {plain} 127.0.0.1\nallow_anonymous true\n"
    )
    broker = subprocess.Popen([program("mosquitto"), "-c", str(folder / "mosquitto.conf")])
    wait_until(lambda: socket.socket().connect_ex(("127.0.0.1", port)) == 0, 15, "mosquitto")
    yield folder, port, plain
    broker.terminate()
    broker.wait(60)


def link_to(folder, port, name):
    return MqttConnection(MqttConfig(
        url=f"mqtts://127.0.0.1:{port}", ca_file=folder / "authority.pem",
        cert_file=folder / f"{name}.pem", key_file=folder / f"{name}.key"))


def arrived(link, count):
    """Return the next `count` messages, acknowledged."""
    found = []
    while len(found) < count:
        came = link.inbox.get(timeout=60)
        if isinstance(came, RawChunk):
            found += link.unpack(came)
    link.ack(found)
    return found


def test_the_session_is_kept_over_tls(secured):
    folder, port, plain = secured
    link = link_to(folder, port, "host")
    link.start()
    wait_until(lambda: link.is_connected, 20, "the line stands")
    link.stop()
    node = NodeClient(plain, "idro-tls", KEY)
    node.sample(30, at_ms=1, step_ms=1)
    node.start()
    wait_until(lambda: node.taken_upto() == 30, 20, "the broker has it")
    link = link_to(folder, port, "host")
    link.start()
    found = arrived(link, 14)  # status, info, and 12 runs of a kind
    assert all(isinstance(message, IncomingMessage) for message in found)
    assert {"idro/v1/idro-tls/up/event", "idro/v1/idro-tls/up/telemetry"} < {
        message.topic for message in found}
    link.stop()
    node.stop()


def test_a_refused_client_gets_the_reason(secured):
    folder, port, _ = secured
    link = link_to(folder, port, "stranger")
    link.start()
    wait_until(lambda: link.state.startswith("connecting: "), 20, "a refusal with its reason")
    link.stop()
    assert not link.is_connected


@pytest.mark.parametrize("fault", ["half_open", "freeze"])
def test_a_dead_connection_is_detected_and_rebuilt(mosquitto, monkeypatch, fault):
    monkeypatch.setattr(subscriber, "QUIET_S", 0.5)
    monkeypatch.setattr(subscriber, "DEAD_S", 1.2)
    with TcpLink(mosquitto.port) as line:
        link = MqttConnection(MqttConfig(url=f"mqtt://127.0.0.1:{line.port}"))
        link.start()
        wait_until(lambda: link.is_connected, 20, "the line stands")
        line.inject(fault)
        wait_until(lambda: "dead" in link.state, 30, "it is noticed")
        line.heal()
        wait_until(lambda: link.is_connected, 30, "another line stands")
        link.stop()


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_a_connection_without_its_subscription_is_replaced(mosquitto, monkeypatch, protocol):
    monkeypatch.setattr(subscriber, "SILENT_S", 0.5)
    link = MqttConnection(MqttConfig(url=f"mqtt://127.0.0.1:{mosquitto.port}", protocol=protocol))
    link.start()
    wait_until(lambda: link.is_connected, 20, "a connection")
    lose_subscription(link, protocol)
    wait_until(lambda: "does not deliver" in link.state, 20, "it is noticed")
    wait_until(lambda: link.is_connected, 20, "another connection")
    publish = publisher(mosquitto.port)
    publish(1)
    wait_until(lambda: any("idro-n" in message.topic for message in arrived(link, 1)), 20,
               "a message")
    stop_client(publish.client)
    link.stop()


def test_a_connection_without_nodes_is_kept(mosquitto, monkeypatch):
    monkeypatch.setattr(subscriber, "SILENT_S", 2.0)
    link = MqttConnection(MqttConfig(url=f"mqtt://127.0.0.1:{mosquitto.port}"))
    link.start()
    wait_until(lambda: link.is_connected, 20, "a connection")
    assert {message.topic for message in arrived(link, 3)} == {HOST_STATUS_TOPIC}
    assert link._connection == 1
    link.stop()


def test_nonsense_of_a_broker_ends_the_line(mosquitto):
    link = MqttConnection(MqttConfig(url=f"mqtt://127.0.0.1:{mosquitto.port}"))
    link.start()
    wait_until(lambda: link.is_connected, 20, "the line stands")
    assert link.unpack(RawChunk(b"\x30\xff\xff\xff\xff\x7f", 1, 1)) == []
    wait_until(lambda: link._connection == 2, 30, "another line stands")
    link.stop()


def test_why_a_broker_ends_the_line_is_in_the_log(mosquitto, caplog):
    link = MqttConnection(MqttConfig(url=f"mqtt://127.0.0.1:{mosquitto.port}"))
    assert link.unpack(RawChunk(b"\xe0\x02\x8b\x00", 1, 1)) == []
    assert "the broker ends the connection: Server shutting down" in caplog.text


@pytest.mark.parametrize("count", [2, 5])
def test_of_several_hosts_one_stays(mosquitto, count):
    """Else each would store a part of the records, which the nodes then erase."""
    program_since("mosquitto", (2, 0, 15), "-h")
    hosts = [MqttConnection(MqttConfig(url=f"mqtt://127.0.0.1:{mosquitto.port}"))
             for _ in range(count)]
    for host in hosts:
        host.start()

    def away():
        return [host for host in hosts
                if host.state.startswith("another host has connected as idroserra-host: stop")]

    wait_until(lambda: len(away()) == count - 1, 60, "all but one have given way")
    [left] = [host for host in hosts if host not in away()]
    wait_until(lambda: left.is_connected and left.flush(), 60, left.state)
    for host in away():
        assert not host.flush()
        assert not host.publish("idro/v1/idro-a/down/command", b"{}")
        host.publish_qos0([("idro/v1/idro-a/down/stored", b"{}")])
    for host in hosts:
        host.stop()


def test_what_waits_is_bounded_in_bytes_too(mosquitto, monkeypatch):
    """Large messages that are not accepted stay in the broker until there is room."""
    monkeypatch.setattr(connection, "MAX_WAITING_BYTES", 1_000_000)
    link = MqttConnection(MqttConfig(url=f"mqtt://127.0.0.1:{mosquitto.port}"))
    link.start()
    wait_until(lambda: link.is_connected, 20, "the line stands")
    sender = mqtt.Client(CallbackAPIVersion.VERSION2)
    sender.connect("127.0.0.1", mosquitto.port)
    sender.loop_start()
    sent = [sender.publish("idro/v1/idro-big/up/event", bytes(200_000), qos=1) for _ in range(40)]
    for one in sent:
        one.wait_for_publish(30)
    wait_until(link._is_full, 30, "it is full")
    assert link._received_bytes < 2_500_000
    found = []
    while len(found) < 40:
        came = link.inbox.get(timeout=60)
        if isinstance(came, RawChunk):
            found += link.unpack(came)
            link.release(len(came.data))
    link.ack(found)
    assert link._connection == 1
    stop_client(sender)
    link.stop()


def publisher(port):
    client = mqtt.Client(CallbackAPIVersion.VERSION2)
    client.connect("127.0.0.1", port)
    client.loop_start()

    def publish(count, size=100):
        for number in range(count):
            topic = f"idro/v1/idro-n/up/{number}"
            client.publish(topic, bytes(size), qos=1).wait_for_publish(30)

    publish.client = client
    return publish


def test_an_idle_connection_delivers_the_first_message_at_once_and_batches_the_rest(
    mosquitto, monkeypatch
):
    monkeypatch.setattr(subscriber, "_NAP_S", 60.0)
    link = MqttConnection(MqttConfig(url=f"mqtt://127.0.0.1:{mosquitto.port}"))
    assert not link.flush()
    link.start()
    wait_until(lambda: link.is_connected, 20, "the line stands")
    while not isinstance(link.inbox.get(timeout=120), RawChunk):
        pass  # the status of this host itself
    assert link.flush()
    assert link.inbox.get(timeout=120).data == b""  # so it does not nap any more
    publish = publisher(mosquitto.port)
    publish(1)
    assert len(link.unpack(link.inbox.get(timeout=120))) == 1
    publish(5)
    assert link.inbox.empty()
    assert link.flush()
    assert len(link.unpack(link.inbox.get(timeout=120))) == 5
    assert link.flush()
    assert link.inbox.get(timeout=120).data == b""
    publish(1)  # at once again
    assert len(link.unpack(link.inbox.get(timeout=120))) == 1
    publish(40, size=10_000)
    assert len(link.unpack(link.inbox.get(timeout=120))) > 10
    stop_client(publish.client)
    link.stop()
