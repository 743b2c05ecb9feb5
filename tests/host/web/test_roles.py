"""The matrix of roles: every route of the application, without a login and as each role.

The rows are compared with the routes the application really has, so a new route without a row
fails here, and is refused by the host.
"""

import re

import pytest
from starlette.routing import Mount, WebSocketRoute

from idroserra.auth.roles import MATRIX, Role, rule_of
from idroserra.broker.local import Broker
from support.real_host import PASSWORD, Host
from support.wait import wait_until

SAMPLES = {
    "node": "idro-a", "calibration": "none", "doser": "ph_down",
    "name": "absent", "command_id": "none", "path": "none.js",
    "site": "nowhere", "note": "0" * 16, "photo": "0" * 32,
    "rule": "absent", "release": "0" * 64, "rollout": "0" * 12,
}
ROLES = (Role.VIEWER, Role.OPERATOR, Role.ADMIN)


def sample(path):
    """Return a path that the pattern stands for."""
    return re.sub(r"\{(\w+)(:\w+)?\}", lambda found: SAMPLES[found[1]], path)


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    folder = tmp_path_factory.mktemp("roles")
    broker = Broker(folder / "broker", "mosquitto")
    broker.start()
    running = Host(folder / "host", broker.port, wait_until)
    running.service.access.users.add("another-admin", Role.ADMIN, PASSWORD)
    yield running
    running.stop()
    broker.stop()


def test_every_route_has_its_own_row(host):
    routes = set()
    for route in host.app.routes:
        is_get = isinstance(route, Mount | WebSocketRoute)
        path = re.sub(r"^/static/\w+$", "/static/{path:path}", route.path)
        routes |= {(method, path) for method in ({"GET"} if is_get else route.methods)}
    assert routes == {(rule.method, rule.path) for rule in MATRIX}
    for rule in MATRIX:
        assert rule_of(rule.method, sample(rule.path)) is rule, rule


def test_every_cell_of_the_matrix(host):
    tokens = {Role.ANYONE: None}
    for role in ROLES:
        tokens[role] = host.service.access.tokens.make(role.label, role, "tests")
    cells, wrong = 0, []
    for role, token in tokens.items():
        client = host.client_with(token)
        for rule in MATRIX:
            cells += 1
            status = ask(client, rule)
            refused = {401} if role is Role.ANYONE else {403}
            is_let_in = status < 500 and status not in {401, 403}
            if is_let_in is not (role >= rule.role) or (not is_let_in and status not in refused):
                wrong.append((role.label, rule.method, rule.path, status))
    assert cells == 4 * len(MATRIX)
    assert wrong == []


def ask(client, rule):
    """Return the status of one request that names only unknown objects, so changes nothing."""
    path = sample(rule.path)
    if rule.method == "GET":
        with client.stream("GET", path) as answer:
            return answer.status_code
    return client.request(rule.method, path, json={}).status_code


def test_a_wrong_token_or_cookie_grants_no_access(host):
    for headers in ({"Authorization": "Bearer idro_wrong"}, {"Authorization": "Bearer"},
                    {"Authorization": "Basic YTpi"}, {"Cookie": f"{cookie(host)}=wrong"},
                    {"Authorization": b"Bearer \xff\x80"}):
        answer = host.client_with().get("/api/nodes", headers=headers)
        assert answer.status_code == 401, headers
        assert answer.headers["www-authenticate"].startswith("Bearer")
        assert "nodes" not in answer.json()


def cookie(host):
    return host.session_of(Role.VIEWER)[0]


def test_the_live_stream_ends_with_the_session(host, eventually):
    name, session_id = host.session_of(Role.VIEWER, "lena")
    with host.client_with().stream("GET", "/api/live", headers={
            "Cookie": f"{name}={session_id}"}) as answer:
        lines = (line for line in answer.iter_lines() if line.startswith("data: "))
        assert '"hello"' in next(lines)
        host.service.access.users.remove("lena")
        assert any('"logged_out"' in line for line in lines)  # and then it is over


def test_a_role_that_is_taken_away_is_gone_at_once(host):
    access = host.service.access
    name, session_id = host.session_of(Role.OPERATOR, "otto")
    headers = {"Cookie": f"{name}={session_id}", "Origin": host.url}
    path = "/api/nodes/idro-a/commands"
    client = host.client_with()
    assert client.post(path, json={"verb": "stop"}, headers=headers).status_code == 404
    access.users.set_role("otto", Role.VIEWER)
    answer = client.post(path, json={"verb": "stop"}, headers=headers)
    assert answer.status_code == 403
    assert answer.json()["error"] == "your role is viewer: this needs operator"
    refused = access.audit.newest(1)[0]
    assert (refused.who, refused.action, refused.target, refused.result) == (
        "otto", "command", "idro-a", "refused")
