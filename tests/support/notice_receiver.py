"""An HTTP server on loopback that stores the notifications it receives."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class NoticeReceiver:
    """messages: bodies posted by apprise's json://, oldest first; pings: paths of GETs.

    status: of its answers; the sender treats any but 2xx as a failure."""

    def __init__(self):
        self.messages = []
        self.pings = []
        self.status = 200
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):  # noqa: N802  the name http.server asks for
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if receiver.status == 200:
                    receiver.messages.append(json.loads(body))
                self._answer()

            def do_GET(self):  # noqa: N802
                receiver.pings.append(self.path)
                self._answer()

            def _answer(self):
                self.send_response(receiver.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_args):
                """Write nothing to stderr."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def url(self, secret="s3cretToken"):
        """Return an apprise URL of this server that contains a secret."""
        return f"json://anna:{secret}@127.0.0.1:{self.port}/{secret}?cto=60&rto=60"

    def close(self):
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
