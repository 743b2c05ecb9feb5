"""The WebSocket through which a board at the browser is installed: who gets it, and its bounds."""

import json
from contextlib import contextmanager, suppress

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from idroserra.auth.roles import Role
from idroserra.web.install import routes

SECRET = "the password of the Wi-Fi"


@pytest.fixture
def admin(host):
    return host.session_of(Role.ADMIN)


def ticket_of(host, session):
    """Return the ticket that the host gives a session."""
    answer = host.client_with().post(
        "/api/install", json={}, headers={"Origin": host.url, "Cookie": "=".join(session)})
    assert answer.status_code == 200, answer.text
    return answer.json()["ticket"]


@contextmanager
def opened(host, session, ticket, origin=None, **headers):
    """Open the WebSocket as a browser does."""
    cookie = {"Cookie": "=".join(session)} if session else {}
    url = f"{host.url.replace('http', 'ws')}/api/install/line?ticket={ticket}"
    with connect(url, origin=origin or host.url, additional_headers=cookie | headers,
                 max_size=None, open_timeout=60) as line:
        yield line


def is_refused(host, session, ticket, **more):
    """Return whether the host refuses the WebSocket."""
    try:
        with opened(host, session, ticket, **more):
            return False
    except InvalidStatus as refused:
        return refused.response.status_code == 403


def test_only_the_admin_session_that_asked_gets_the_line_and_only_once(host, admin):
    other, viewer = host.session_of(Role.ADMIN, "other"), host.session_of(Role.OPERATOR)
    ticket = ticket_of(host, admin)
    assert is_refused(host, None, ticket)
    assert is_refused(host, other, ticket)
    assert is_refused(host, viewer, ticket)
    assert is_refused(host, admin, "guessed")
    bearer = host.client.headers["Authorization"]
    assert is_refused(host, None, ticket, Authorization=bearer)
    with opened(host, admin, ticket):
        pass
    assert is_refused(host, admin, ticket)


def test_another_site_gets_no_line(host, admin):
    ticket = ticket_of(host, admin)
    for origin in ("http://evil.example", "null", host.url.replace("http", "ws")):
        assert is_refused(host, admin, ticket, origin=origin)
    rebound = host.client_with().get(f"/api/install/line?ticket={ticket}", headers={
        "Host": "evil.example", "Origin": "http://evil.example", "Cookie": "=".join(admin),
        "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="})
    assert rebound.status_code == 403


def test_an_operator_and_a_program_may_not_ask(host, admin):
    cookie = "=".join(host.session_of(Role.OPERATOR))
    answer = host.client_with().post(
        "/api/install", json={}, headers={"Origin": host.url, "Cookie": cookie})
    assert answer.status_code == 403
    token = host.client_with().post(
        "/api/tokens", json={"name": "robot", "role": "operator"},
        headers={"Origin": host.url, "Cookie": "=".join(admin)}).json()["secret"]
    assert host.client_with(token).post("/api/install", json={}).status_code == 403  # an operator
    ticket = host.client.post("/api/install", json={}).json()["ticket"]  # of this machine
    bearer = host.client.headers["Authorization"]
    assert is_refused(host, None, ticket, Authorization=bearer)
    assert is_refused(host, admin, ticket)


def test_an_old_password_is_asked_for_again(host, admin):
    host.service.access.sessions._database.execute("UPDATE sessions SET confirmed_unix_ms=0")
    answer = host.client_with().post(
        "/api/install", json={}, headers={"Origin": host.url, "Cookie": "=".join(admin)})
    assert answer.json()["needs_password"] is True


def test_one_board_at_a_time(host, admin):
    with opened(host, admin, ticket_of(host, admin)) as line:
        assert json.loads(line.recv())["t"] == "say"
        other = "=".join(host.session_of(Role.ADMIN, "other"))
        answer = host.client_with().post(
            "/api/install", json={}, headers={"Origin": host.url, "Cookie": other})
        assert answer.status_code == 409
        assert "another board is being installed" in answer.json()["error"]


def end_of(line, within_s=60):
    """Return the last message of the host, None if it closed without one."""
    last = None
    try:
        while True:
            message = line.recv(within_s)
            last = message if isinstance(message, str) else last
    except ConnectionClosed:
        return None if last is None else json.loads(last)


@pytest.mark.parametrize("sent", [
    json.dumps({"t": "lost"}), "{", "[]", "x" * 5_000, "[" * 4_000])
def test_what_is_no_answer_ends_with_a_message(host, admin, sent):
    with opened(host, admin, ticket_of(host, admin)) as line:
        line.send(sent)
        end = end_of(line)
    assert end["t"] == "failed"
    assert "Check the cable" in end["text"]


def test_a_message_or_a_file_beyond_its_limit_ends_the_line(host, admin):
    with opened(host, admin, ticket_of(host, admin)) as line:
        line.send(bytes(70_000))
        end_of(line)
        assert line.close_code == 1009  # message too big
    with opened(host, admin, ticket_of(host, admin)) as line:
        with suppress(ConnectionClosed):
            for _ in range(300):  # 18 MB
                line.send(b"\x01" + bytes(60_000))
        assert end_of(line)["t"] == "failed"


def test_the_line_ends_with_the_role_of_its_user(host, admin, monkeypatch):
    monkeypatch.setattr(routes, "SESSION_CHECK_S", 0.2)
    host.session_of(Role.ADMIN, "other")
    with opened(host, admin, ticket_of(host, admin)) as line:
        host.service.access.users.set_role("admin-of-tests", Role.OPERATOR)
        assert end_of(line, 15)["t"] == "failed"  # long before the chip counts as silent


def test_the_line_ends_with_the_session(host, admin, monkeypatch):
    monkeypatch.setattr(routes, "SESSION_CHECK_S", 0.2)
    with opened(host, admin, ticket_of(host, admin)) as line:
        out = host.client_with().delete("/api/session", headers={
            "Origin": host.url, "Cookie": "=".join(admin), "Content-Type": "application/json"})
        assert out.status_code < 300, out.text
        assert end_of(line)["t"] == "failed"
