"""Chooses among the addresses of the broker's name, so that no half-dead broker holds a client."""

from __future__ import annotations

import socket


class BrokerAddresses:
    """Connects to the first address that answers. Those whose broker did not accept the client, or
    was of no use to it, come last: RabbitMQ after its disk was full answers too."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._address: object = None  # of the last connection
        self._unaccepted: list[object] = []  # the longest ago first

    def connect(self, timeout_s: float) -> socket.socket:
        """Return a connection with this time-out. Raises OSError."""
        error: OSError | None = None
        for family, kind, protocol, _, address in sorted(
                socket.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM),
                key=lambda one: self._rank(one[4])):
            connection = socket.socket(family, kind, protocol)
            connection.settimeout(timeout_s)
            try:
                connection.connect(address)
            except OSError as why:
                connection.close()
                error = why
                continue
            self._address = address
            self.not_accepted()  # until accepted()
            return connection
        raise error or OSError(f"{self._host}: no address")

    def accepted(self) -> None:
        """Note that the broker of the last connection accepted the client."""
        self._unaccepted = self._others()

    def not_accepted(self) -> None:
        """Note that the broker of the last connection is of no use to the client."""
        self._unaccepted = [*self._others(), self._address]

    def _others(self) -> list[object]:
        return [one for one in self._unaccepted if one != self._address]

    def _rank(self, address: object) -> int:
        if address not in self._unaccepted:
            return -1
        return self._unaccepted.index(address)
