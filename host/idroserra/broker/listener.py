"""Tests whether the broker accepts a client certificate, and disconnects revoked nodes.

mosquitto reloads its revocation list on SIGHUP but keeps existing connections. The client id of a
node is the name in its certificate, so a short connection under that name ends the existing one.
"""

from __future__ import annotations

import socket
import ssl
import tempfile
import time
from datetime import timedelta
from pathlib import Path

from idroserra.broker.mosquitto import BrokerControlError
from idroserra.core.errors import HostError
from idroserra.mqtt import packets
from idroserra.pki.broker_ca import BrokerCA

ANSWER_S = 5.0
REFUSED_WITHIN_S = 30.0
RELOADED_WITHIN_S = 3.0  # by systemd, which watches the revocation list
_POLL_S = 0.1
_TAKEOVER = timedelta(minutes=5)  # validity of the certificate that ends a connection
_CONNACK = 0x20


class NodeListener:
    """The nodes' listener of the broker on this machine."""

    def __init__(self, configuration: Path, authority: BrokerCA) -> None:
        """Raises HostError if the configuration has no listener."""
        self._authority = authority
        self.address, self.port = listener_addresses(configuration)[0]

    def accepts(self, node: str, cert: Path, key: Path) -> bool:
        """Whether the broker accepts an MQTT connection with this certificate.

        If so, an existing connection of the node ends. Raises BrokerControlError."""
        context = ssl.create_default_context(cafile=str(self._authority.path))
        context.load_cert_chain(cert, key)
        context.check_hostname = False  # the broker on this machine, addressed by IP
        try:
            plain = socket.create_connection((self.address, self.port), ANSWER_S)
        except OSError as error:
            raise BrokerControlError(f"the broker does not answer at {self.address}:{self.port}: "
                               f"{error.strerror or error}") from None
        with plain:
            try:
                with context.wrap_socket(plain) as connection:
                    # Clean: mosquitto 2.0 frees a kept session of an offline client twice if it
                    # reloads its files (src/security_default.c, src/session_expiry.c).
                    connection.sendall(
                        packets.connect(node, node, None, 30, None, is_clean=True))
                    answer = connection.recv(4)
                    accepted = len(answer) == 4 and answer[0] == _CONNACK and answer[3] == 0
                    if accepted:
                        connection.sendall(packets.DISCONNECT_PACKET)  # sends no last will
                    return accepted
            except (ssl.SSLError, ConnectionError):
                return False
            except TimeoutError:
                raise BrokerControlError(f"{self.address}:{self.port}: no answer in {ANSWER_S:g} s"
                                   ) from None

    def disconnect(self, node: str, cert: Path, key: Path, *, was_reloaded: bool) -> None:
        """Wait until the broker refuses a certificate, then end the node's open connection.

        Parameters and errors are those of wait_until_refused()."""
        self.wait_until_refused(node, cert, key, was_reloaded=was_reloaded)
        with tempfile.TemporaryDirectory(dir=cert.parent) as folder:
            takeover = Path(folder) / "takeover.pem", Path(folder) / "takeover.key"
            self._authority.issue_client(node, *takeover, good_for=_TAKEOVER)
            if not self.accepts(node, *takeover):
                raise BrokerControlError(f"{node} cannot connect any more, but an open connection "
                                         "remains until the broker restarts")

    def wait_until_refused(
        self, node: str, cert: Path, key: Path, *, was_reloaded: bool
    ) -> None:
        """Wait until the broker refuses a certificate. Each check that it accepts ends the open
        connection of the node.

        `was_reloaded`: SIGHUP was sent to the broker; else another program may do so. Raises
        BrokerControlError."""
        until_s = time.monotonic() + (REFUSED_WITHIN_S if was_reloaded else RELOADED_WITHIN_S)
        while self.accepts(node, cert, key):
            if time.monotonic() > until_s and not was_reloaded:
                raise BrokerControlError(
                    f"the broker at {self.address}:{self.port} cannot be signalled from here and "
                    f"still accepts {node}: make it reload its files (sudo systemctl reload "
                    "idroserra-broker; docker compose kill -s HUP mosquitto), then repeat the "
                    "command")
            if time.monotonic() > until_s:
                raise BrokerControlError(
                    f"the broker still accepts {node} after its revocation: restart the broker")
            time.sleep(_POLL_S)


def listener_addresses(path: Path) -> list[tuple[str, int]]:
    """Return address and port of the listeners in mosquitto.conf: nodes, programs.

    Raises HostError."""
    found = []
    for text in path.read_text("utf-8").splitlines():
        words = text.split()
        if words[:1] == ["listener"] and len(words) >= 2 and words[1].isdecimal():
            address = words[2] if len(words) > 2 else ""
            found.append(("127.0.0.1" if address in ("", "0.0.0.0") else address, int(words[1])))
    if len(found) < 2:
        raise HostError(f"{path}: two listeners are missing: restore them with `idroserra broker "
                        "init --overwrite`")
    return found


def is_listening(address: tuple[str, int]) -> bool:
    """Whether something accepts TCP connections at an address."""
    try:
        socket.create_connection(address, ANSWER_S).close()
    except OSError:
        return False
    return True
