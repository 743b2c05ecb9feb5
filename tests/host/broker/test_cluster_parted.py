"""Brokers of a cluster that do not share their users, as two that were started alone."""

import re
import ssl
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from idroserra.broker import cluster
from idroserra.broker.certificates import broker_folder_of
from idroserra.broker.cluster import ClusterCertificates
from idroserra.broker.mosquitto import BrokerControlError

MEMBERS = ("127.0.0.2", "127.0.0.3", "127.0.0.4")


class Api(BaseHTTPRequestHandler):
    """A management API that takes everything; only the second broker has users."""

    def do_GET(self):
        self.send_response(200 if self.server.server_address[0] == MEMBERS[1] else 404)
        self.end_headers()
        self.wfile.write(b"{}")

    def do_PUT(self):
        self.send_response(204)
        self.end_headers()

    do_DELETE = do_PUT

    def log_message(self, *_):
        pass


@contextmanager
def api(folder, address, port):
    secured = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    secured.load_cert_chain(folder / address / "server.pem", folder / address / "server.key")
    with ThreadingHTTPServer((address, port), Api) as server:
        server.socket = secured.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


def init(data, port):
    cluster.init(data, "test", MEMBERS, ["localhost"], node_port=8883, management_port=port)
    return ClusterCertificates(data)


def test_a_broker_that_still_accepts_a_revoked_node_is_named(tmp_path):
    """The first one that answers refuses it."""
    init(tmp_path / "data", 15671)
    folder = broker_folder_of(tmp_path / "data")
    with api(folder, MEMBERS[0], 0) as port, api(folder, MEMBERS[1], port):
        certificates = init(tmp_path / "data", port)
        certificates.issue("basil")
        why = f"{MEMBERS[1]} still accepts basil"
        with pytest.raises(BrokerControlError, match=re.escape(why)):
            certificates.revoke("basil")
        assert all(path.exists() for path in certificates.files("basil"))
