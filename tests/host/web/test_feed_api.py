"""/api/feeds, and the feeds in health and metrics: which database has what the store has."""

import pytest
from prometheus_client.parser import text_string_to_metric_families

from idroserra.auth.roles import Role
from support.databases import Influxd
from support.real_host import Host

AWAY = {"name": "away", "url": "http://127.0.0.1:9", "timeout_ms": 500}


@pytest.fixture
def host(tmp_path, mosquitto, eventually):
    """A host that feeds an InfluxDB, and another database that does not answer."""
    with Influxd(tmp_path / "influxd") as influxd:
        cloud = {"name": "cloud", "url": influxd.url, "database": "fed", "write_api": "v1"}
        running = Host(tmp_path / "host", mosquitto.port, eventually,
                       more={"feed": [cloud, AWAY],
                             "alarms": {"rules": {"feed_down": {"on_delay_s": 0}}}})
        yield running
        running.stop()


def feeds(host):
    """Return {name: state}."""
    return {one["name"]: one for one in host.client.get("/api/feeds").json()["feeds"]}


def metrics(host):
    """Return {(series, labels): value} of the feeds."""
    return {(one.name.removeprefix("idroserra_feed_"), *one.labels.values()): one.value
            for family in text_string_to_metric_families(host.client.get("/metrics").text)
            for one in family.samples if one.name.startswith("idroserra_feed_")}


def test_each_feed_tells_what_it_has_and_what_waits(host, eventually):
    node = host.node("idro-a")
    node.live(30)
    host.settle("idro-a", 30)
    eventually(lambda: feeds(host)["cloud"]["written"] >= 30
               and feeds(host)["cloud"]["span_ms"] == 0, 60, "the feed to have everything")
    eventually(lambda: feeds(host)["away"]["why"], 60, "the other one to fail")
    found = feeds(host)
    assert {**found["cloud"], "where": ""} == {
        "name": "cloud", "where": "", "failed_unix_ms": None, "why": "", "span_ms": 0,
        "oldest_unix_ms": None, "written": found["cloud"]["written"], "refused": 0}
    away = found["away"]
    assert away["where"] == "http://127.0.0.1:9, database idroserra"
    assert "Connection refused" in away["why"]
    assert away["failed_unix_ms"] > away["oldest_unix_ms"]
    assert (away["span_ms"] >= 29 * 60_000, away["written"]) == (True, 0)
    assert host.counts()["feeds"] == {"cloud": "ok", "away": away["why"]}
    eventually(lambda: [one["key"] for one in host.client.get("/api/alarms").json()["alarms"]]
               == ["feed_down/away"], 30, "its alarm")
    series = metrics(host)
    assert (series["up", "cloud"], series["up", "away"]) == (1, 0)
    assert series["waiting_seconds", "away"] == away["span_ms"] / 1_000
    assert series["records_total", "cloud", "written"] == found["cloud"]["written"]
    assert series["records_total", "cloud", "refused"] == 0


def test_an_admin_sends_a_feed_the_past_and_the_audit_log_has_it(host, eventually):
    node = host.node("idro-a")
    node.live(30)
    host.settle("idro-a", 30)
    eventually(lambda: feeds(host)["cloud"]["span_ms"] == 0
               and feeds(host)["cloud"]["written"] >= 30, 60, "the feed to have everything")
    answer = host.client.post("/api/feeds/cloud/fill", json={})
    assert (answer.status_code, answer.json()["name"]) == (200, "cloud")
    assert answer.json()["span_ms"] >= 29 * 60_000
    eventually(lambda: feeds(host)["cloud"]["written"] >= 60, 60, "the past, once more")
    entry = host.service.access.audit.newest(1)[0]
    assert (entry.action, entry.target, entry.result) == ("fill feed", "cloud", "done")
    eventually(lambda: feeds(host)["cloud"]["span_ms"] == 0, 60, "all of it")
    later = {"from_unix_ms": 4_000_000_000_000}
    assert host.client.post("/api/feeds/cloud/fill", json=later).json()["span_ms"] == 0
    for name, body, status, why in (
        ("other", {}, 404, "no feed 'other' in the configuration"),
        ("cloud", {"from_unix_ms": -1}, 422, "from_unix_ms"),
        ("cloud", {"to_unix_ms": 1}, 422, "to_unix_ms: unknown field"),
    ):
        answer = host.client.post(f"/api/feeds/{name}/fill", json=body)
        assert answer.status_code == status
        assert why in answer.json()["error"]
    operator = host.client_with(
        host.service.access.tokens.make("olga", Role.OPERATOR, "tests"))
    assert operator.get("/api/feeds").status_code == 200
    assert operator.post("/api/feeds/cloud/fill", json={}).status_code == 403


def test_a_host_whose_file_of_feeds_cannot_be_read_says_so(host):
    host.service.feeds._spans.close()
    answer = host.client.get("/api/feeds")
    assert answer.status_code == 503
    assert answer.json()["error"]
