"""GET /api/status and /api/hosts at real hosts, one of them stopped, beside servers that fail."""

import time

import pytest

from idroserra.auth.roles import Role
from support.real_host import KEY, Host
from support.several_hosts import BEHAVIOURS, SECRET, several_hosts, token_of
from support.wait import wait_until


@pytest.fixture(scope="module")
def rig(tmp_path_factory):
    with several_hosts(tmp_path_factory.mktemp("hosts"), wait_until) as made:
        yield made


def hosts_of(home):
    return {one["name"]: one for one in home.client.get("/api/hosts").json()["hosts"]}


def test_a_viewer_sees_the_hosts_and_its_role_and_nothing_less(rig):
    home, _north = rig
    viewer = home.client_with(token_of(home, Role.VIEWER))
    assert viewer.get("/api/status").json()["role"] == "viewer"
    assert "North" in [one["name"] for one in viewer.get("/api/hosts").json()["hosts"]]
    page = viewer.get("/hosts", headers={"Accept": "text/html"})
    assert 'href="/hosts"' in page.text
    assert SECRET not in page.text
    anyone = home.client_with()
    assert {anyone.get(path).status_code for path in ("/api/status", "/api/hosts")} == {401}
    for method in ("POST", "PUT", "DELETE"):
        assert home.client.request(method, "/api/hosts", json={}).status_code == 405
    italian = viewer.get("/api/hosts", headers={"Accept-Language": "it"}).json()["hosts"]
    assert any(one["text"].startswith("Stato ") for one in italian)


def test_each_host_has_its_state_or_the_reason_why_not_also_when_it_is_stopped(
        rig, eventually, caplog):
    home, north = rig
    began_s = time.monotonic()
    assert len(hosts_of(home)) == 3 + len(BEHAVIOURS)
    assert time.monotonic() - began_s < 5, "a look waits for no other host"
    eventually(lambda: None not in [
        one["answered_unix_ms"] or one["failed_unix_ms"] for one in hosts_of(home).values()],
        30, "an answer or a failure of each")
    hosts = hosts_of(home)
    assert list(hosts)[0] == "North", "a known alarm is before what is not known"
    found = hosts["North"]
    assert (found["level"], found["url"], found["is_own"], found["version"]) == (
        "bad", north.url, False, home.client.get("/api/status").json()["version"])
    assert found["nodes"] == {"no_contact": 0, "stopped": 1, "attention": 0, "fine": 0}
    assert found["text"].startswith("1 of 1 nodes needs attention. idro-n: ")
    [alarm] = [one for one in found["alarms"] if one["text"].startswith("Dosing is locked")]
    assert (alarm["site"], alarm["node"], alarm["href"]) == (
        "Valley", "idro-n", f"{north.url}/nodes/idro-n")
    assert [site["href"] for site in found["sites"]] == [f"{north.url}/sites/Valley"]
    reasons = {name: one["reason"] and one["reason"]["code"] for name, one in hosts.items()}
    assert reasons == {
        "Home": None, "North": None, "Older": None, "Liar": None,
        "Refused": "other_token_refused", "Garbage": "other_unread", "Huge": "other_unread",
        "Hanging": "other_silent", "Dripping": "other_silent"}
    for name, code in reasons.items():
        if code is not None:
            one = hosts[name]
            assert (one["level"], one["nodes"], one["alarms"], one["help"]) == (
                "bad", None, [], f"/help/reasons#{code}")
    assert hosts["Home"]["is_own"]
    assert "Missing: parts" in hosts["Older"]["notes"][0]["text"]
    assert hosts["Liar"]["alarms"][0]["href"].endswith("/nodes/javascript%3A1")
    # Stopped: no old number stays. Its port is closed at once.
    north.stop_web()
    eventually(lambda: hosts_of(home)["North"]["reason"], 60, "the stop to be seen")
    gone = hosts_of(home)["North"]
    assert (gone["reason"]["code"], gone["nodes"], gone["alarms"], gone["alarm_count"]) == (
        "other_unreachable", None, [], None)
    assert gone["answered_unix_ms"] <= gone["failed_unix_ms"]
    assert SECRET not in caplog.text
    assert SECRET not in home.client.get("/api/hosts").text + str(home.service.counts())


def test_without_other_hosts_the_navigation_has_no_place_for_them(
        tmp_path, mosquitto, eventually):
    host = Host(tmp_path / "host", mosquitto.port, eventually)
    try:
        assert list(hosts_of(host)) == ["test"]
        page = host.client.get("/", headers={"Accept": "text/html"})
        assert 'href="/alarms"' in page.text
        assert 'href="/hosts"' not in page.text
        # Its nodes are counted as on the home page, also one that has not reported yet.
        host.service.nodes.adopt("idro-new", KEY)
        eventually(lambda: hosts_of(host)["test"]["nodes"]["fine"], 30, "the node to be counted")
        [site] = host.client.get("/api/sites").json()["sites"]
        own = hosts_of(host)["test"]
        assert (own["text"], own["level"]) == (site["text"], site["level"])
    finally:
        host.stop()


def test_a_standby_that_gets_no_copy_is_a_problem_of_the_host_here_too(
        tmp_path, mosquitto, eventually):
    (tmp_path / "no-folder").write_text("")
    host = Host(tmp_path / "host", mosquitto.port, eventually, more={
        "standby": {"url": f"file://{tmp_path}/no-folder/copy"}})
    try:
        eventually(lambda: host.counts()["standby"]["state"] not in ("ok", "starting"), 20,
                   "the standby to be out of reach")
        eventually(lambda: hosts_of(host)["test"]["level"] == "bad", 6, "the problem")
        assert hosts_of(host)["test"]["text"].startswith("The host's standby: ")
    finally:
        host.stop()
