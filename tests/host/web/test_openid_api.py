"""The API of log-in at an OpenID provider: cookies, who may do what, and a provider that hangs."""

import asyncio
import threading
import time
from contextlib import closing
from http.cookies import SimpleCookie

import pytest

from idroserra.auth.roles import Role
from idroserra.auth.service import AuthService, Visitor
from idroserra.broker.local import Broker
from idroserra.core.config import load_config
from support.hostile_provider import CLIENT_ID, hang, hostile_provider, query_of
from support.real_host import PASSWORD, Host
from support.wait import wait_until

BEGIN, RETURN = "/api/session/openid", "/api/session/openid/return"
DESCRIPTION = "/.well-known/openid-configuration"


@pytest.fixture(scope="module")
def provider(tmp_path_factory):
    with hostile_provider(lambda: int(time.time() * 1_000)) as running:
        yield running


@pytest.fixture(scope="module")
def host(tmp_path_factory, provider):
    folder = tmp_path_factory.mktemp("openid")
    broker = Broker(folder / "broker", "mosquitto")
    broker.start()
    running = Host(folder / "host", broker.port, wait_until, more={"access": {"openid": {
        "issuer": provider.issuer, "client_id": CLIENT_ID, "label": "Farm login",
        "roles": {"operator": ["in"], "admin": ["admins"]}}}})
    running.service.access.users.add("root", Role.ADMIN, PASSWORD)
    yield running
    running.stop()
    broker.stop()


@pytest.fixture
def client(host, provider):
    provider.claims, provider.instead = {}, {}
    found = host.client_with()
    found.headers["Origin"] = host.url
    return found


def begin(client, provider, **body):
    """Begin a log-in; return what the provider returns to the page."""
    answer = client.post(BEGIN, json=body)
    assert answer.status_code == 200, answer.text
    asked = query_of(answer.json()["url"])
    provider.nonce = asked["nonce"]
    return {"state": asked["state"], "code": "the code"}


def log_in(client, provider, **body):
    answer = client.post(RETURN, json=begin(client, provider, **body))
    assert answer.status_code == 200, answer.text
    return answer


def test_the_cookies_of_a_log_in_are_strict_and_one_is_gone_after_it(client, provider):
    answer = client.post(BEGIN, json={"next": "/nodes/idro-a"})
    (flow,) = SimpleCookie(answer.headers["set-cookie"]).values()
    assert (flow["samesite"], flow["httponly"], flow["path"]) == ("strict", True, BEGIN)
    asked = query_of(answer.json()["url"])
    provider.nonce = asked["nonce"]
    assert asked["code_challenge_method"] == "S256"
    answer = client.post(RETURN, json={"state": asked["state"], "code": "the code"})
    assert answer.json()["next"] == "/nodes/idro-a"
    assert (answer.json()["user"], answer.json()["role"]) == ("eve", "operator")
    session, gone = (SimpleCookie(one) for one in answer.headers.get_list("set-cookie"))
    (session,), (gone,) = session.values(), gone.values()
    assert (session["samesite"], session["httponly"], session["path"]) == ("strict", True, "/")
    assert (gone.key, gone["max-age"]) == (flow.key, "0")
    assert client.get("/api/session").json()["user"] == "eve"


def test_a_log_in_begins_and_ends_on_a_page_of_this_host_only(client, host, provider):
    body = begin(client, provider)
    for path in (BEGIN, RETURN):
        answer = client.post(path, json={}, headers={"Origin": "http://evil.example"})
        assert (answer.status_code, answer.json()["error"][:6]) == (403, "Origin")
    victim = host.client_with()  # whose browser did not begin it
    victim.headers["Origin"] = host.url
    answer = victim.post(RETURN, json=body)
    assert answer.status_code == 422
    assert "begun in another browser" in answer.json()["error"]
    assert "set-cookie" not in answer.headers
    assert host.client_with().post(BEGIN, json={}).status_code == 422  # a program


def test_an_older_session_of_the_browser_ends_with_a_log_in(client, host, provider):
    log_in(client, provider)
    older = dict(client.cookies)
    log_in(client, provider)
    newer = dict(client.cookies)
    assert older != newer
    other = host.client_with()
    for cookies, user in ((older, None), (newer, "eve")):
        header = "; ".join(f"{name}={value}" for name, value in cookies.items())
        assert other.get("/api/session", headers={"Cookie": header}).json()["user"] == user


