"""How lines reach a database: connections, time-outs and answers, by either API."""

import gzip
import socket
import ssl
import subprocess
import sys
import threading
import time
from base64 import b64decode
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from idroserra.core.config import FeedConfig
from idroserra.core.errors import StoreRejected, StoreUnavailable
from idroserra.core.validation import Secret
from idroserra.history.influx.writer import open_lines
from idroserra.pki.broker_ca import BrokerCA

LINE = b"sample,node=a ph=6 1"
TAKEN = (204, {}, b"")
PAGE = b"<html><h1>Log in</h1></html>"


class Database:
    """Answers of a server to writes, in their order; the last one to every further one."""

    def __init__(self, answers):
        self.asked = []  # (path, headers, body)
        self.connections = 0
        self.answers = list(answers)
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self):
                super().setup()
                owner.connections += 1

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"] or 0))
                owner.asked.append((self.path, self.headers, body))
                answer = owner.answers.pop(0) if len(owner.answers) > 1 else owner.answers[0]
                if answer == "hang up":
                    self.close_connection = True
                elif answer == "silent":
                    owner.ending.wait()
                    self.close_connection = True
                else:
                    self.answer(*answer)
                    if answer[2] == b"last words":
                        self.close_connection = True  # without telling the client

            def answer(self, status, headers, body):
                self.send_response(status)
                for key, value in headers.items():
                    self.send_header(key, value)
                if status != 204:
                    self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body if status != 204 else b"")

            def log_message(self, *_):
                pass

        self.ending = threading.Event()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@contextmanager
def database(*answers):
    found = Database(answers)
    thread = threading.Thread(target=found.server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield found
    finally:
        found.ending.set()
        found.server.shutdown()
        thread.join()
        found.server.server_close()


def opened(found, write_api, **more):
    return closing(open_lines(FeedConfig(
        name="x", url=found.url, write_api=write_api, **{"timeout_ms": 5_000} | more)))


@pytest.fixture(params=["v1", "v2"])
def write_api(request):
    return request.param


def test_one_connection_carries_all_writes(write_api):
    with database(TAKEN) as found, opened(found, write_api) as lines:
        for _ in range(3):
            lines.send(LINE)
        assert [body for _, _, body in found.asked] == [LINE] * 3
        assert found.connections == 1


@pytest.mark.parametrize("end", [(204, {}, b"last words"), "hang up"])
def test_a_connection_that_the_server_has_ended_is_opened_again(write_api, end):
    with database(TAKEN, end, TAKEN) as found, opened(found, write_api) as lines:
        for _ in range(3):
            lines.send(LINE)
        assert found.connections == 2
        assert len(found.asked) == (4 if end == "hang up" else 3)


def test_after_close_a_write_opens_a_connection(write_api):
    with database(TAKEN) as found, opened(found, write_api) as lines:
        for _ in range(3):
            lines.send(LINE)
            lines.close()
        assert found.connections == 3


@pytest.mark.parametrize(("answer", "error", "why"), [
    ((200, {}, PAGE), StoreUnavailable, "HTTP 200: the response is not from a database"),
    ((302, {"Location": "/login"}, b""), StoreUnavailable, "HTTP 302"),
    ((400, {}, b'{"code":"invalid","message":"unable to parse"}'), StoreRejected,
     "HTTP 400: unable to parse"),
    ((400, {}, b'{"error":"partial write: it said"}'), StoreRejected, "partial write: it said"),
    ((413, {}, b"<h1>Too large</h1>"), StoreRejected, "HTTP 413: the response is not"),
    ((413, {}, b"<h1>Trop long \xe9</h1>"), StoreRejected, "HTTP 413: the response is not"),
    ((422, {}, b'{"message":"line\\n two"}'), StoreRejected, "HTTP 422: line two"),
    ((401, {}, b'{"error":"no"}'), StoreUnavailable, "HTTP 401: no; check its token"),
    ((404, {}, b'{"message":"bucket not found"}'), StoreUnavailable, "HTTP 404: bucket not found"),
    ((429, {"Retry-After": "60"}, b'{"message":"later"}'), StoreUnavailable, "HTTP 429: later"),
    ((503, {"Retry-After": "60"}, b""), StoreUnavailable, "HTTP 503"),
])
def test_an_answer_becomes_the_error_that_says_what_to_do_with_the_lines(
    write_api, answer, error, why
):
    with database(answer) as found, opened(found, write_api) as lines:
        with pytest.raises(error, match=why):
            lines.send(LINE)
        assert len(found.asked) == 1  # the caller repeats


def test_a_page_in_another_encoding_is_no_database(write_api):
    why = "HTTP 502: the response is not from a database"
    with database((502, {}, PAGE + b"\xe8")) as found, opened(
            found, write_api) as lines, pytest.raises(StoreUnavailable, match=why):
        lines.send(LINE)


def test_a_silent_database_is_left_after_the_time_out(write_api):
    with database("silent") as found, opened(found, write_api, timeout_ms=300) as lines:
        began_s = time.monotonic()
        with pytest.raises(StoreUnavailable, match=f"{found.url}: timed out"):
            lines.send(LINE)
        assert 0.2 < time.monotonic() - began_s < 5


def test_a_database_that_falls_silent_is_left_after_one_time_out(write_api):
    with database(TAKEN, "silent", TAKEN) as found, opened(
            found, write_api, timeout_ms=300) as lines:
        lines.send(LINE)
        with pytest.raises(StoreUnavailable, match=f"{found.url}: timed out"):
            lines.send(LINE)
        assert len(found.asked) == 2  # on the same connection


def test_a_database_that_reads_nothing_is_left_after_the_time_out(write_api):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        config = FeedConfig(name="x", url=f"http://127.0.0.1:{silent.getsockname()[1]}",
                            write_api=write_api, timeout_ms=300)
        with closing(open_lines(config)) as lines, pytest.raises(
                StoreUnavailable, match=f"^{config.url}: timed out$"):
            lines.send(b"x" * 20_000_000)
        silent.setblocking(False)
        silent.accept()[0].close()
        with pytest.raises(BlockingIOError):  # that was the only connection
            silent.accept()


def test_an_answer_before_the_whole_body_counts(write_api):
    def refuse():
        connection, _ = server.accept()
        with connection:
            connection.recv(1_000)
            connection.sendall(b"HTTP/1.1 413 Too large\r\nContent-Length: 0\r\n\r\n")
            connection.shutdown(socket.SHUT_WR)  # then it closes, as servers do

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=refuse)
        thread.start()
        config = FeedConfig(name="x", url=f"http://127.0.0.1:{server.getsockname()[1]}",
                            write_api=write_api)
        with closing(open_lines(config)) as lines, pytest.raises(StoreRejected, match="HTTP 413"):
            lines.send(b"x" * 20_000_000)
        thread.join()


