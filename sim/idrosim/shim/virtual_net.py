"""The board's `socket` and `select` in lockstep: one simulated wire to one simulated broker.

A wait moves the virtual clock to the next thing that can happen. `ipoll` allocates nothing for a
wake-up without network traffic: that is what decides the speed of a whole run.
"""

from idrosim.clock import FOREVER_US

EINPROGRESS = 115
ECONNRESET = 104
ENOTCONN = 128
ENOBUFS = 105
POLLIN, POLLOUT, POLLERR, POLLHUP = 1, 4, 8, 16
RESOLVE_FAILS_AFTER_US = 19_000_000  # lwIP's own retries, blocking (micropython #4801)
EAI_FAIL = -202


class Network:
    """Whether the air and the broker are there, and how long a packet travels."""

    def __init__(self, clock, latency_ms):
        self.clock = clock
        self.latency_us = latency_ms * 1_000
        self.is_air_up = True
        self.is_broker_up = True
        self.sockets = []
        self.accept = None  # called with a Socket, returns its peer

    def set(self, state):
        """Apply "up", "down" (no radio) or "broker_down". Raises ValueError."""
        if state not in ("up", "down", "broker_down"):
            raise ValueError(f"network: {state} is none of up, down, broker_down")
        self.is_air_up = state != "down"
        self.is_broker_up = state == "up"
        if state == "up":
            return
        for socket in self.sockets[:]:
            if state == "broker_down":
                socket.reset_by_peer()
            else:
                socket.cut()


class Socket:
    """A TCP client socket without blocking mode, as asyncio uses it."""

    network = None

    def __init__(self, family=2, kind=1, protocol=0):
        self._peer = None
        self._chunks = []  # (due_us, bytes), in order
        self.in_due_us = FOREVER_US
        self.out_due_us = FOREVER_US
        self._reset_due_us = FOREVER_US
        self._is_cut = False
        self._is_closed = False

    # what the firmware calls

    def setblocking(self, flag):
        """Only False: everything here is asynchronous."""
        if flag:
            raise OSError(ENOBUFS)

    def settimeout(self, timeout_s):
        """Only 0: everything here is asynchronous."""
        self.setblocking(timeout_s != 0)

    def setsockopt(self, level, option, value):
        """Accepted and without effect."""

    def connect(self, address):
        """Start connecting; always ends in EINPROGRESS."""
        network = self.network
        now_us = network.clock.now_us
        network.sockets.append(self)
        if network.is_air_up and network.is_broker_up:
            self._peer = network.accept(self)
            self.out_due_us = now_us + network.latency_us
        elif network.is_air_up:
            self.reset_by_peer()
        raise OSError(EINPROGRESS)

    def write(self, data):
        """Hand bytes to the wire. Returns their number; raises OSError."""
        self._check()
        if self._is_cut:
            if self.network.is_air_up:
                self.reset_by_peer()  # the other end forgot this connection long ago
        elif self._peer is not None:
            self._peer.received(data)
        return len(data)

    send = write

    def read(self, size=-1):
        """Return at most `size` bytes, None when there are none yet, b"" at the end."""
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
        """As `read`, into `buffer`; returns the number of bytes or None."""
        data = self.read(len(buffer))
        if data is None:
            return None
        buffer[: len(data)] = data
        return len(data)

    def close(self):
        """Leave; what is under way is lost."""
        self._is_closed = True
        if self in self.network.sockets:
            self.network.sockets.remove(self)
        if self._peer is not None and not self._is_cut:
            self._peer.closed()
        self._peer = None

    # what the wire does

    def deliver(self, data, delay_us):
        """Let `data` arrive in `delay_us`; b"" is the end of the stream."""
        due_us = self.network.clock.now_us + delay_us
        if self._chunks and self._chunks[-1][0] > due_us:
            due_us = self._chunks[-1][0]
        self._chunks.append((due_us, data))
        self._note_next()

    def cut(self):
        """The radio is gone: nothing arrives any more, and nobody says so."""
        self._is_cut = True
        self._chunks = []
        self.in_due_us = FOREVER_US
        if self._peer is not None:
            self._peer.closed()
            self._peer = None

    def reset_by_peer(self):
        """The other end refuses: an error one latency from now."""
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
        """Watch `socket` no longer."""
        for index, entry in enumerate(self._entries):
            if entry[0] is socket:
                self._entries.pop(index)
                return

    def ipoll(self, timeout_ms=-1, flags=0):
        """Return what is ready, waiting at most `timeout_ms` of virtual time; -1 is for ever."""
        clock = self.clock
        if timeout_ms == 0:
            return self._ready()
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
                return self._ready()
            if clock.next_due_us < wake_us:
                wake_us = clock.next_due_us
            elif wake_us == FOREVER_US:
                raise RuntimeError("deadlock: the firmware waits for nothing that can happen")
            clock.advance_to(wake_us)

    poll = ipoll

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
    Socket.network = network

    def getaddrinfo(host, port, family=0, kind=0, protocol=0, flags=0):
        if not all(part.isdigit() for part in host.split(".")):
            if not network.is_air_up:
                network.clock.spend(RESOLVE_FAILS_AFTER_US)
                raise OSError(EAI_FAIL)
            network.clock.spend(2 * network.latency_us)
            host = "192.168.4.1"
        return [(2, 1, 0, "", (host, port))]

    return {
        "socket": Socket, "getaddrinfo": getaddrinfo, "AF_INET": 2, "AF_INET6": 10,
        "SOCK_STREAM": 1, "SOCK_DGRAM": 2, "SOL_SOCKET": 0xFFF, "SO_REUSEADDR": 4,
        "IPPROTO_TCP": 6, "TCP_NODELAY": 1,
    }


def select_functions(clock):
    """Return the public names of `select`."""
    Poll.clock = clock
    return {
        "poll": Poll, "POLLIN": POLLIN, "POLLOUT": POLLOUT, "POLLERR": POLLERR,
        "POLLHUP": POLLHUP,
    }
