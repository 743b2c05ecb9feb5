"""`select` and `socket` in live mode: the real ones, with an ear on them.

The poll waits no longer than the next alarm of the simulated board is away, so timers, watchdog
and trace keep their time. The tap reads the PUBLISH packets below the firmware, as they
go to the kernel, and counts distinct records.
"""

import json

from idrosim.shim.network import mqtt_packets as wire

SENT_EVERY_US = 1_000_000
_RECORD_LEAVES = ("telemetry", "event")


class Air:
    """The radio of a live node."""

    wifi_status = None
    unnoticed_until_us = 0

    def __init__(self):
        self.state = "up"
        self.is_air_up = True

    def set(self, state, args=None):
        """Apply "up" or "down"; the broker is a real one and has its own ups and downs."""
        self.state = state
        self.is_air_up = state != "down"


class Tap:
    """Counts the records of each boot that were handed to the socket."""

    def __init__(self, rig):
        self._rig = rig
        self._spans = {}  # boot_id: [[first, last]] of seqs, ascending
        self._changed = []

    def state(self):
        """Return what outlives a reset."""
        return self._spans

    def restore(self, state):
        """Take up where `state` left off."""
        self._spans = state

    def seen(self, topic, payload):
        """A PUBLISH went out."""
        if topic.split("/")[-1] not in _RECORD_LEAVES:
            return
        batch = json.loads(str(payload, "utf-8"))
        boot_id = batch["boot_id"]
        spans = self._spans.setdefault(boot_id, [])
        for record in batch["records"]:
            _add(spans, record["seq"])
        if boot_id not in self._changed:
            self._changed.append(boot_id)

    def report(self):
        """Print what changed since the last report."""
        for boot_id in self._changed:
            spans = self._spans[boot_id]
            count = sum(last - first + 1 for first, last in spans)
            self._rig.emit({
                "t": "sent", "at_ms": self._rig.clock.now_us // 1_000, "boot_id": boot_id,
                "seq": spans[-1][1], "count": count,
            })
        self._changed = []

    def arm(self):
        """Report once a second from now on."""
        clock = self._rig.clock

        def tick():
            self.report()
            clock.at(clock.now_us + SENT_EVERY_US, tick)

        clock.at(clock.now_us + SENT_EVERY_US, tick)


def _add(spans, seq):
    """Add `seq` to ascending spans that do not touch."""
    index = len(spans)
    while index and spans[index - 1][0] > seq:
        index -= 1
    if index and spans[index - 1][1] >= seq:
        return
    joins_before = index and spans[index - 1][1] == seq - 1
    joins_after = index < len(spans) and spans[index][0] == seq + 1
    if joins_before and joins_after:
        spans[index - 1][1] = spans.pop(index)[1]
    elif joins_before:
        spans[index - 1][1] = seq
    elif joins_after:
        spans[index][0] = seq
    else:
        spans.insert(index, [seq, seq])


def socket_functions(real_socket, tap, air):
    """Return the public names of `socket`."""

    class Socket:
        """A real socket whose outgoing bytes are listened to."""

        def __init__(self, family=2, kind=1, protocol=0):
            self._real = real_socket.socket(family, kind)
            self._reader = wire.PacketReader()
            self.read = self._real.read
            self.readinto = self._real.readinto
            self.readline = self._real.readline
            self.recv = self._real.recv
            self.connect = self._real.connect
            self.setblocking = self._real.setblocking
            self.settimeout = self._real.settimeout
            self.setsockopt = self._real.setsockopt
            self.close = self._real.close

        def write(self, data):
            """Write, and listen to what the kernel took."""
            if not air.is_air_up:
                raise OSError(113)
            count = self._real.write(data)
            if count:
                for first, body in self._reader.feed(bytes(data[:count])):
                    if first >> 4 == wire.PUBLISH:
                        topic, payload, _ = wire.read_publish(first, body)
                        tap.seen(topic, payload)
            return count

        send = write

    def getaddrinfo(host, port, *rest):
        return real_socket.getaddrinfo(host, port, *rest)

    return {
        "socket": Socket, "getaddrinfo": getaddrinfo, "AF_INET": real_socket.AF_INET,
        "AF_INET6": real_socket.AF_INET6, "SOCK_STREAM": real_socket.SOCK_STREAM,
        "SOCK_DGRAM": real_socket.SOCK_DGRAM, "SOL_SOCKET": real_socket.SOL_SOCKET,
        "SO_REUSEADDR": real_socket.SO_REUSEADDR,
    }


class Hand:
    """What somebody does to a live node: a line of its `stdin` is an event of a timeline, for now;
    the end of it ends the node."""

    def __init__(self, rig, stdin):
        self._rig = rig
        self._stdin = stdin
        self._begun = ""

    def read(self):
        """Take a character that is there."""
        char = self._stdin.read(1)
        if not char:
            self._rig.finish()
        elif char == "\n":
            event, self._begun = json.loads(self._begun), ""
            self._rig.happen(event)
        else:
            self._begun += char


def select_functions(real_select, rig, stdin):
    """Return the public names of `select`. What comes on `stdin` goes to a Hand."""
    clock = rig.clock
    hand = Hand(rig, stdin)

    class Poll:
        """A real poll that also serves the simulated board."""

        def __init__(self):
            self._real = real_select.poll()
            self._wrapped = {}  # id of the real stream: what the firmware registered
            self._real.register(stdin, real_select.POLLIN)

        def register(self, stream, events=real_select.POLLIN | real_select.POLLOUT):
            """Watch `stream`."""
            real = getattr(stream, "_real", stream)
            self._wrapped[id(real)] = stream
            self._real.register(real, events)

        def modify(self, stream, events):
            """Watch for other events."""
            self._real.modify(getattr(stream, "_real", stream), events)

        def unregister(self, stream):
            """Watch `stream` no longer."""
            real = getattr(stream, "_real", stream)
            self._wrapped.pop(id(real), None)
            self._real.unregister(real)

        def ipoll(self, timeout_ms=-1, flags=0):
            """Return what is ready after at most `timeout_ms`; alarms fire meanwhile."""
            end_us = None if timeout_ms < 0 else clock.now_us + timeout_ms * 1_000
            while True:
                clock.run_due()
                now_us = clock.now_us
                wait_us = clock.next_due_us - now_us
                if end_us is not None:
                    wait_us = min(wait_us, end_us - now_us)
                found = self._real.poll(max(0, (wait_us + 999) // 1_000))
                ready = [(self._wrapped.get(id(item[0])), item[1]) for item in found]
                if any(stream is None for stream, _ in ready):
                    hand.read()
                ready = [entry for entry in ready if entry[0] is not None]
                if ready or (end_us is not None and clock.now_us >= end_us):
                    clock.run_due()
                    return ready

        poll = ipoll

    return {
        "poll": Poll, "POLLIN": real_select.POLLIN, "POLLOUT": real_select.POLLOUT,
        "POLLERR": real_select.POLLERR, "POLLHUP": real_select.POLLHUP,
    }
