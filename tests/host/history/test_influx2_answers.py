"""What an InfluxDB 2.7.12 and a 2.9.1 answered, row by row: the stand-in says it word by word, and
the host takes it for what it is."""

from contextlib import closing

import httpx
import pytest

from idroserra.core.config import StoreConfig
from idroserra.core.errors import StoreRejected, StoreUnavailable
from idroserra.core.validation import validate
from idroserra.history.influx.client import client_v2
from idroserra.history.influx.store import InfluxStore
from idroserra.history.influx.writer import open_lines
from support.influx2 import ORG, ORG_ID, TOKEN

GOOD = "m,a=b x=1 1800000000000000000"
CONFLICT = "m,a=c x=\"text\" 1800000000000000000"
OLD = "m,a=i x=1 1000"
NO_FIELD = "m,a=d x= 1800000000000000000"


@pytest.fixture
def bucket(influx2, request):
    """Yield a bucket that keeps a week and has a point, whose x is a number."""
    name = f"answers_{len(influx2.buckets)}"
    influx2.create_bucket({"name": name, "orgID": ORG_ID, "retentionRules": [
        {"type": "expire", "everySeconds": 7 * 86_400}]})
    influx2.write(TOKEN, name, b"m,a=a x=1 1800000000000000000")
    return name


def config_of(influx2, bucket, token=TOKEN):
    return validate({"kind": "influx", "url": influx2.url, "database": bucket, "token": token,
                     "org": ORG}, StoreConfig)


def asked(influx2, method, path, token=TOKEN, content=None, **query):
    return httpx.request(method, f"{influx2.url}{path}", params=query, content=content,
                         headers={"Authorization": f"Token {token}"}, timeout=60)


def series_of(influx2, bucket):
    return sorted(row[1] for row in influx2.run(bucket, 'SELECT "a",x FROM m'))


@pytest.mark.parametrize(("lines", "change", "status", "code", "message", "ours", "kept"), [
    ([GOOD], {}, 204, "", "", None, ["a", "b"]),
    ([GOOD, NO_FIELD], {}, 400, "invalid",
     "unable to parse 'm,a=d x= 1800000000000000000': missing field value", StoreRejected, ["a"]),
    ([GOOD, CONFLICT], {}, 422, "unprocessable entity",
     "failure writing points to database: partial write: field type conflict: input field \"x\" on"
     " measurement \"m\" is type string, already exists as type float dropped=1", StoreRejected,
     ["a", "b"]),
    ([GOOD, OLD], {}, 422, "unprocessable entity",
     "failure writing points to database: partial write: dropped 1 points outside retention policy"
     " of duration 168h0m0s - oldest point m,a=i at 1970-01-01T00:00:00.000001Z dropped because it"
     " violates a Retention Policy Lower Bound at 2026-11-21T01:14:22.68Z, newest point m,a=i at"
     " 1970-01-01T00:00:00.000001Z dropped because it violates a Retention Policy Lower Bound at"
     " 2026-11-21T01:14:22.68Z dropped=1 for database: e1400a0b67673889 for retention policy:"
     " autogen", StoreRejected, ["a", "b"]),
    ([GOOD], {"bucket": "nosuch"}, 404, "not found", 'bucket "nosuch" not found',
     StoreUnavailable, ["a"]),
    ([GOOD], {"token": "unknown"}, 401, "unauthorized", "unauthorized access", StoreUnavailable,
     ["a"]),
])
def test_write(influx2, bucket, lines, change, status, code, message, ours, kept):
    body = "\n".join(lines).encode()
    token, target = change.get("token", TOKEN), change.get("bucket", bucket)
    answer = asked(influx2, "POST", "/api/v2/write", token, body, org=ORG, bucket=target,
                   precision="ns")
    assert answer.status_code == status
    assert (answer.json() if answer.content else {}) == (
        {"code": code, "message": message} if message else {})
    assert series_of(influx2, bucket) == kept
    with closing(open_lines(config_of(influx2, target, token))) as sender:
        if ours is None:
            sender.send(body)
        else:
            with pytest.raises(ours) as caught:
                sender.send(body)
            assert f"HTTP {status}: {message[:200]}" in caught.value.why
    assert series_of(influx2, bucket) == kept


