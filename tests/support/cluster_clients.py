"""Clients of a cluster of RabbitMQ: a host, a scripted node, and a plain MQTT client."""

import queue
import ssl

import paho.mqtt.client as mqtt

from idro.protocol import topics
from idroserra.mqtt.paho_client import stop_client
from support.paho_node import PahoNode
from support.rabbitmq_cluster import MEMBERS
from support.real_host import KEY, Host
from support.wait import wait_until


def context(brokers, files):
    """Return a context that trusts the brokers and presents (certificate, key) files."""
    found = ssl.create_default_context(cafile=str(brokers.certificates.server_ca))
    found.load_cert_chain(*files)
    return found


def node_of(brokers, port, name):
    """Return a scripted node."""
    return PahoNode(name, port, KEY, context(brokers, brokers.files(name)))


def host_of(brokers, port, folder):
    """Return a running host."""
    cert, key = brokers.files("host")
    return Host(folder, port, wait_until, more={"mqtt": {
        "url": f"mqtts://localhost:{port}", "cert_file": str(cert), "key_file": str(key),
        "ca_file": str(brokers.certificates.server_ca)}})


class Client:
    """A paho client at one of the brokers; `received` are topics."""

    def __init__(self, brokers, user, *, client_id=None, member=MEMBERS[0], files=None,
                 is_kept=False):
        self.received, self.results = queue.Queue(), queue.Queue()
        self.paho = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=client_id or user,
                                clean_session=not is_kept, reconnect_on_failure=False)
        self.paho.tls_set_context(context(brokers, files or brokers.files(user)))
        self.paho.on_connect = lambda *a: self.results.put(("connected", not a[3].is_failure))
        self.paho.on_disconnect = lambda *_: self.results.put(("connected", False))
        self.paho.on_subscribe = lambda *a: self.results.put(
            ("subscribed", not a[3][0].is_failure))
        self.paho.on_message = lambda _c, _u, message: self.received.put(message.topic)
        self.paho.connect(member, brokers.ports.node)
        self.paho.loop_start()
        self.is_accepted = self.result() == ("connected", True)

    def result(self):
        return self.results.get(timeout=60)

    def subscribe(self, topic):
        self.paho.subscribe(topic, 1)
        return self.result() == ("subscribed", True)

    def publish(self, topic, payload=b"x"):
        return self.paho.publish(topic, payload, 1)

    def close(self):
        stop_client(self.paho)


def is_still_there(client):
    """Whether a client that was connected before still is, by a round trip."""
    client.publish(topics.up(client.paho._client_id.decode(), "ack")).wait_for_publish(30)
    return client.results.empty() and client.paho.is_connected()
