"""The other end of a notification: an HTTP server on loopback that keeps what it is sent."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class NoticeReceiver:
    """messages: what apprise's json:// posted, oldest first; pings: paths of GETs.

    status: what it answers; anything but 2xx is a failure to the sender."""

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
                """Nothing on stderr."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def url(self, secret="s3cretToken"):
        """Return an address of apprise for this server, with a secret in it."""
        return f"json://anna:{secret}@127.0.0.1:{self.port}/{secret}"

    def close(self):
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
