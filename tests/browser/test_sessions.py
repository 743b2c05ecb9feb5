"""Login over HTTP: cookie, CSRF, logout, rate limits and the audit log."""

import json

from idroserra.auth.audit import verify
from idroserra.auth.roles import Role
from support.access_rig import fill_disk
from support.real_host import PASSWORD

WRONG = "not the one of anybody"


def logged_in(host, role=Role.OPERATOR, name="anna"):
    """Return a client that logged in as a browser does, and the answer."""
    access = host.service.access
    if name not in [user.name for user in access.users.all()]:
        access.users.add(name, role, PASSWORD)
    client = host.client_with()
    client.headers["Origin"] = host.url
    answer = client.post("/api/session", json={"name": name, "password": PASSWORD})
    assert answer.status_code == 200, answer.text
    return client, answer


def rows(host, action):
    return [row for row in host.service.access.audit.newest(100) if row.action == action]


def test_the_cookie_is_for_this_host_and_no_script(host):
    client, answer = logged_in(host)
    name, value = host.url.rpartition(":")[2], answer.headers["set-cookie"]
    assert value.startswith(f"idroserra_{name}=")
    assert {"HttpOnly", "SameSite=strict", "Path=/", "Max-Age=43200"} <= set(value.split("; "))
    assert "Secure" not in value  # plain HTTP, on loopback
    assert answer.json() == {"user": "anna", "role": "operator", "needs_setup": True}
    assert client.get("/api/nodes").status_code == 200
    tls = client.post("/api/session", json={"name": "anna", "password": PASSWORD}, headers={
        "X-Forwarded-Proto": "https", "Origin": host.url})
    assert "Secure" in tls.headers["set-cookie"]


def test_a_forged_request_changes_nothing(host):
    client, _ = logged_in(host)
    host.node("idro-a")
    for headers in ({"Origin": "http://evil.example"}, {"Origin": "null"},
                    {"Origin": host.url, "Sec-Fetch-Site": "cross-site"}, {"Origin": ""}):
        answer = client.post("/api/nodes/idro-a/commands", json={"verb": "stop"}, headers=headers)
        assert answer.status_code == 403, headers
    del client.headers["Origin"]
    answer = client.post("/api/nodes/idro-a/commands", json={"verb": "stop"})
    assert (answer.status_code, answer.json()["error"]) == (403, "Origin: needed with a cookie")
    assert rows(host, "command") == []


def test_log_out_ends_the_session_not_only_the_cookie(host):
    client, _ = logged_in(host)
    other, _ = logged_in(host)
    kept = dict(client.cookies)
    answer = client.request("DELETE", "/api/session", json={})
    assert answer.status_code == 200
    assert "Max-Age=0" in answer.headers["set-cookie"]
    again = host.client_with()
    assert again.get("/api/nodes", headers={
        "Cookie": "; ".join(f"{key}={value}" for key, value in kept.items())}).status_code == 401
    assert other.get("/api/nodes").status_code == 200
    third, _ = logged_in(host)
    assert other.request("DELETE", "/api/session/all", json={}).status_code == 200
    assert third.get("/api/nodes").status_code == 401


def test_a_new_log_in_has_a_new_id_and_ends_the_older_one(host):
    client, _ = logged_in(host)
    before = dict(client.cookies)
    client.post("/api/session", json={"name": "anna", "password": PASSWORD})
    assert dict(client.cookies) != before
    header = "; ".join(f"{key}={value}" for key, value in before.items())
    assert host.client_with().get("/api/nodes", headers={"Cookie": header}).status_code == 401


def test_too_many_wrong_passwords_are_refused_with_the_wait(host):
    host.service.access.users.add("anna", Role.ADMIN, PASSWORD)
    client = host.client_with()
    answers = [client.post("/api/session", json={"name": "Anna", "password": WRONG})
               for _ in range(7)]
    assert [answer.status_code for answer in answers] == [403] * 5 + [429] * 2
    assert answers[0].json()["error"] == "name or password is wrong"
    assert 0 < int(answers[-1].headers["retry-after"]) <= 900
    assert answers[-1].json()["error"].startswith("too many log-ins that failed: wait ")
    unknown = client.post("/api/session", json={"name": "eve", "password": WRONG})
    assert unknown.json() == answers[0].json()  # does not reveal which users exist
    refusals = rows(host, "log in")
    assert len(refusals) == 7  # five, that it is too many once, and eve
    assert {row.result for row in refusals} == {"refused"}
    assert {row.address for row in refusals} == {"127.0.0.1"}


