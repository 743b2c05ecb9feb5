"""A TCP server on loopback whose answers a test writes byte by byte."""

import socket
import threading
from contextlib import contextmanager, suppress


def answer(body, status="200 OK", more=""):
    """Return an HTTP answer in bytes."""
    head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{more}\r\n"
    return head.encode() + body


class RawServer:
    """Calls `behave(connection)` in a thread for each connection, after its request.

    requests: what was received. ended: set at the end, for a `behave` that waits."""

    def __init__(self, behave, context=None):
        self.requests = []
        self.ended = threading.Event()
        self._behave = behave
        self._context = context
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        with suppress(OSError):
            while True:
                connection, _ = self._server.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        with suppress(OSError), connection:
            if self._context is not None:
                connection = self._context.wrap_socket(connection, server_side=True)
            self.requests.append(connection.recv(65_536))
            self._behave(self, connection)

    def close(self):
        self.ended.set()
        self._server.close()


@contextmanager
def raw_server(behave, context=None):
    """Yield a RawServer; `behave` is bytes to send, or a function of server and connection."""
    if isinstance(behave, bytes):
        content = behave

        def behave(_server, connection):
            connection.sendall(content)
    server = RawServer(behave, context)
    yield server
    server.close()


def hang(server, _connection):
    """Answer nothing until the end of the test."""
    server.ended.wait(60)


def drip(begin, piece):
    """Return a behaviour that sends `piece` again and again, faster than any time-out."""
    def behave(server, connection):
        connection.sendall(begin)
        while not server.ended.wait(0.02):
            connection.sendall(piece)
    return behave
