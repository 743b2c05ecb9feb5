"""A serial line with a delay, as over the network of a browser."""

import os
import pty
import select
import threading
import time
import tty
from collections import deque


class SlowLine:
    """Passes on the bytes of a serial port; those from its board are `delay_s` late."""

    def __init__(self, port: str, delay_s: float) -> None:
        self._delay_s = delay_s
        self._board = os.open(port, os.O_RDWR | os.O_NOCTTY)
        self._master, self._slave = pty.openpty()
        tty.setraw(self._slave)
        self.port = os.ttyname(self._slave)
        self._has_ended = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the line; the board keeps its port."""
        self._has_ended = True
        self._thread.join(60)
        for number in (self._board, self._master, self._slave):
            os.close(number)

    def _run(self) -> None:
        late: deque[tuple[float, bytes]] = deque()
        while not self._has_ended:
            due_s = late[0][0] - time.monotonic() if late else 0.1
            ready, _, _ = select.select([self._master, self._board], [], [], max(0.0, due_s))
            if self._master in ready:
                os.write(self._board, os.read(self._master, 4_096))
            if self._board in ready:
                late.append((time.monotonic() + self._delay_s, os.read(self._board, 4_096)))
            while late and late[0][0] <= time.monotonic():
                os.write(self._master, late.popleft()[1])