def test_a_delete_is_answered_by_an_empty_object(influx2, bucket):
    influx2.write(TOKEN, bucket, b"late due=1i 1800000000000000100")
    statement = "DELETE FROM late WHERE time = 1800000000000000100"
    answer = asked(influx2, "POST", "/query", db=bucket, q=statement)
    assert (answer.status_code, answer.json()) == (200, {})
    assert influx2.run(bucket, "SELECT due FROM late") == []
    with closing(InfluxStore(config_of(influx2, bucket), "farm")) as store:
        assert store._run(statement) == []


@pytest.mark.parametrize(("change", "text", "status", "content", "ours"), [
    ({}, "SELEC x", 400, {"code": "invalid", "message": "failed to parse query: found SELEC"},
     (StoreRejected, "HTTP 400: failed to parse query: found SELEC, expected SELECT")),
    ({"db": "nosuch"}, "SELECT x FROM m", 200,
     {"results": [{"statement_id": 0, "error": "database not found: nosuch"}]}, []),
    ({"db": "nosuch"}, "SHOW TAG VALUES FROM sample WITH KEY = node", 200, {"results": [{
        "statement_id": 0, "error": "default retention policy not set for: nosuch"}]},
     (StoreRejected, "the bucket 'nosuch' does not exist, or the token may not read it")),
    ({}, "SHOW RETENTION POLICIES ON nosuch", 200, {"results": [{"statement_id": 0, "series": [{
        "columns": ["name", "duration", "shardGroupDuration", "replicaN", "default"]}]}]}, []),
    ({"token": "unknown"}, "SELECT x FROM m", 401,
     {"code": "unauthorized", "message": "Unauthorized"},
     (StoreUnavailable, "HTTP 401: Unauthorized; check its token")),
])
def test_query(influx2, bucket, change, text, status, content, ours):
    token, database = change.get("token", TOKEN), change.get("db", bucket)
    answer = asked(influx2, "GET", "/query", token, db=database, q=text)
    found = answer.json()
    if text.startswith("SELEC "):
        found["message"] = found["message"].partition(",")[0]  # then come all that are expected
    assert (answer.status_code, found) == (status, content)
    with closing(InfluxStore(config_of(influx2, database, token), "farm")) as store:
        if isinstance(ours, list):
            assert store._show(text) == ours
        else:
            with pytest.raises(ours[0], match=ours[1]):
                store._show(text)


@pytest.mark.filterwarnings("error:org_id is deprecated")
def test_policies_after_set_up_have_no_duration_and_info_asks_the_buckets(influx2, bucket):
    with closing(InfluxStore(config_of(influx2, bucket), "farm")) as store:
        store.init(lambda *_: None)
        found = asked(influx2, "GET", "/query", db=bucket,
                      q=f"SHOW RETENTION POLICIES ON {bucket}").json()
        rows = found["results"][0]["series"][0]["values"]
        assert sorted(row[:2] for row in rows) == [
            [name, "0s"] for name in ("autogen", "daily", "hours", "minutes", "quarters")]
        buckets = asked(influx2, "GET", "/api/v2/buckets", name=bucket).json()["buckets"]
        assert [rule["everySeconds"] for rule in buckets[0]["retentionRules"]] == [400 * 86_400]
        kept = {part.name: part.keep_days for part in store.info().resolutions}
    assert kept == {"raw": 400, "1m": 800, "15m": 3_650, "1h": 3_650, "1d": 0}


def test_ping_tells_the_version_without_a_token(influx2, bucket):
    answer = httpx.get(f"{influx2.url}/ping")
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["X-Influxdb-Version"] == "v2.7.12"
    with closing(InfluxStore(config_of(influx2, bucket), "farm")) as store:
        assert store._http.version() == "2.7.12"


def test_a_token_that_may_not_list_organisations_gets_an_empty_list(influx2, bucket):
    influx2.tokens["of one bucket"] = {bucket}
    with client_v2(config_of(influx2, bucket, "of one bucket")) as client:
        assert client.organizations_api().find_organizations() == []
