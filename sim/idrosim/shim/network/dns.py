"""Simulated UDP socket with a name server (RFC 1035), which also resolves .local names.

Written from the standard, not from the resolver of the firmware.
"""

from idrosim.board.clock import FOREVER_US

_HEAD_BYTES = 12
_TTL_S = b"\0\0\0\x3c"


class Datagram:
    """A UDP socket, as asyncio uses it."""

    network = None

    def __init__(self):
        self._answers = []  # (due_us, bytes)
        self.in_due_us = FOREVER_US
        self.out_due_us = 0
        self._is_closed = False

    def setblocking(self, flag):
        """Accept only False: all calls are asynchronous."""
        if flag:
            raise OSError(105)

    def sendto(self, data, address):
        """Send to (host, port); without a server there the data is lost. Return the byte count."""
        network = self.network
        if self._is_closed:
            raise OSError(9)
        is_answered = network.is_air_up and network.state not in ("dns_dead", "half_open")
        if is_answered and address[1] in (53, 5_353):
            due_us = network.clock.now_us + 2 * network.latency_us
            if network.link is not None:
                due_us = network.link.due_us(len(data))
            self._answers.append((due_us, reply(bytes(data), network.broker_address)))
            self.in_due_us = self._answers[0][0]
        return len(data)

    def read(self, size=-1):
        """Return the next datagram, or None if none has arrived."""
        if self.in_due_us > self.network.clock.now_us:
            return None
        data = self._answers.pop(0)[1]
        self.in_due_us = self._answers[0][0] if self._answers else FOREVER_US
        return data if size < 0 else data[:size]

    recv = read

    def close(self):
        """Close the socket."""
        self._is_closed = True
        self.in_due_us = FOREVER_US


def reply(question, address):
    """Return the answer to a query for an A record: `address` for every name."""
    at = _HEAD_BYTES
    while question[at]:
        at += 1 + question[at]
    asked = question[_HEAD_BYTES : at + 5]
    record = b"\xc0\x0c\0\1\0\1" + _TTL_S + b"\0\4"
    numbers = bytes(int(part) for part in address.split("."))
    return question[:2] + b"\x81\x80\0\1\0\1\0\0\0\0" + asked + record + numbers
