"""`select` and `socket` of live mode: wrappers of the real ones.

Poll waits no longer than until the next alarm of the simulated board, so timers, watchdog and
trace are on time. TrafficTap parses the PUBLISH packets that go to the kernel, independently of
the firmware, and counts distinct records.
"""

import json

from idrosim.shim.hardware.timers import begin_wait, end_wait
from idrosim.shim.network import mqtt_packets as wire

SENT_EVERY_US = 1_000_000
_RECORD_LEAVES = ("telemetry", "event")


class Radio:
    """The radio of a live node."""

    wifi_status = None
    unnoticed_until_us = 0

    def __init__(self):
        self.state = "up"
        self.is_air_up = True

    def set(self, state, args=None):
        """Apply "up" or "down"; other states need the simulated broker."""
        self.state = state
        self.is_air_up = state != "down"


class TrafficTap:
    """Counts the records of each boot that were written to the socket."""

    def __init__(self, runtime):
        self._runtime = runtime
        self._spans = {}  # boot_id: [[first, last]] of seqs, ascending
        self._changed = []

    def state(self):
        """Return the state that survives a reset."""
        return self._spans

    def restore(self, state):
        """Restore what `state` returned."""
        self._spans = state

    def count(self, topic, payload):
        """Count the records of an outgoing PUBLISH."""
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
        """Print the counts that changed since the last report."""
        for boot_id in self._changed:
            spans = self._spans[boot_id]
            count = sum(last - first + 1 for first, last in spans)
            self._runtime.emit({
                "t": "sent", "at_ms": self._runtime.clock.now_us // 1_000, "boot_id": boot_id,
                "seq": spans[-1][1], "count": count})
        self._changed = []

    def arm(self):
        """Start to report once a second."""
        clock = self._runtime.clock

        def tick():
            self.report()
            clock.at(clock.now_us + SENT_EVERY_US, tick)

        clock.at(clock.now_us + SENT_EVERY_US, tick)


def _add(spans, seq):
    """Add `seq` to ascending spans with gaps between them."""
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


def socket_functions(real_socket, tap, radio):
    """Return the public names of `socket`."""

    class Socket:
        """A real socket whose outgoing bytes are parsed."""

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
            """Write, and pass the accepted bytes to the tap."""
            if not radio.is_air_up:
                raise OSError(113)
            count = self._real.write(data)
            if count:
                for first, body in self._reader.feed(bytes(data[:count])):
                    if first >> 4 == wire.PUBLISH:
                        topic, payload, _ = wire.read_publish(first, body)
                        tap.count(topic, payload)
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


class SelectProxy:
    """Control channel of a live node: each line of `stdin` is a timeline event to apply now; its
    end ends the node."""

    def __init__(self, runtime, stdin):
        self._runtime = runtime
        self._stdin = stdin
        self._line = ""

    def read(self):
        """Read an available character."""
        char = self._stdin.read(1)
        if not char:
            self._runtime.finish()
        elif char == "\n":
            event, self._line = json.loads(self._line), ""
            self._runtime.apply_event(event)
        else:
            self._line += char


def select_functions(real_select, runtime, stdin):
    """Return the public names of `select`; its poll also serves `stdin`."""
    clock = runtime.clock
    control = SelectProxy(runtime, stdin)

    class Poll:
        """A real poll that also serves the simulated board."""

        def __init__(self):
            self._real = real_select.poll()
            self._wrapped = {}  # id of the real stream: the stream registered by the firmware
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
            """Stop watching `stream`."""
            real = getattr(stream, "_real", stream)
            self._wrapped.pop(id(real), None)
            self._real.unregister(real)

        def ipoll(self, timeout_ms=-1, flags=0):
            """Return the ready streams after at most `timeout_ms`; fire alarms meanwhile."""
            begin_wait()
            try:
                return self._wait(timeout_ms)
            finally:
                end_wait()

        def _wait(self, timeout_ms):
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
                    control.read()
                ready = [entry for entry in ready if entry[0] is not None]
                if ready or (end_us is not None and clock.now_us >= end_us):
                    clock.run_due()
                    return ready

        poll = ipoll

    return {
        "poll": Poll, "POLLIN": real_select.POLLIN, "POLLOUT": real_select.POLLOUT,
        "POLLERR": real_select.POLLERR, "POLLHUP": real_select.POLLHUP}