def test_what_the_system_says_is_the_error(write_api):
    config = FeedConfig(name="x", url="http://127.0.0.1:9", write_api=write_api)
    with closing(open_lines(config)) as lines, pytest.raises(
            StoreUnavailable, match=r"^http://127\.0\.0\.1:9: \[Errno 111\] Connection refused$"):
        lines.send(LINE)
    why = "Remote end closed connection without response"
    with database("hang up") as found, opened(found, write_api) as lines, pytest.raises(
            StoreUnavailable, match=f"^{found.url}: {why}$"):
        lines.send(LINE)


def test_a_proxy_of_the_environment_is_not_used(write_api, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with database(TAKEN) as found, opened(found, write_api) as lines:
        lines.send(LINE)
        assert len(found.asked) == 1


def test_the_certificate_must_be_of_an_authority_of_this_machine(
    write_api, tmp_path, monkeypatch
):
    files = tmp_path / "server.pem", tmp_path / "server.key"
    BrokerCA.make(tmp_path).issue_server(["localhost"], *files)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*files)
    with database(TAKEN) as found:
        found.server.socket = context.wrap_socket(found.server.socket, server_side=True)
        found.url = found.url.replace("http://127.0.0.1", "https://localhost")
        with opened(found, write_api) as lines, pytest.raises(
                StoreUnavailable, match="CERTIFICATE_VERIFY_FAILED"):
            lines.send(LINE)
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
        with opened(found, write_api) as lines:
            lines.send(LINE)
        assert len(found.asked) == 1


def test_only_long_bodies_to_another_machine_are_packed(write_api):
    long = b"\n".join(LINE + b"%d" % at for at in range(200))
    with database(TAKEN) as found:
        found.url = found.url.replace("127.0.0.1", "0.0.0.0")  # the same server by another name
        with opened(found, write_api) as lines:
            lines.send(LINE)
            lines.send(long)
        (_, short_headers, short), (_, headers, packed) = found.asked
    assert (short, short_headers["Content-Encoding"]) == (LINE, None)
    assert (gzip.decompress(packed), headers["Content-Encoding"]) == (long, "gzip")
    with database(TAKEN) as found, opened(found, write_api) as lines:
        lines.send(long)
        assert found.asked[0][2] == long


_REFUSED = """
import logging, sys
from contextlib import suppress
from idroserra.core.config import FeedConfig
from idroserra.core.errors import StoreError
from idroserra.history.influx.writer import open_lines

with suppress(StoreError):
    open_lines(FeedConfig(name="x", url=sys.argv[1])).send(b"a b=1 1")
logging.getLogger("idroserra").warning("5 records were dropped")
"""


def test_a_refusal_puts_no_prefix_before_the_warnings_of_a_command():
    with database((400, {}, b'{"error":"partial write"}')) as found:
        done = subprocess.run([sys.executable, "-c", _REFUSED, found.url], capture_output=True,
                              text=True, timeout=60, check=True)
    assert (done.stdout, done.stderr) == ("", "5 records were dropped\n")


def test_the_paths_and_who_asks(write_api):
    who = {"user": "u", "password": Secret("p"), "database": "green", "org": "our farm"}
    with database(TAKEN) as found:
        found.url += "/at/"
        with opened(found, write_api, **who) as lines:
            lines.check()
        (path, headers, body), = found.asked
    assert body == b""
    assert (path, headers["Authorization"]) == {
        "v1": ("/at/write?db=green&precision=n", "Basic dTpw"),
        "v2": ("/at/api/v2/write?org=our+farm&bucket=green&precision=ns", "Token u:p"),
    }[write_api]


def test_a_password_is_sent_in_utf_8(write_api):
    who = {"user": "è", "password": Secret("番茄")}
    with database(TAKEN) as found, opened(found, write_api, **who) as lines:
        lines.send(LINE)
    kind, _, sent = found.asked[0][1]["Authorization"].partition(" ")
    text = b64decode(sent) if kind == "Basic" else sent.encode("latin-1")
    assert text.decode() == "è:番茄"
