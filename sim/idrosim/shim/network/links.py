"""Links that are worse than none: slow, narrow or lossy ones, and the portal of a captive network.

TCP loses nothing: what a link loses is sent again after 1 s, 2 s, 4 s and so on, and all that
follows waits for it. So loss shows as stalls.
"""

SEGMENT_BYTES = 1_440
SEND_BUFFER_BYTES = 5_744  # lwIP's, of one socket
_FIRST_RETRY_US = 1_000_000
_MAX_RETRIES = 12
_PAGE = (
    b"HTTP/1.1 302 Found\r\nLocation: http://portal.lan/login\r\nContent-Length: 0\r\n"
    b"Connection: close\r\n\r\n"
)


class Link:
    """One way up and one down, each with a delay, a width and a share of segments lost."""

    def __init__(self, clock, delay_us, bytes_per_s, loss, rng):
        """`bytes_per_s` 0 is no bound; `loss` 0.0 to 0.9 is drawn from `rng` (an Rng)."""
        self._clock = clock
        self._delay_us = delay_us
        self._bytes_per_s = bytes_per_s
        self._loss = loss
        self._rng = rng
        self._up_free_us = self._down_free_us = 0
        self._under_way = []  # (socket, bytes) towards the broker, in order

    def carry(self, socket, data):
        """Take bytes of the node; return how many, None while the send buffer is full."""
        room = SEND_BUFFER_BYTES - sum(len(chunk) for other, chunk in self._under_way
                                       if other is socket)
        if room <= 0:
            return None
        data = bytes(data[:room])
        self._up_free_us = self._passed_us(self._up_free_us, len(data))
        self._under_way.append((socket, data))
        if len(data) == room:
            socket.hold()
        self._clock.at(self._up_free_us + self._delay_us, self._arrive)
        return len(data)

    def due_us(self, size):
        """Return when `size` bytes that the broker sends now reach the node."""
        self._down_free_us = self._passed_us(self._down_free_us, size)
        return self._down_free_us + self._delay_us

    def finish(self):
        """The link is a good one from now on: what was under way arrives."""
        while self._under_way:
            self._arrive()

    def _arrive(self):
        if self._under_way:
            socket, data = self._under_way.pop(0)
            socket.arrived(data)

    def _passed_us(self, free_us, size):
        """Return when `size` bytes that queue up now have passed the narrow place."""
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


class Portal:
    """Answers whatever is said to it with a web page, and hangs up."""

    def __init__(self, socket, latency_us):
        self._socket = socket
        self._delay_us = 2 * latency_us
        self._has_answered = False

    def received(self, data):
        """Bytes of the node."""
        if not self._has_answered:
            self._has_answered = True
            self._socket.deliver(_PAGE, self._delay_us)
            self._socket.deliver(b"", self._delay_us)

    def closed(self):
        """The node has gone."""
