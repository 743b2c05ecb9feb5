"""The broker's door as a node sees it: who is let in, and putting somebody out for good.

mosquitto reads its revocation list again on SIGHUP but leaves whoever is connected. As a client id
on the nodes' door is the name in the certificate, a short visit under that name ends the session.
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
_AGAIN_S = 0.1
_VISIT = timedelta(minutes=5)
_CONNACK = 0x20


class NodeListener:
    """The nodes' door of the broker whose files lie in `folder`, on this machine."""

    def __init__(self, folder: Path, authority: BrokerCA) -> None:
        """Raises HostError where the configuration names no door."""
        self._authority = authority
        self.address, self.port = node_listener_address(folder / "mosquitto.conf")

    def answers(self) -> bool:
        """Whether somebody listens there."""
        try:
            socket.create_connection((self.address, self.port), ANSWER_S).close()
        except OSError:
            return False
        return True

    def accepts(self, node: str, cert: Path, key: Path) -> bool:
        """Whether the broker takes an MQTT connection with this certificate. A node that is
        connected loses its connection where it does. Raises BrokerSilent."""
        context = ssl.create_default_context(cafile=str(self._authority.path))
        context.load_cert_chain(cert, key)
        context.check_hostname = False  # it is our own broker, at an address of this machine
        try:
            plain = socket.create_connection((self.address, self.port), ANSWER_S)
        except OSError as error:
            raise BrokerControlError(f"the broker does not answer at {self.address}:{self.port}: "
                               f"{error.strerror or error}") from None
        with plain:
            try:
                with context.wrap_socket(plain) as line:
                    line.sendall(packets.connect(node, node, None, 30, None))
                    answer = line.recv(4)
                    is_in = len(answer) == 4 and answer[0] == _CONNACK and answer[3] == 0
                    if is_in:
                        line.sendall(b"\xe0\x00")  # DISCONNECT: no last will
                    return is_in
            except (ssl.SSLError, ConnectionError):
                return False
            except TimeoutError:
                raise BrokerControlError(f"{self.address}:{self.port}: no answer in {ANSWER_S:g} s"
                                   ) from None

    def disconnect(self, node: str, cert: Path, key: Path, *, was_reloaded: bool) -> None:
        """Wait until the broker refuses a certificate, then end what it still has with that node.

        `was_reloaded`: it was told to read its files again. Raises BrokerSilent."""
        until_s = time.monotonic() + REFUSED_WITHIN_S
        while self.accepts(node, cert, key):
            if not was_reloaded:
                raise BrokerControlError(
                    f"the broker at {self.address}:{self.port} does not run on this machine and "
                    f"still accepts {node}: make it reload its files (kill -HUP; docker "
                    "compose kill -s HUP mosquitto), then repeat the command")
            if time.monotonic() > until_s:
                raise BrokerControlError(
                    f"the broker still accepts {node} after its revocation: restart the broker")
            time.sleep(_AGAIN_S)
        with tempfile.TemporaryDirectory(dir=cert.parent) as folder:
            visit = Path(folder) / "visit.pem", Path(folder) / "visit.key"
            self._authority.issue_client(node, *visit, good_for=_VISIT)
            if not self.accepts(node, *visit):
                raise BrokerControlError(f"{node} cannot connect any more, but an open connection "
                                         "remains until the broker restarts")


def node_listener_address(path: Path) -> tuple[str, int]:
    """Return address and port of the first listener of mosquitto.conf."""
    for text in path.read_text("utf-8").splitlines():
        words = text.split()
        if words[:1] == ["listener"] and len(words) >= 2 and words[1].isdecimal():
            address = words[2] if len(words) > 2 else ""
            return ("127.0.0.1" if address in ("", "0.0.0.0") else address), int(words[1])
    raise HostError(f"{path}: no listener: `idroserra broker init --overwrite` writes it anew")
