"""The production store against InfluxDB 1.6.7, the stand-in for a 2.x, the server that the
environment names (support/influx_fixtures.py), and VictoriaMetrics by /api/v2/write."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import urlencode

import pytest

from idroserra.core.config import StoreConfig
from idroserra.core.errors import StoreRejected, StoreUnavailable
from idroserra.core.validation import validate
from idroserra.history import paging
from idroserra.history.influx.http import Http
from idroserra.history.influx.store import InfluxStore
from idroserra.history.models import EventPoint, Instant, SamplePoint
from support.databases import Influxd, free_port
from support.influx_fixtures import SITE
from support.samples import points_of, write_samples
from support.useless_database import useless_database

NODE = "idro-a1"
T0 = 1_767_225_600_000  # 2026-01-01: VictoriaMetrics takes no future


def open_store(server, database, write_api="v1"):
    config = StoreConfig(kind="influx", url=server.url, database=database, write_api=write_api)
    return InfluxStore(config, site=SITE)


@pytest.fixture
def store(database):
    return database.open()


def ph(at_ms, value, channel="reservoir.ph"):
    return SamplePoint(NODE, channel, T0 + at_ms, value)


def test_a_write_repeated_changes_nothing(store):
    samples = [ph(i * 1000, 6 + i / 1000) for i in range(900)]
    samples += [ph(i * 1000, 1500 + i, "reservoir.ec_us_cm") for i in range(900)]
    detail = {"reason": "quote \" backslash \\ comma, = newline-free", "volume_ul": 5, "ok": True}
    events = [EventPoint(NODE, T0 * 1000 + 7, 1007, "b1", "dosed", detail),
              EventPoint(NODE, T0 * 1000 + 8, 1008, "b1", "boot", {})]
    # A reason with values, beside the sentence of an earlier version.
    why = {"code": "b_waits", "values": {"why": {"code": "gap", "values": {
        "actuator": "nutrient_b", "left_ms": 5_000}}}}
    events.append(EventPoint(NODE, T0 * 1000 + 9, 1009, "b1", "decided", {"reason": why}))
    for _ in range(2):
        write_samples(store, samples, events)
    found = store.series(NODE, ["reservoir.ph", "reservoir.ec_us_cm"], T0, T0 + 900_000, 5000)
    means = [c.mean for c in found["reservoir.ph"]]
    assert means == pytest.approx([s.value for s in samples[:900]])
    assert [c.max for c in found["reservoir.ec_us_cm"]] == [s.value for s in samples[900:]]
    assert store.events(NODE, T0, T0 + 1) == events
    assert store.events(NODE, T0, T0 + 1, ["boot"]) == events[1:2]
    assert store.events(NODE, T0, T0 + 1, ["dosed", "boot"], 1) == events[1:2]
    assert store.events(NODE, T0, T0 + 1, newest=2) == events[1:]
    assert store.events(NODE, T0, T0 + 1, ["boot", "decided"], oldest=1) == events[1:2]
    assert store.events(NODE, T0, T0 + 1, oldest=2) == events[:2]
    assert store.newest_events(NODE, T0, T0 + 1, ["dosed", "boot"], 1) == events[:2]
    assert store.newest_events(NODE, T0, T0 + 1, ["latched"], 1) == []


def test_the_newest_events_of_each_kind(store):
    kinds = ("latched", "gap", "gap", "gap", "boot")
    events = [EventPoint(NODE, (T0 + at) * 1_000 + at, at, "b1", kind, {"at": at})
              for at, kind in enumerate(kinds)]
    other = EventPoint("idro-b2", T0 * 1_000, 9, "b1", "gap", {})
    write_samples(store, [], [*events, other])
    asked = (NODE, T0, T0 + 10, ["gap", "latched"])
    assert store.newest_events(*asked, 1) == [events[0], events[3]]
    assert store.newest_events(*asked, 2) == [events[0], *events[2:4]]


def test_columns_agree_with_the_embedded_store(store, tmp_path):
    from idroserra.history.sqlite.store import SqliteStore

    embedded = SqliteStore(tmp_path / "store.db")
    samples = [ph(i * 10_000, round(5 + (i * 37 % 100) / 40, 3)) for i in range(3_000)]
    for end in (store, embedded):
        write_samples(end, samples, [])
    for columns in (100, 2_000):
        asked = (NODE, ["reservoir.ph", "air.temp_c"], T0 + 5_000, T0 + 20_000_000, columns)
        ours, theirs = embedded.series(*asked), store.series(*asked)
        assert theirs["air.temp_c"] == []
        assert len(theirs["reservoir.ph"]) <= columns
        if columns == 2_000:  # raw in both; the embedded one rounds wider columns to roll-ups
            assert theirs["reservoir.ph"] == [
                (c.unix_ms, c.min, pytest.approx(c.mean), c.max) for c in ours["reservoir.ph"]
            ]
    embedded.close()


def test_latest_is_the_newest_of_each_channel(store):
    write_samples(store, [ph(5_000, 6.5), ph(0, 6.1), ph(0, 21.25, "air.temp_c")], [])
    assert store.latest(NODE) == {
        "reservoir.ph": (T0 + 5_000, 6.5), "air.temp_c": (T0, 21.25)}
    assert store.latest("idro-none") == {}


def test_the_latest_of_a_node_is_one_request(store, monkeypatch):
    """After a start a host may ask for a thousand nodes."""
    write_samples(store, [ph(0, 21.25, f"{source}.temp_c") for source in ("air", "root")], [])
    requests, request = [], store._http.request
    monkeypatch.setattr(store._http, "request",
                        lambda *asked: (requests.append(asked), request(*asked))[1])
    assert len(store.latest(NODE)) == 2
    assert len(requests) == 1


def test_foreign_readings_have_a_key_and_quantities_of_their_own(store):
    power = [ph(at * 1_000, 400.5 + at, "foreign.power_w")._replace(node="foreign:dryer")
             for at in range(3)]
    leak = ph(0, 1, "foreign.leak")._replace(node="foreign:floor")
    write_samples(store, [*power, leak, ph(0, 6.1)], [])
    assert points_of(store, "foreign:dryer", ["foreign.power_w"], T0, T0 + 60_000) == {
        "foreign.power_w": [(one.unix_ms, one.value) for one in power]}
    assert store.latest("foreign:floor") == {"foreign.leak": (T0, 1)}
    assert [one.values for one in store.instants("foreign:dryer", T0, T0 + 60_000)] == [
        {"foreign.power_w": one.value} for one in power]
    assert store.latest(NODE) == {"reservoir.ph": (T0, 6.1)}


def test_the_oldest_instants_are_whole(store):
    at = {"air.temp_c": (1, 3, 5), "reservoir.ph": (0, 3, 4, 5), "light.duty_pct": (5,)}
    write_samples(store, [ph(ms, 6, channel) for channel, times in at.items() for ms in times],
                  [])
    whole = store.instants(NODE, T0, T0 + 10)
    assert [one.unix_ms - T0 for one in whole] == [0, 1, 3, 4, 5]
    for oldest in range(1, 7):
        assert store.instants(NODE, T0, T0 + 10, oldest) == whole[:oldest]


def test_pages_of_instants_do_not_end_at_those_of_a_former_site(database, monkeypatch):
    monkeypatch.setattr(paging, "PAGE", 4)
    written = [Instant(NODE, T0 + ms, {"air.temp_c": 20, "reservoir.ph": 6}) for ms in range(20)]
    store = database.open()
    store.write(written, [])
    database.open(site="former").write(written[:2], [])
    pages = paging.instant_pages(store, NODE, T0, T0 + 20)
    assert [instant for page in pages for instant in page] == written


def test_points_and_spans_are_what_was_written(store):
    samples = [ph(at * 1_000, 6 + at / 1_000) for at in range(50)]
    samples += [ph(at * 7_000, 1_500 + at, "reservoir.ec_us_cm") for at in range(50)]
    write_samples(store, samples, [])
    found = points_of(store, NODE, ["reservoir.ph", "reservoir.ec_us_cm", "air.temp_c"], T0,
                      T0 + 60_000)
    assert found == {
        "reservoir.ph": [(s.unix_ms, s.value) for s in samples[:50]],
        "reservoir.ec_us_cm": [(s.unix_ms, s.value) for s in samples[50:59]],
        "air.temp_c": []}
    assert store.spans()[NODE] == store.span(NODE) == (T0, T0 + 49 * 7_000)
    assert store.span("idro-other") is None


def test_nothing_was_written_yet_is_empty_not_an_error(store):
    assert store.series(NODE, ["reservoir.ph"], T0, T0 + 1000, 10) == {"reservoir.ph": []}
    assert store.events(NODE, T0, T0 + 1000) == []


class NoDatabase(BaseHTTPRequestHandler):
    """What InfluxDB 3 Core says before anything was written: 404, where a 1.x says 200."""

    def do_GET(self):
        body = b'{"error": "query error: database not found: idroserra"}'
        self.send_response(404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def test_a_404_is_no_empty_history():
    with HTTPServer(("127.0.0.1", 0), NoDatabase) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            config = StoreConfig(kind="influx", url=f"http://127.0.0.1:{server.server_port}")
            store = InfluxStore(config, site=SITE)
            with pytest.raises(StoreUnavailable, match="HTTP 404"):
                store.series(NODE, ["reservoir.ph"], T0, T0 + 86_400_000, 10)
            store.close()
        finally:
            server.shutdown()
            thread.join()


def test_without_its_database_a_chart_is_empty_and_a_feed_is_given_nothing(influxd):
    store = open_store(influxd, "not_there")
    assert store.series(NODE, ["reservoir.ph"], T0, T0 + 1_000, 10) == {"reservoir.ph": []}
    with pytest.raises(StoreUnavailable, match="no database not_there"):
        store.instants(NODE, T0, T0 + 1_000)
    store.close()


def test_a_user_of_one_database_stores_and_reads(tmp_path):
    who = {"kind": "influx", "write_api": "v1", "database": "green"}
    auth = 'bind-address = "127.0.0.1:PORT"\nauth-enabled = true'
    with Influxd(tmp_path / "influxd", auth) as server:
        admin, host = (validate({**who, "url": server.url, "user": user, "password": "a b"},
                                StoreConfig) for user in ("admin", "host"))
        http = Http(admin)
        for statement in ("CREATE USER admin WITH PASSWORD 'a b' WITH ALL PRIVILEGES",
                          "CREATE DATABASE green", "CREATE USER host WITH PASSWORD 'a b'",
                          "GRANT ALL ON green TO host"):
            http.request("POST", f"/query?{urlencode({'q': statement})}", b"", {})
        http.close()
        stores = [InfluxStore(config, site=SITE) for config in (admin, host)]
        stores[0].init(lambda *_: None)
        write_samples(stores[1], [ph(0, 6)], [])
        assert stores[1].latest(NODE) == {"reservoir.ph": (T0, 6)}
        assert stores[1].maintain(T0)
        for store in stores:
            store.close()


def test_an_answer_that_the_database_cuts_off_is_no_history(tmp_path):
    with Influxd(tmp_path, 'bind-address = "127.0.0.1:PORT"\nmax-row-limit = 50') as server:
        store = open_store(server, "cut")
        store.write([Instant(NODE, T0 + at, {"reservoir.ph": 6.0, "air.temp_c": 20.0})
                     for at in range(60)], [])
        assert len(store.instants(NODE, T0, T0 + 25)) == 25
        with pytest.raises(StoreUnavailable, match="set max-row-limit = 0"):
            store.instants(NODE, T0, T0 + 60)
        store.close()


def test_a_field_keeps_its_type_whatever_the_value(store, database):
    write_samples(store, [ph(0, 6)], [])
    write_samples(store, [ph(1_000, 6.02)], [])
    write_samples(store, [ph(0, 1500.0, "reservoir.ec_us_cm")], [])
    rows = database.rows("SHOW FIELD KEYS FROM sample")
    assert sorted(rows) == [["ec_us_cm", "integer"], ["ph", "float"]]


def test_what_the_database_refuses_is_rejected(store, database):
    write_samples(store, [ph(0, 6)], [])
    # The same field with another type, as somebody else's program may have written it.
    database.write(f"sample,site=x,node=other,source=reservoir level_mm=1.5 {T0}000000")
    with pytest.raises(StoreRejected, match="type"):
        write_samples(store, [SamplePoint(NODE, "reservoir.level_mm", T0, 180)], [])


def test_a_database_that_is_killed_loses_and_repeats_nothing(store, database, eventually):
    samples = [ph(at * 1_000, round(6 + at / 1_000, 3)) for at in range(200)]
    for at in range(0, len(samples), 50):
        block = samples[at : at + 50]
        write_samples(store, block, [])
        database.restart()
        eventually(lambda block=block: is_written(store, block), 30, "the block again")
    found = points_of(store, NODE, ["reservoir.ph"], T0, T0 + 200_000)["reservoir.ph"]
    assert found == [(sample.unix_ms, sample.value) for sample in samples]


def is_written(store, block):
    try:
        write_samples(store, block, [])
    except StoreUnavailable:
        return False
    return True


def test_no_server_is_unavailable_and_a_restart_is_survived(tmp_path):
    server = Influxd(tmp_path / "influxd")
    store = open_store(server, "restarts")
    for ask in (lambda: write_samples(store, [ph(0, 6)], []), lambda: store.latest(NODE)):
        with pytest.raises(StoreUnavailable):
            ask()
    with server:
        write_samples(store, [ph(0, 6)], [])
        assert store.latest(NODE)
        server.restart()
        write_samples(store, [ph(1, 6.5)], [])  # on a connection the server has closed
        assert store.latest(NODE)["reservoir.ph"] == (T0 + 1, 6.5)
    with pytest.raises(StoreUnavailable):
        write_samples(store, [ph(2, 6)], [])
    store.close()


@pytest.mark.parametrize(("who", "header"), [
    ({"token": "s3cret"}, "Token s3cret"), ({"user": "u", "password": "p"}, "Token u:p"),
    ({}, None)])
def test_api_v2_write_names_bucket_and_organisation_and_shows_its_token(who, header):
    asked = []

    class Database(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"] or 0))
            answer, status = b'{"results": [{}]}', 200
            if "/write?" in self.path:
                asked.append((self.path, self.headers["Authorization"], body.decode()))
                answer, status = b"", 204
            self.send_response(status)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        do_GET = do_POST

        def log_message(self, *_args):
            pass

    with HTTPServer(("127.0.0.1", 0), Database) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        config = validate({"kind": "influx", "url": f"http://127.0.0.1:{server.server_port}/at",
                         "write_api": "v2", "org": "our farm", "database": "green", **who},
                        StoreConfig)
        store = InfluxStore(config, site="farm")
        write_samples(store, [ph(0, 6)], [])
        store.close()
        server.shutdown()
        thread.join()
    assert asked == [("/at/api/v2/write?org=our+farm&bucket=green&precision=ns", header,
                      f"sample,site=farm,node=idro-a1,source=reservoir ph=6.000 {T0}000000")]


def test_api_v2_write_without_a_server_is_unavailable():
    config = StoreConfig(
        kind="influx", url=f"http://127.0.0.1:{free_port()}", write_api="v2", timeout_ms=2_000)
    store = InfluxStore(config, site="farm")
    with pytest.raises(StoreUnavailable):
        write_samples(store, [ph(0, 6)], [])
    store.close()


def test_an_answer_that_is_no_influxql_is_unavailable():
    with useless_database("empty") as url:
        store = InfluxStore(StoreConfig(kind="influx", url=url), site=SITE)
        with pytest.raises(StoreUnavailable, match="no InfluxQL answer"):
            store.series(NODE, ["reservoir.ph"], T0, T0 + 1000, 10)
        store.close()


def test_events_come_back_as_json(database, store):
    write_samples(store, [], [EventPoint(NODE, T0 * 1000, 1, "b1", "boot", {"reset": "power_on"})])
    row, = database.rows("SELECT detail FROM event")
    assert json.loads(row[1]) == {"reset": "power_on"}
