"""`socket` and `select` of lockstep mode, connected to the simulated broker.

A wait advances the virtual clock to the next event. `ipoll` allocates nothing for a wake-up
without network traffic, which decides the speed of a run.
"""

from idrosim.board.clock import FOREVER_US
from idrosim.greenhouse.rng import Rng
from idrosim.shim.hardware.timers import begin_wait, block, end_wait
from idrosim.shim.network.dns import Datagram
from idrosim.shim.network.links import CaptivePortal, Link

EINPROGRESS = 115
ECONNRESET = 104
ENOBUFS = 105
POLLIN, POLLOUT, POLLERR, POLLHUP = 1, 4, 8, 16
RESOLVE_FAILS_AFTER_US = 19_000_000  # blocking retries in lwIP (micropython #4801)
EAI_FAIL = -202


# States of the network and their effect on connections: cut silently, reset, or none.
_CUT, _RESET, _KEPT = 1, 2, 3
STATES = {
    "up": _KEPT, "down": _CUT, "broker_down": _RESET, "half_open": _CUT, "captive": _RESET,
    "dns_dead": _KEPT, "refused": _RESET, "duplicate": _KEPT, "slow": _KEPT,
    "wifi_refused": _CUT, "wifi_stuck": _CUT,
}


class Network:
    """Availability of Wi-Fi and broker, and the latency.

    half_open: connections to the broker open, but nothing answers. captive: names resolve to a
    portal that answers in HTTP. dns_dead: no name resolves. refused: the broker rejects the login.
    duplicate: the broker delivers everything twice. slow: see links.Link. wifi_refused: the access
    point rejects the node. wifi_stuck: the driver fails until the radio is switched off and on.
    """

    def __init__(self, clock, latency_ms, seed=1):
        self.clock = clock
        self.latency_us = latency_ms * 1_000
        self.state = "up"
        self.is_air_up = True
        self.is_broker_up = True
        self.link = None  # a Link while the network is slow
        self.wifi_status = None  # of an association that fails though the network is in range
        self.unnoticed_until_us = 0  # until then the driver does not notice the loss
        self.handshake_us = 0  # of TLS with the broker, in C: nothing else runs
        self.sockets = []
        self.broker = None
        self._rng = Rng(seed)

    def set(self, state, args=None):
        """Apply one of STATES. Raises ValueError."""
        if state not in STATES:
            raise ValueError(f"network: {state} is not one of {', '.join(sorted(STATES))}")
        args = args or {}
        self.state = state
        self.is_air_up = state not in ("down", "wifi_refused", "wifi_stuck")
        self.is_broker_up = state not in ("down", "broker_down")
        self.wifi_status = args.get("status", 202) if state == "wifi_refused" else None
        self.unnoticed_until_us = self.clock.now_us + args.get("unnoticed_ms", 0) * 1_000
        self.handshake_us = args.get("handshake_ms", 0) * 1_000
        self.broker.is_refusing = state == "refused"
        self.broker.is_doubling = state == "duplicate"
        if self.link is not None and STATES[state] == _KEPT:
            self.link.finish()
        self.link = None
        if state == "slow":
            self.link = Link(
                self.clock, args.get("delay_ms", 0) * 1_000 or self.latency_us,
                args.get("bytes_per_s", 0), args.get("loss", 0.0), self._rng)
        for socket in self.sockets[:]:
            if STATES[state] == _RESET:
                socket.reset_by_peer()
            elif STATES[state] == _CUT:
                socket.cut()

    @property
    def broker_address(self):
        """The address that names resolve to."""
        return "10.0.0.1" if self.state == "captive" else "192.168.4.1"

    def accept(self, socket):
        """Return the peer of a new connection, None if nothing answers."""
        if self.state == "half_open":
            return None
        if self.state == "captive":
            return CaptivePortal(socket, self.latency_us)
        return self.broker.accept(socket)


