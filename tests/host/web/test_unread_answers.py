"""Clients of the page that do not read its answers: they keep no one out, and lose their
connection."""

import socket
from contextlib import suppress

import httpx
import pytest

from idroserra.auth.roles import Role
from idroserra.web.middleware import connection_limits
from support.wait import wait_until

ASKS = b"GET %b HTTP/1.1\r\nHost: localhost\r\n%b\r\n"


def unread(host, request=b""):
    """Return a connection whose client sends a request and reads no answer."""
    one = socket.socket()
    one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2_048)
    one.connect(("127.0.0.1", int(host.url.rpartition(":")[2])))
    one.setblocking(False)
    with suppress(ConnectionError, BlockingIOError):
        one.send(request)
    return one


@pytest.mark.parametrize("path", [b"/login", b"/api/nodes"], ids=["pages", "refusals"])
def test_answers_that_are_not_read_keep_nobody_out(host, monkeypatch, path):
    monkeypatch.setattr(connection_limits, "MOST_CONNECTIONS", 5)
    cookie, session = host.session_of(Role.OPERATOR)

    def stops():
        """Return whether a new connection comes through to a command."""
        operator = host.client_with()
        operator.headers["Origin"] = host.url
        operator.cookies.set(cookie, session)
        with suppress(httpx.TransportError):
            answer = operator.post("/api/nodes/idro-x/commands", json={"verb": "stop"})
            return "idro-x" in answer.json()["error"]
        return False

    crowd = [unread(host, 4_000 * (ASKS % (path, b""))) for _ in range(60)]
    for _ in range(3):  # while they are answered as far as there is room, they do not wait
        wait_until(stops, 10, "a stop")
    for one in crowd:
        one.close()


@pytest.mark.parametrize("is_last", [False, True], ids=["more come", "the last of a connection"])
def test_an_answer_has_its_time_to_be_read(host, monkeypatch, is_last):
    monkeypatch.setattr(connection_limits, "UNREAD_S", 1.0)
    client = unread(host)
    port = client.getsockname()[1]

    def at_host():
        return [one for one in host._server.server_state.connections if one.client[1] == port]

    wait_until(at_host, 20, "the connection")
    [there] = at_host()
    there.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4_096)
    while not there.transport.get_write_buffer_size():
        last = there.cycle
        client.send(ASKS % (b"/login", b""))
        wait_until(lambda last=last: there.cycle is not last and there.cycle.response_complete,
                   20, "an answer")
    client.send(ASKS % (b"/login", b"Connection: close\r\n") if is_last
                else 40 * (ASKS % (b"/login", b"")))
    wait_until(lambda: not at_host(), 20, "it is closed")
    client.close()
