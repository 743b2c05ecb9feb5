"""Degraded network links (slow, narrow, lossy) and the portal of a captive network.

TCP retransmits a lost segment after 1 s, 2 s, 4 s and so on, and later segments wait. So loss
shows as stalls.
"""

SEGMENT_BYTES = 1_440
SEND_BUFFER_BYTES = 5_744  # of one socket in lwIP
_FIRST_RETRY_US = 1_000_000
_MAX_RETRIES = 12
_PAGE = (
    b"HTTP/1.1 302 Found\r\nLocation: http://portal.lan/login\r\nContent-Length: 0\r\n"
    b"Connection: close\r\n\r\n"
)


class Link:
    """An uplink and a downlink, each with a delay, a bandwidth and a loss ratio."""

    def __init__(self, clock, delay_us, bytes_per_s, loss, rng):
        """`bytes_per_s` 0 means no limit; `loss` is 0.0 to 0.9; `rng` is an Rng."""
        self._clock = clock
        self._delay_us = delay_us
        self._bytes_per_s = bytes_per_s
        self._loss = loss
        self._rng = rng
        self._up_free_us = self._down_free_us = 0
        self._in_flight = []  # (socket, bytes) towards the broker, in order

    def carry(self, socket, data):
        """Accept bytes of the node; return their number, None while the send buffer is full."""
        room = SEND_BUFFER_BYTES - sum(len(chunk) for other, chunk in self._in_flight
                                       if other is socket)
        if room <= 0:
            return None
        data = bytes(data[:room])
        self._up_free_us = self._passed_us(self._up_free_us, len(data))
        self._in_flight.append((socket, data))
        if len(data) == room:
            socket.hold()
        self._clock.at(self._up_free_us + self._delay_us, self._arrive)
        return len(data)

    def due_us(self, size):
        """Return the arrival time at the node of `size` bytes that the broker sends now, us."""
        self._down_free_us = self._passed_us(self._down_free_us, size)
        return self._down_free_us + self._delay_us

    def finish(self):
        """Deliver everything in flight, as the link becomes good."""
        while self._in_flight:
            self._arrive()

    def _arrive(self):
        if self._in_flight:
            socket, data = self._in_flight.pop(0)
            socket.arrived(data)

    def _passed_us(self, free_us, size):
        """Return when `size` bytes queued now have passed the bottleneck, us."""
        at_us = max(free_us, self._clock.now_us)
        if self._bytes_per_s:
            at_us += size * 1_000_000 // self._bytes_per_s
        for _ in range(0, size, SEGMENT_BYTES):
            retry_us = _FIRST_RETRY_US
            for _ in range(_MAX_RETRIES):
                if self._rng.uniform(0.0, 1.0) >= self._loss:
                    break
                at_us += retry_us
                retry_us *= 2
        return at_us


class CaptivePortal:
    """Answers the first data with an HTTP redirect and closes the connection."""

    def __init__(self, socket, latency_us):
        self._socket = socket
        self._delay_us = 2 * latency_us
        self._has_answered = False

    def received(self, data):
        """Handle bytes of the node."""
        if not self._has_answered:
            self._has_answered = True
            self._socket.deliver(_PAGE, self._delay_us)
            self._socket.deliver(b"", self._delay_us)

    def closed(self):
        """Ignore the end of the connection."""