class Socket:
    """A non-blocking TCP client socket, as asyncio uses it."""

    network = None

    def __init__(self):
        self._peer = None
        self._chunks = []  # (due_us, bytes), in order
        self.in_due_us = FOREVER_US
        self.out_due_us = FOREVER_US
        self._reset_due_us = FOREVER_US
        self._is_cut = False
        self._is_closed = False
        self._has_written = False

    # called by the firmware

    def setblocking(self, flag):
        """Accept only False: all calls are asynchronous."""
        if flag:
            raise OSError(ENOBUFS)

    def settimeout(self, timeout_s):
        """Accept only 0: all calls are asynchronous."""
        self.setblocking(timeout_s != 0)

    def setsockopt(self, level, option, value):
        """Accepted and ignored."""

    def connect(self, address):
        """Start connecting. Always raises OSError(EINPROGRESS)."""
        network = self.network
        now_us = network.clock.now_us
        network.sockets.append(self)
        if network.is_air_up and network.is_broker_up:
            self._peer = network.accept(self)
            self._is_cut = self._peer is None
            if network.link is None:
                self.out_due_us = now_us + network.latency_us
            else:
                self.out_due_us = network.link.due_us(1)
        elif network.is_air_up:
            self.reset_by_peer()
        raise OSError(EINPROGRESS)

    def write(self, data):
        """Send bytes; return their number, None while the buffer is full. Raises OSError."""
        self._check()
        if not self._has_written:
            self._has_written = True
            if self.network.handshake_us and self._peer is not None:
                block(self.network.handshake_us)
                self._check()
        if self._is_cut:
            if self.network.is_air_up and self.network.state != "half_open":
                self.reset_by_peer()  # the peer has dropped this connection
        elif self._peer is not None:
            if self.network.link is not None:
                return self.network.link.carry(self, data)
            self._peer.received(data)
        return len(data)

    send = write

    def read(self, size=-1):
        """Return at most `size` bytes, None if none have arrived, b"" at the end."""
        self._check()
        now_us = self.network.clock.now_us
        if self.in_due_us > now_us:
            return None
        data = self._chunks[0][1]
        if data and 0 <= size < len(data):
            self._chunks[0] = (self._chunks[0][0], data[size:])
            return data[:size]
        if data:
            self._chunks.pop(0)
            self._note_next()
        return data

    recv = read

    def readinto(self, buffer):
        """Read into `buffer`; return the number of bytes or None."""
        data = self.read(len(buffer))
        if data is None:
            return None
        buffer[: len(data)] = data
        return len(data)

    def close(self):
        """Close; data in flight is lost."""
        self._is_closed = True
        if self in self.network.sockets:
            self.network.sockets.remove(self)
        if self._peer is not None and not self._is_cut:
            self._peer.closed()
        self._peer = None

    # called by the network

    def deliver(self, data, delay_us):
        """Deliver `data` in `delay_us`; b"" is the end of the stream."""
        network = self.network
        if network.link is None:
            due_us = network.clock.now_us + delay_us
        else:
            due_us = network.link.due_us(len(data))
        if self._chunks and self._chunks[-1][0] > due_us:
            due_us = self._chunks[-1][0]
        self._chunks.append((due_us, data))
        self._note_next()

    def hold(self):
        """Mark the send buffer as full, until some of it has arrived."""
        self.out_due_us = FOREVER_US

    def arrived(self, data):
        """Pass bytes in flight to the peer."""
        if self._peer is not None:
            self._peer.received(data)
        if not self._is_closed:
            self.out_due_us = min(self.out_due_us, self.network.clock.now_us)

    def cut(self):
        """Cut the connection silently, as by loss of the radio."""
        self._is_cut = True
        self._chunks = []
        self.in_due_us = FOREVER_US
        if self._peer is not None:
            self._peer.closed()
            self._peer = None

    def reset_by_peer(self):
        """Reset the connection: the firmware gets an error after one latency."""
        due_us = self.network.clock.now_us + self.network.latency_us
        if due_us < self._reset_due_us:
            self._reset_due_us = due_us
        self.in_due_us = min(self.in_due_us, due_us)
        self.out_due_us = min(self.out_due_us, due_us)
        self._peer = None

    def _note_next(self):
        self.in_due_us = self._chunks[0][0] if self._chunks else self._reset_due_us

    def _check(self):
        if self._is_closed:
            raise OSError(9)
        if self._reset_due_us <= self.network.clock.now_us:
            raise OSError(ECONNRESET)


