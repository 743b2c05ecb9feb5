"""A database that takes writes and answers every query with something that is no answer."""

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PAGE = b"<html><body><h1>Welcome to the portal</h1>" + b"<p>Buy more of it.</p>" * 200
HUGE = b'{"results":[{"statement_id":0,"error":"' + b"Upgrade to Enterprise. " * 450_000 + b'"}]}'
ANSWERS = {"page": (200, PAGE), "page of an error": (502, PAGE), "10 MB": (200, HUGE),
           "empty": (200, b""), "nothing": None}


@contextmanager
def useless_database(kind):
    """Yield the address of a database that gives ANSWERS[kind] to queries; None: it is silent."""
    ending = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"] or 0))
            self._answer(204, b"") if "/write?" in self.path else self.do_GET()

        def do_GET(self):
            if self.path.startswith("/query") and ANSWERS[kind] is None:
                ending.wait()
                self.close_connection = True
            elif self.path.startswith("/query"):
                self._answer(*ANSWERS[kind])
            else:
                self._answer(200, b"{}")

        def _answer(self, status, body):
            self.send_response(status)
            if status != 204:
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        ending.set()
        server.shutdown()
        thread.join()
        server.server_close()
