"""The doctor tells of each feed whether it may be written to, with real and recorded servers."""

import urllib.parse
import urllib.request

import pytest

from idroserra.core.config import FeedConfig
from idroserra.core.validation import Secret
from idroserra.doctor.feeds import check_feeds
from support.databases import Influxd, VictoriaMetrics
from support.influx2 import ORG, ORG_ID, Influx2
from support.influx2 import TOKEN as TOKEN_2
from support.influx3 import TOKEN as TOKEN_3
from support.influx3 import Influx3


def look(url, **config):
    """Return (state, found, advice) of the check of one feed."""
    feed = FeedConfig(name="cloud", url=url, **config)
    [check] = check_feeds([feed])
    assert check.name == "feed cloud"
    return check.state, check.found, check.advice


def sql(database, statement):
    data = urllib.parse.urlencode({"q": statement}).encode()
    with urllib.request.urlopen(f"{database.url}/query", data, timeout=60):
        pass


def test_an_influxdb_1_before_and_after_the_host_has_made_its_database(tmp_path):
    with Influxd(tmp_path) as server:
        state, found, _ = look(server.url, write_api="v1", database="fed")
        assert (state, found[:11]) == ("ok", "InfluxDB 1.")
        assert found.endswith(f": {server.url}, database fed, which the host will create")
        sql(server, "CREATE DATABASE fed")
        state, found, advice = look(server.url, write_api="v1", database="fed")
        assert (state, advice) == ("ok", "")
        assert found.endswith(f": {server.url}, database fed")
        assert server.rows("SHOW MEASUREMENTS", "fed") == []  # nothing was written


def test_an_influxdb_1_with_another_password(tmp_path):
    bind = 'bind-address = "127.0.0.1:PORT"\nauth-enabled = true'
    with Influxd(tmp_path, bind) as server:
        sql(server, "CREATE USER admin WITH PASSWORD 'right' WITH ALL PRIVILEGES")
        state, found, advice = look(
            server.url, write_api="v1", user="admin", password=Secret("wrong"))
    assert (state, "HTTP 401: authorization failed; check its token" in found) == ("fail", True)
    assert "correct its [[feed]]" in advice


def test_an_influxdb_2_and_a_bucket_or_token_that_is_not_there(tmp_path):
    with Influxd(tmp_path) as engine, Influx2(engine) as server:
        server.create_bucket({"name": "fed", "orgID": ORG_ID, "retentionRules": []})
        known = {"database": "fed", "org": ORG, "token": Secret(TOKEN_2)}
        assert look(server.url, **known) == (
            "ok", f"InfluxDB 2.7.12: {server.url}, database fed", "")
        for wrong, why in (({"database": "other"}, 'HTTP 404: bucket "other" not found'),
                           ({"token": Secret("other")}, "HTTP 401: unauthorized access")):
            state, found, _ = look(server.url, **(known | wrong))
            assert (state, why in found) == ("fail", True), found


def test_an_influxdb_3_with_and_without_its_token():
    with Influx3() as server:
        state, found, _ = look(server.url, database="fed", token=Secret(TOKEN_3))
        assert (state, found) == ("ok", f"InfluxDB 3.9.6: {server.url}, database fed")
        state, found, _ = look(server.url, database="fed")
        assert (state, "HTTP 401: the request was not authenticated" in found) == ("fail", True)
        assert server.points == {}


@pytest.mark.parametrize(("removed", "added", "state", "said"), [
    ("none", (), "ok", "VictoriaMetrics: "),
    ("-dedup.minScrapeInterval=1ms", (), "warn", "keeps points twice that are sent twice"),
    ("none", ("-metricsAuthKey=secret",), "fail", "/metrics of VictoriaMetrics (HTTP 401)"),
])
def test_a_victoriametrics_as_it_was_started(tmp_path, eventually, removed, added, state, said):
    class Started(VictoriaMetrics):
        def command(self):
            return [*(word for word in super().command() if word != removed), *added]

    with Started(tmp_path) as server:
        eventually(lambda: "just started" not in look(server.url)[1], 60, "it runs for a while")
        found = look(server.url)
    assert (found[0], said in found[1]) == (state, True), found
    assert ("dedup.minScrapeInterval=1ms" in found[2]) == (state == "warn")


def test_one_that_is_away_fails_with_its_address():
    state, found, advice = look("http://127.0.0.1:9", timeout_ms=500)
    assert (state, found) == ("fail", "http://127.0.0.1:9: [Errno 111] Connection refused")
    assert "what it lacks is sent then" in advice
    assert list(check_feeds([])) == []
