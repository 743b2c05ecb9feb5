"""What an InfluxDB 3 Core 3.9.6 answered, row by row: the stand-in says it word by word, and the
host takes it for what it is, as a feed and as the source of a copy."""

import time
from contextlib import closing

import httpx
import pytest

from idroserra.core.config import StoreConfig
from idroserra.core.errors import StoreRejected, StoreUnavailable
from idroserra.core.validation import validate
from idroserra.history.copy import CopyProgress, copy
from idroserra.history.influx.store import InfluxStore
from idroserra.history.influx.writer import LineWriter, open_lines
from idroserra.history.models import EventPoint, Instant
from idroserra.history.sqlite.store import SqliteStore
from support.influx3 import TOKEN, Influx3

NOW_MS = time.time_ns() // 1_000_000
DAY_MS = 86_400_000
GOOD = "m,a=b x=1 1800000000000000000"
FAILED = "write buffer error: line protocol parse failed: "
DATA = "datafusion error: "


@pytest.fixture
def influx3(influxd):
    with Influx3(influxd) as server:
        server.write("m,a=a x=1 1800000000000000000", f"Token {TOKEN}", "farm")
        yield server


def config_of(influx3, database="farm", token=TOKEN):
    return validate({"kind": "influx", "url": influx3.url, "database": database, "token": token},
                    StoreConfig)


def asked(influx3, method, path, authorization=f"Token {TOKEN}", content=None, **query):
    headers = {"Authorization": authorization} if authorization else {}
    return httpx.request(method, f"{influx3.url}{path}", params=query, content=content,
                         headers=headers, timeout=60)


def test_ping_wants_a_token(influx3):
    answer = asked(influx3, "GET", "/ping", authorization=None)
    assert (answer.status_code, answer.json()) == (
        401, {"error": "the request was not authenticated"})
    answer = asked(influx3, "GET", "/ping")
    assert answer.status_code == 200
    assert answer.headers["x-influxdb-version"] == "3.9.6"
    assert answer.headers["x-influxdb-build"] == "Core"
    assert answer.json() == {"product_name": "InfluxDB 3 Core", "version": "3.9.6"}
    with closing(InfluxStore(config_of(influx3), "farm")) as store:
        assert store._http.version() == "3.9.6"


@pytest.mark.parametrize("scheme", ["Token", "Bearer"])
def test_a_write_makes_the_database(influx3, scheme):
    answer = asked(influx3, "POST", "/api/v2/write", f"{scheme} {TOKEN}", GOOD, bucket="made")
    assert (answer.status_code, answer.content) == (204, b"")
    with closing(open_lines(config_of(influx3, "made_too"))) as sender:
        sender.send(GOOD.encode())
    assert {"made", "made_too"} <= set(influx3.databases)


@pytest.mark.parametrize(("line", "message"), [
    ("m,a=d x= 1800000000000000000", FAILED + "No fields were provided"),
    ('m,a=c x="text" 1800000000000000000', FAILED + "invalid column type for column 'x', expected"
     " iox::column_type::field::float, got iox::column_type::field::string"),
])
def test_of_a_body_with_a_bad_line_nothing_is_taken(influx3, line, message):
    body = f"{GOOD}\n{line}"
    answer = asked(influx3, "POST", "/api/v2/write", content=body, bucket="farm")
    assert (answer.status_code, answer.json()) == (400, {"code": "invalid", "message": message})
    with closing(open_lines(config_of(influx3))) as sender, pytest.raises(StoreRejected) as caught:
        sender.send(body.encode())
    assert caught.value.why.endswith(f": HTTP 400: {message}")
    assert [series for series, _ in influx3.points] == ["m,a=a"]


def test_what_is_too_old_is_taken_and_not_there(influx3):
    answer = asked(influx3, "POST", "/api/v3/configure/database",
                   content='{"db": "short3", "retention_period": "7d"}')
    assert answer.status_code == 200
    old, new = (Instant("idro-a1", NOW_MS - days * DAY_MS, {"reservoir.ph": 6.0})
                for days in (10, 1))
    with closing(LineWriter(config_of(influx3, "short3"), "farm")) as writer:
        assert writer.write([old, new], []) == {}
    assert [at_ns for series, at_ns in influx3.points if series.startswith("sample")] == [
        new.unix_ms * 1_000_000]
    with closing(InfluxStore(config_of(influx3, "short3"), "farm")) as store:
        assert store._show("SHOW RETENTION POLICIES ON short3") == [["short3", "168h0m0s", True]]


@pytest.mark.parametrize(("text", "database", "files", "error", "ours"), [
    ("SELECT x FROM m", "nosuch", 0,
     "Cannot retrieve database: External error: database not found: nosuch", None),
    ("SELEC x", "farm", 0, "error in InfluxQL statement: parsing error: SELEC x", StoreRejected),
    ("DELETE FROM late WHERE time = 1", "farm", 0,
     DATA + "This feature is not implemented: DELETE", StoreRejected),
    ("SELECT x FROM m", "farm", 432, DATA + "External error: Query would scan 432 Parquet files,"
     " exceeding the file limit. Upgrade to Enterprise.", StoreRejected),
])
def test_an_error_of_a_query_comes_with_200(influx3, text, database, files, error, ours):
    influx3.files = files
    answer = asked(influx3, "GET", "/query", db=database, q=text)
    assert (answer.status_code, answer.json()) == (
        200, {"results": [{"statement_id": 0, "error": error}]})
    with closing(InfluxStore(config_of(influx3, database), "farm")) as store:
        if ours is None:
            assert store._show(text) == []  # before the first write
        else:
            with pytest.raises(ours) as caught:
                store._show(text)
            assert error in caught.value.why


def test_two_statements_have_two_results(influx3):
    with closing(InfluxStore(config_of(influx3), "farm")) as store:
        found = store._query_all(["SELECT x FROM m", "SELECT y FROM m"], "ms")
    assert found == [[[1_800_000_000_000, 1]], []]


def test_a_copy_from_it_has_the_nodes_that_are_silent_for_a_day_too(influx3, tmp_path):
    instants = [Instant(node, NOW_MS - before_ms + at_ms, {"reservoir.ph": 6.0})
                for node, before_ms in (("idro-new", DAY_MS // 10), ("idro-old", 40 * DAY_MS))
                for at_ms in (0, 60_000)]
    events = [EventPoint("idro-old", (NOW_MS - 40 * DAY_MS) * 1_000, 1, "b1", "boot", {})]
    with closing(LineWriter(config_of(influx3), "farm")) as writer:
        writer.write(instants, events)
    unasked = asked(influx3, "GET", "/query", db="farm",
                    q="SHOW TAG VALUES FROM sample WITH KEY = node").json()
    assert unasked["results"][0]["series"][0]["values"] == [["node", "idro-new"]]
    target = SqliteStore(tmp_path / "store.db")
    with closing(InfluxStore(config_of(influx3), "farm")) as source:
        done = copy(source, target, CopyProgress(None, "x"), lambda *_: None)
    assert (done.nodes, done.points, done.events) == (2, 4, 1)
    target.close()


def test_a_token_that_it_does_not_know_is_named(influx3):
    why = "HTTP 401: the request was not authenticated; check its token"
    with closing(open_lines(config_of(influx3, token="wrong"))) as sender, pytest.raises(
            StoreUnavailable, match=why):
        sender.send(GOOD.encode())