def test_critical_actions_need_a_confirmation_and_a_stop_needs_none(client, host, provider):
    host.node("idro-a")
    log_in(client, provider)  # without auth_time
    dose = {"verb": "dose", "args": {"actuator": "ph_down", "volume_ul": 1_000}}
    answer = client.post("/api/nodes/idro-a/commands", json=dose)
    assert (answer.status_code, answer.json()["needs_password"]) == (403, True)
    for path in ("/api/stop", "/api/sites/test/stop"):
        assert client.post(path, json={}).status_code in (200, 202), path
    stop = client.post("/api/nodes/idro-a/commands", json={"verb": "stop"})
    assert stop.status_code == 202
    body = begin(client, provider, confirm=True)
    assert client.post(RETURN, json=body).status_code == 403  # it says no auth_time
    provider.claims = {"auth_time": provider._now_unix_ms() // 1_000}
    assert client.post(RETURN, json=begin(client, provider, confirm=True)).status_code == 200
    assert client.post("/api/nodes/idro-a/commands", json=dose).status_code == 202
    assert client.post("/api/session/confirm", json={"password": ""}).status_code == 403


def test_an_admin_sees_and_locks_out_a_user_of_the_provider(client, host, provider):
    log_in(client, provider)
    admin = host.client
    (eve,) = [one for one in admin.get("/api/users").json()["users"] if one["name"] == "eve"]
    assert (eve["issuer"], eve["subject"], eve["is_locked_out"]) == (
        provider.issuer, "id-of-eve", False)
    for path, body in (("role", {"role": "admin"}), ("password", {"password": PASSWORD})):
        assert admin.put(f"/api/users/eve/{path}", json=body).status_code == 422
    assert admin.put("/api/users/eve/lock-out", json={}).status_code == 200
    assert client.get("/api/nodes").status_code == 401
    refused = client.post(RETURN, json=begin(client, provider))
    assert (refused.status_code, "locked out" in refused.json()["error"]) == (403, True)
    assert admin.request("DELETE", "/api/users/eve/lock-out", json={}).status_code == 200
    log_in(client, provider)
    rows = [row.action for row in host.service.access.audit.newest(9)]
    assert {"lock out user", "let in user", "log in by OpenID"} <= set(rows)


def test_a_log_out_names_the_page_of_the_provider(client, host, provider):
    provider.description["end_session_endpoint"] = f"{provider.issuer}/end?x=1"
    log_in(client, provider)
    url = client.request("DELETE", "/api/session", json={}).json()["log_out_url"]
    assert url.startswith(f"{provider.issuer}/end?x=1&client_id={CLIENT_ID}&post_logout")
    assert client.get("/api/session").json()["user"] is None
    client.post("/api/session", json={"name": "root", "password": PASSWORD})
    assert client.request("DELETE", "/api/session", json={}).json()["log_out_url"] == ""
    del provider.description["end_session_endpoint"]


def test_the_thread_that_takes_a_stop_reads_no_file_for_a_log_in(client, host, provider):
    """Else a slow disk delays every request, a stop too."""
    asked, access = [], host.service.access
    readers = [file._reader for file in (access.users, access.sessions)]
    for reader in readers:
        reader.set_trace_callback(lambda sql: asked.append(asyncio._get_running_loop() is None))
    try:
        log_in(client, provider)
        provider.claims = {"auth_time": provider._now_unix_ms() // 1_000}
        log_in(client, provider, confirm=True)
    finally:
        for reader in readers:
            reader.set_trace_callback(None)
    assert len(asked) > 2
    assert all(asked)


def test_a_provider_that_hangs_holds_up_no_password(client, host, provider):
    provider.instead[DESCRIPTION] = hang(provider)
    asked = len(provider.asked)
    crowd = [host.client_with() for _ in range(8)]
    threads = [threading.Thread(target=one.post, args=(BEGIN,), kwargs={
        "json": {}, "headers": {"Origin": host.url}}) for one in crowd]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(provider.asked) >= asked + 4, 10, "all threads of the provider")
    answer = client.post("/api/session", json={"name": "root", "password": PASSWORD})
    assert answer.status_code == 200
    assert all(thread.is_alive() for thread in threads)
    provider.over.set()  # those that hang end
    for thread in threads:
        thread.join(60)
    provider.over.clear()


def test_without_a_provider_there_is_no_log_in_there(tmp_path, mosquitto):
    config = load_config(overrides={"data_dir": str(tmp_path / "host")})
    opened = AuthService(config.data_dir, config.access, lambda: time.time_ns() // 10**6)
    with closing(opened) as before:
        eve = before.users.enter("https://sso.example", "id-of-eve", "eve", Role.ADMIN)
        session = before.begin_session(eve, Visitor(), "log in by OpenID")
        assert before.authenticate(session, "", "")
    host = Host(tmp_path / "host", mosquitto.port, wait_until)
    try:
        assert host.service.access.authenticate(session, "", "") is None
        client = host.client_with()
        client.headers["Origin"] = host.url
        for path, body in ((BEGIN, {}), (RETURN, {"state": "x", "code": "y"})):
            answer = client.post(path, json=body)
            assert (answer.status_code, answer.json()["error"]) == (
                404, "this host has no log-in provider")
        assert 'id="provider"' not in client.get("/login").text
    finally:
        host.stop()
