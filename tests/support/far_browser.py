"""A browser that installs a board, without its page: the WebSocket and a virtual board."""

import json
import os
import select
import threading
from contextlib import contextmanager, suppress

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from idroserra.auth.roles import Role

ANSWER_S = 120


class FarBrowser:
    """Carries bytes between host and board. next() is what the host asks or tells."""

    def __init__(self, socket, board):
        self._socket = socket
        self._line = os.open(board.port, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        self._is_over = False
        self._thread = threading.Thread(target=self._from_board)
        self._thread.start()

    def next(self):
        """Return the next question, or the end: a message "failed" or "done"."""
        while True:
            message = self._socket.recv(ANSWER_S)
            if isinstance(message, bytes):
                data = message[1:]
                while data:
                    select.select([], [self._line], [], ANSWER_S)
                    data = data[os.write(self._line, data):]
                continue
            message = json.loads(message)
            if message["t"] == "reset":
                self._socket.send('{"t": "reset"}')
            elif message["t"] in ("ask", "failed", "done"):
                return message

    def answer(self, **values):
        """Answer a question; return the next or the end."""
        self._socket.send(json.dumps({"t": "answer"} | values))
        return self.next()

    def send_file(self, data):
        """Send a file of MicroPython."""
        self._socket.send('{"t": "file"}')
        self._socket.send(b"\x01" + data)

    def close(self):
        self._is_over = True
        self._thread.join()
        os.close(self._line)

    def _from_board(self):
        with suppress(ConnectionClosed, OSError):
            while not self._is_over:
                if select.select([self._line], [], [], 0.05)[0]:
                    self._socket.send(b"\x00" + os.read(self._line, 4_096))


@contextmanager
def far_browser(host, board):
    """Yield a FarBrowser of an admin on a host."""
    cookie = {"Cookie": "=".join(host.session_of(Role.ADMIN))}
    ticket = host.client_with().post(
        "/api/install", json={}, headers={"Origin": host.url} | cookie).json()["ticket"]
    url = f"{host.url.replace('http', 'ws')}/api/install/line?ticket={ticket}"
    with connect(url, origin=host.url, additional_headers=cookie, max_size=None,
                 open_timeout=60) as socket:
        browser = FarBrowser(socket, board)
        try:
            yield browser
        finally:
            browser.close()
