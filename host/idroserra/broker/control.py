"""Changes the access list of the running broker and deletes retained messages, as user `host`."""

from __future__ import annotations

import json
import secrets
import socket
import ssl
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from idroserra.broker.access import CONTROL_TOPIC, RESPONSE_TOPIC, Json
from idroserra.broker.mosquitto import BrokerControlError
from idroserra.mqtt import packets
from idroserra.mqtt.packets import MalformedPacket, Packet, PacketParser

ANSWER_S = 10.0
KEEPALIVE_S = 60
MAX_PACKET_BYTES = 1_048_576
# A busy broker may close a new connection.
TRIES, PAUSE_S = 5, 0.2
# Errors of commands that find their work done already.
_DONE_BEFORE = {
    ("createRole", "Role already exists"), ("createClient", "Client already exists"),
    ("deleteRole", "Role not found"), ("deleteClient", "Client not found"),
    ("addRoleACL", "ACL with this topic already exists"),
}

Result = TypeVar("Result")


class BrokerControl:
    """The listener for programs, at which each call makes a short connection with the certificate
    of the host. The calls can be repeated, and raise BrokerControlError."""

    def __init__(self, address: tuple[str, int], ca: Path, cert: Path, key: Path) -> None:
        self.where = f"{address[0]}:{address[1]}"
        self._address = address
        self._context = ssl.create_default_context(cafile=str(ca))
        self._context.load_cert_chain(cert, key)
        self._context.check_hostname = False  # the broker on this machine, addressed by IP

    def run(self, commands: Sequence[Json]) -> None:
        """Run commands of the dynamic security plugin; what is done already is no error."""
        for answer in self._repeated(lambda connection: connection.run(commands)):
            command, error = str(answer.get("command")), answer.get("error")
            if error is not None and (command, error) not in _DONE_BEFORE:
                raise BrokerControlError(f"the broker at {self.where}: {command}: {error}")

    def clear(self, topic_filter: str) -> None:
        """Delete the retained messages of topics."""
        self._repeated(lambda connection: connection.clear(topic_filter))

    def _repeated(self, act: Callable[[_Connection], Result]) -> Result:
        why = ""
        for _ in range(TRIES):
            try:
                with (socket.create_connection(self._address, ANSWER_S) as plain,
                      self._context.wrap_socket(plain) as secured):
                    connection = _Connection(secured)
                    result = act(connection)
                    secured.sendall(packets.DISCONNECT_PACKET)
                    return result
            except (OSError, MalformedPacket, ValueError) as error:
                why = str(getattr(error, "strerror", None) or error)
            threading.Event().wait(PAUSE_S)
        raise BrokerControlError(
            f"the broker at {self.where} does not answer the host: {why}. If it has just been "
            "updated, run `idroserra broker init` and restart the broker")


class _Connection:
    """An MQTT 3.1.1 connection. Raises OSError, MalformedPacket, ValueError."""

    def __init__(self, secured: ssl.SSLSocket) -> None:
        self._socket = secured
        self._parser = PacketParser(MAX_PACKET_BYTES)
        self._waiting: list[Packet] = []
        # Clean: mosquitto 2.0 cannot reload beside a kept session of an offline client.
        self._send(packets.connect(f"idroserra-control-{secrets.token_hex(4)}", None, None,
                                   KEEPALIVE_S, None, is_clean=True))
        self._accepted(packets.CONNACK)
        self._send(packets.subscribe([RESPONSE_TOPIC], is_v5=False))
        self._accepted(packets.SUBACK)

    def run(self, commands: Sequence[Json]) -> list[Json]:
        """Return the responses to commands."""
        token = secrets.token_hex(8)
        asked = {"commands": [{**command, "correlationData": token} for command in commands]}
        self._send(packets.publish(CONTROL_TOPIC, json.dumps(asked).encode(), is_v5=False))
        while True:
            body = self._until(packets.PUBLISH)[-1].body
            answers: list[Json] = json.loads(body[2 + _topic_length(body):])["responses"]
            if any(one.get("correlationData") == token for one in answers):
                return answers  # others are to another connection of this user

    def clear(self, topic_filter: str) -> None:
        """Delete the retained messages that the broker sends after a subscription, 20 at most,
        and subscribe again until there are no more."""
        while True:
            self._send(packets.subscribe([topic_filter], is_v5=False) + packets.PINGREQ)
            kept = [packet for packet in self._until(packets.PINGRESP)
                    if packet.kind == packets.PUBLISH and packet.first & 1]
            if not kept:
                return
            for packet in kept:
                topic = packet.body[: 2 + _topic_length(packet.body)]
                self._send(packets.pack(Packet(0x31, topic)))
            self._send(packets.PINGREQ)
            self._until(packets.PINGRESP)

    def _accepted(self, kind: int) -> None:
        refused = packets.refusal(self._until(kind)[-1], is_v5=False)
        if refused is not None:
            raise ConnectionRefusedError(refused)

    def _send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def _until(self, kind: int) -> list[Packet]:
        """Return the packets up to the next one of a kind."""
        found: list[Packet] = []
        while True:
            while self._waiting:
                found.append(self._waiting.pop(0))
                if found[-1].kind == kind:
                    return found
            data = self._socket.recv(65_536)
            if not data:
                raise ConnectionResetError("it hung up")
            self._waiting += self._parser.feed(data)


def _topic_length(body: bytes) -> int:
    return body[0] << 8 | body[1]