class Poll:
    """select.poll over simulated sockets."""

    clock = None

    def __init__(self):
        self._entries = []  # [socket, events]

    def register(self, socket, events=POLLIN | POLLOUT):
        """Watch `socket`."""
        for entry in self._entries:
            if entry[0] is socket:
                entry[1] = events
                return
        self._entries.append([socket, events])

    modify = register

    def unregister(self, socket):
        """Stop watching `socket`."""
        for index, entry in enumerate(self._entries):
            if entry[0] is socket:
                self._entries.pop(index)
                return

    def ipoll(self, timeout_ms=-1, flags=0):
        """Return the ready sockets, after at most `timeout_ms` of virtual time; -1: no limit."""
        if timeout_ms != 0:
            self.wait(timeout_ms)
        return self._ready()

    poll = ipoll

    def wait(self, timeout_ms):
        """Advance time until a socket is ready, at most `timeout_ms`; -1: no limit."""
        begin_wait()
        try:
            self._wait(timeout_ms)
        finally:
            end_wait()

    def _wait(self, timeout_ms):
        clock = self.clock
        end_us = FOREVER_US if timeout_ms < 0 else clock.now_us + timeout_ms * 1_000
        while True:
            wake_us = end_us
            for entry in self._entries:
                due_us = entry[0].in_due_us if entry[1] & POLLIN else FOREVER_US
                if entry[1] & POLLOUT and entry[0].out_due_us < due_us:
                    due_us = entry[0].out_due_us
                if due_us < wake_us:
                    wake_us = due_us
            if wake_us <= clock.now_us:
                return
            due_us = clock.next_due_us
            if due_us > wake_us:
                clock.now_us = wake_us  # no alarm is due before
                return
            if due_us == FOREVER_US:
                raise RuntimeError("deadlock: the firmware waits without a pending event")
            clock.advance_to(due_us)

    def _ready(self):
        now_us = self.clock.now_us
        for entry in self._entries:
            socket = entry[0]
            if socket.in_due_us <= now_us or (entry[1] & POLLOUT and socket.out_due_us <= now_us):
                return self._found(now_us)
        return ()

    def _found(self, now_us):
        ready = []
        for socket, events in self._entries:
            found = events & POLLIN if socket.in_due_us <= now_us else 0
            if socket.out_due_us <= now_us:
                found |= events & POLLOUT
            if found:
                ready.append((socket, found))
        return ready


def socket_functions(network):
    """Return the public names of `socket`."""
    Socket.network = Datagram.network = network

    def make(family=2, kind=1, protocol=0):
        return Datagram() if kind == 2 else Socket()

    def getaddrinfo(host, port, family=0, kind=0, protocol=0, flags=0):
        if not all(part.isdigit() for part in host.split(".")):
            if not network.is_air_up or network.state == "dns_dead":
                block(RESOLVE_FAILS_AFTER_US)
                raise OSError(EAI_FAIL)
            block(2 * network.latency_us)
            host = network.broker_address
        return [(2, 1, 0, "", (host, port))]

    return {
        "socket": make, "getaddrinfo": getaddrinfo, "AF_INET": 2, "AF_INET6": 10,
        "SOCK_STREAM": 1, "SOCK_DGRAM": 2, "SOL_SOCKET": 0xFFF, "SO_REUSEADDR": 4,
        "IPPROTO_TCP": 6, "TCP_NODELAY": 1,
    }


def select_functions(clock):
    """Return the public names of `select`."""
    Poll.clock = clock
    return {
        "poll": Poll, "POLLIN": POLLIN, "POLLOUT": POLLOUT, "POLLERR": POLLERR, "POLLHUP": POLLHUP}