def test_actions_are_in_the_audit_log_with_their_result(host, eventually):
    node = host.node("idro-a")
    client, _ = logged_in(host)
    sent = client.post("/api/nodes/idro-a/commands", json={"verb": "stop", "by": "mallory"})
    assert (sent.status_code, sent.json()["by"]) == (202, "anna")  # not what the request claims
    eventually(lambda: rows(host, "command ended"), 60, "the end of the command")
    asked, = rows(host, "command")
    assert (asked.who, asked.target, asked.result, asked.address) == (
        "anna", "idro-a", "asked", "127.0.0.1")
    assert json.loads(asked.detail)["id"] == sent.json()["id"]
    ended, = rows(host, "command ended")
    assert (ended.who, json.loads(ended.detail)["id"]) == ("anna", sent.json()["id"])
    changed = client.put("/api/nodes/idro-a/config", json={"values": {"ph.target": 6.1}})
    assert changed.status_code == 200
    bad = client.put("/api/nodes/idro-a/config", json={"values": {"ph.target": 99}})
    assert bad.status_code == 422
    refused, done = rows(host, "change settings")[:2]
    assert (done.result, json.loads(done.detail)["values"]) == ("done", {"ph.target": 6.1})
    assert refused.result == "refused"
    assert "ph.target" in refused.reason
    client.post("/api/alarms/acknowledge", json={"keys": ["none"]})
    client.post("/api/nodes/idro-a/recipe", json={"recipe": "lettuce"})
    client.post("/api/nodes/idro-a/calibrations", json={"kind": "ph"})
    for action in ("acknowledge alarm", "start recipe", "begin calibration"):
        assert rows(host, action)[0].who == "anna"
    assert verify(host.config.data_dir / "audit.db")[0] > 5
    node.close()


def test_the_log_is_for_admins_and_holds_no_secret(host):
    client, _ = logged_in(host, Role.ADMIN, "ada")
    made = client.post("/api/tokens", json={"name": "grafana", "role": "viewer"}).json()
    client.post("/api/users", json={"name": "bert", "role": "viewer", "password": PASSWORD})
    client.put("/api/account/password", json={"password": PASSWORD, "new_password": WRONG})
    text = client.get("/api/audit").text
    assert '"create token"' in text
    assert '"change own password"' in text
    for secret in (PASSWORD, WRONG, made["secret"]):
        assert secret not in text
        assert secret.encode() not in (host.config.data_dir / "audit.db").read_bytes()
    page = client.get("/api/audit", params={"limit": 1}).json()["rows"]
    older = client.get("/api/audit", params={"limit": 1, "before_seq": page[0]["seq"]}).json()
    assert older["rows"][0]["seq"] == page[0]["seq"] - 1
    scraped = host.client_with(made["secret"]).get("/metrics")
    assert scraped.status_code == 200


def test_doses_need_a_fresh_password_and_say_so(host):
    host.node("idro-a")
    client, _ = logged_in(host)
    dose = {"verb": "dose", "args": {"actuator": "ph_down", "volume_ul": 1_000}}
    path = "/api/nodes/idro-a/commands"
    assert client.post(path, json=dose).status_code == 202
    age(host)
    answer = client.post(path, json=dose)
    assert (answer.status_code, answer.json()["needs_password"]) == (403, True)
    limit = {"values": {"dosing.authority_pct": 100}}
    assert client.put("/api/nodes/idro-a/config", json=limit).status_code == 403
    for key, value in (("level.zero_uv", 0), ("level.uv_per_mm", 50_000),
                       ("ec.alpha_ppm_c", 25_000)):  # a tank that seems empty is filled
        answer = client.put("/api/nodes/idro-a/config", json={"values": {key: value}})
        assert (answer.status_code, answer.json()["needs_password"]) == (403, True), key
    for step in ("", "/back"):  # a calibration sets the same
        answer = client.post(f"/api/nodes/idro-a/calibrations{step}", json={"kind": "level"})
        assert (answer.status_code, answer.json()["needs_password"]) == (403, True), step
    assert client.put("/api/nodes/idro-a/config", json={
        "values": {"ph.target": 6.0}}).status_code == 200  # a setpoint is no limit
    assert client.post(path, json={"verb": "stop"}).status_code == 202  # to stop is always free
    wrong = client.post("/api/session/confirm", json={"password": WRONG})
    assert wrong.status_code == 403
    assert client.post("/api/session/confirm", json={"password": PASSWORD}).status_code == 200
    assert client.post(path, json=dose).status_code == 202


def age(host):
    """Make every session's password one that was given six minutes ago."""
    sessions = host.service.access.sessions
    with sessions._changing() as database:
        database.execute("UPDATE sessions SET confirmed_unix_ms = confirmed_unix_ms - 360000")


def test_on_a_full_disk_somebody_new_gets_in_and_stops_the_pumps(host):
    node = host.node("idro-a")
    access = host.service.access
    access.users.add("anna", Role.OPERATOR, PASSWORD)
    fill_disk(access)
    client, _ = logged_in(host)
    assert client.get("/nodes/idro-a").status_code == 200
    assert client.post("/api/nodes/idro-a/commands", json={"verb": "stop"}).status_code == 202
    assert "audit log" in host.counts()["failures"]  # reported as not written
    assert client.request("DELETE", "/api/session", json={}).status_code == 503
    assert client.get("/api/nodes").status_code == 401  # and has ended all the same
    fill_disk(access, is_full=False)
    node.close()


def test_a_browser_is_redirected_to_login_and_a_program_gets_401(host):
    client = host.client_with()
    page = client.get("/nodes/idro-a", headers={"Accept": "text/html"})
    assert (page.status_code, page.headers["location"]) == (303, "/setup")
    host.service.access.users.add("ada", Role.ADMIN, PASSWORD)
    page = client.get("/nodes/idro-a", headers={"Accept": "text/html"})
    assert page.headers["location"] == "/login?next=/nodes/idro-a"
    door = client.get("/login").text
    assert "idro-a" not in door  # it tells nothing of what is inside
    for path in ("/", "/metrics", "/api/live", "/api/openapi.json"):
        assert client.get(path).status_code == 401, path
