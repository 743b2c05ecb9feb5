"""A node that says anything: the other nodes' tiles stay live, and every export ends.

`make campaign-hostile` sends 10,000 messages.
"""

import csv
import io
import json
import os
import time
from datetime import datetime

import pytest
from playwright.sync_api import expect
from prometheus_client.parser import text_string_to_metric_families

from campaigns.fuzz import line_protocol
from idroserra.auth.roles import Role
from idroserra.broker.mosquitto import MAX_PACKET_BYTES
from idroserra.cli.export import write_atomically
from idroserra.ingest import quota
from idroserra.web.api.tables import ADMIN_TABLES, HOST_TABLES, NODE_TABLES
from support.all_pages import LOCALES
from support.home_assistant import FakeHomeAssistant, faults
from support.hostile_messages import HostileNode
from support.pages import DESKTOP, MonitoredTab
from support.paho_node import now_unix_ms
from support.real_host import Host
from support.server_process import Mosquitto
from support.wait import wait_until

COUNT = int(os.environ.get("IDROSERRA_HOSTILE_MESSAGES", "300"))
SEED = int(os.environ.get("IDROSERRA_HOSTILE_SEED", "1"))
GOOD, BAD = ("good-a", "good-b"), "bad-one"
EVERY = 50  # messages between two readings of the good nodes
HOUR_MS = 3_600_000
ROOMS = ("", "/charts", "/crop", "/water", "/climate", "/log", "/setup", "/calibrate", "/report")
PAGES = ("/", "/alarms", "/journal", "/updates", "/users", f"/nodes/{GOOD[1]}", *(
    f"/nodes/{BAD}{room}" for room in ROOMS))


@pytest.fixture(scope="module")
def rig(tmp_path_factory, browser):
    """A host after the messages, its tabs open all the time, and what Home Assistant received."""
    folder = tmp_path_factory.mktemp("hostile")
    with pytest.MonkeyPatch.context() as patch:
        # All is to be read here; what a flood loses is the matter of tests/host/ingest/test_quota.
        patch.setattr(quota, "BURST_BYTES", 2**40)
        found = Rig(folder, browser)
        yield found
        found.close()


class LimitedMosquitto(Mosquitto):
    """With the packet limit of the generated configuration."""

    def command(self):
        command = super().command()
        with (self.folder / "mosquitto.conf").open("a") as config:
            config.write(f"max_packet_size {MAX_PACKET_BYTES}\n")
        return command


class Rig:
    def __init__(self, folder, browser):
        self.folder = folder
        self.broker = LimitedMosquitto(folder / "broker")
        self.broker.start()
        self.host = self.new_host()
        self.home = FakeHomeAssistant(self.broker.port)
        self.good = [self.host.node(name) for name in GOOD]
        self.bad = self.host.node(BAD)
        self.read_good(5.71)
        session = self.host.session_of(Role.ADMIN, "ada")
        self.tabs = [MonitoredTab(browser, self.host.url, DESKTOP, "light", session, locale)
                     for locale in LOCALES.values()]
        for tab, path in zip(self.tabs, ("/", f"/nodes/{GOOD[0]}", f"/nodes/{BAD}"), strict=True):
            tab.open(path)
        self.sent = 0
        self.begun_s = time.monotonic()
        hostile = HostileNode(SEED, now_unix_ms)
        for number in range(COUNT):
            if number % EVERY == 0:
                self.read_good(5.72 + number % 7 / 100)
            leaf, payload = hostile.next()
            self.bad.publish_raw(leaf, payload)
            self.sent += 1
        self.took_s = time.monotonic() - self.begun_s

    def new_host(self):
        return Host(self.folder / "host", self.broker.port, wait_until,
                    more={"homeassistant": {"enabled": True}})

    def restart_host(self):
        """Start the host again; the nodes stay connected to the broker."""
        nodes, self.host._nodes = self.host._nodes, []
        self.host.stop()
        self.host = self.new_host()
        self.host._nodes = nodes

    def read_good(self, ph):
        for node in self.good:
            node.read({"reservoir.ph": ph})

    def close(self):
        for tab in self.tabs:
            tab.close()
        self.home.close()
        self.host.stop()
        self.broker.stop()


def rows_of(text):
    """Return the rows of a CSV; each has as many cells as the header."""
    head, *rows = csv.reader(io.StringIO(text))
    return [dict(zip(head, row, strict=True)) for row in rows]


def test_the_other_nodes_stay_live_without_a_script_error(rig):
    rig.read_good(6.13)
    overview, node, _bad = (tab.page for tab in rig.tabs)
    for name in GOOD:
        tile = overview.locator(
            f".node-card[data-node='{name}'] .tile[data-channel='reservoir.ph']")
        expect(tile).to_have_attribute("data-state", "edge")
        expect(tile.locator(".value")).to_contain_text("6.13")
    expect(node.locator(".tile[data-channel='reservoir.ph'] .value")).to_contain_text("6,13")
    for tab in rig.tabs:
        expect(tab.page.locator("#link")).to_have_attribute("data-state", "live")
        assert tab.troubles == []


def test_the_host_works_and_keeps_or_counts_everything(rig):
    moments = []  # of each is one consistent count

    def is_stored():
        moments.append(rig.host.counts())
        bad = moments[-1]["nodes"].get(BAD, {})
        # A message has several records, or none; in all some 1.5.
        is_read = bad.get("received", 0) + bad.get("rejected", 0) >= COUNT
        return moments[-1]["spool"]["depth"] == 0 and bad.get("rejected", 0) > 0 and is_read

    wait_until(is_stored, 60, "the hostile messages and the store")
    counts = moments[-1]
    assert counts["failures"] == rig.host.service._failures == {}  # of late, and since the start
    assert (counts["broker"]["state"], counts["store"]["state"], counts["spool"]["state"]) == (
        "connected", "ok", "ok")
    for node in rig.good:
        of_node = counts["nodes"][node.node]
        assert of_node["rejected"] == of_node["lost"] == 0
        assert of_node["received"] == of_node["stored"]
    bad = counts["nodes"][BAD]
    assert bad["received"] == bad["stored"]
    print(f"{COUNT} messages of seed {SEED} in {rig.took_s:.0f} s: {bad}")
    assert rig.host.client.get("/api/rejected").json()["rejected"]


@pytest.mark.parametrize("name", [*GOOD, BAD])
def test_every_export_ends_and_is_well_formed(rig, name, tmp_path):
    client, now = rig.host.client, now_unix_ms()
    spans = ((now - 26 * HOUR_MS, now + HOUR_MS), (now + HOUR_MS, now + 26 * HOUR_MS))
    for begin, end in spans:
        span = {"from_unix_ms": begin, "to_unix_ms": end, "time_zone": "Europe/Rome"}
        for what in ("readings", "events", "balance"):
            answer = client.get(f"/api/nodes/{name}/export", params=span | {"what": what})
            assert answer.status_code == 200, answer.text
            for row in rows_of(answer.text):
                assert begin <= int(row["unix_ms"]) < end
                datetime.fromisoformat(row["time_utc"])
            if what != "balance":
                path = tmp_path / f"{what}.parquet"
                lines = io.StringIO(answer.text, newline="")
                assert write_atomically(lines, path, "parquet") == len(rows_of(answer.text))
                answer = client.get(f"/api/nodes/{name}/export",
                                    params=span | {"what": what, "format": "line"})
                for line in answer.text.split("\n")[:-1]:
                    line_protocol.read(line)
    assert client.get(f"/api/nodes/{name}/report").status_code == 200
    pdf = client.get(f"/api/nodes/{name}/report.pdf")
    assert pdf.status_code == 200
    assert pdf.content.startswith(b"%PDF")
    for table in NODE_TABLES:
        answer = client.get(f"/api/nodes/{name}/export/{table}",
                            params={"time_zone": "Asia/Tokyo"})
        assert answer.status_code == 200, (table, answer.text)
        rows_of(answer.text)


def test_every_table_of_the_host_ends_and_is_well_formed(rig):
    for path in (*(f"/api/export/{name}" for name in HOST_TABLES),
                 *(f"/api/admin/export/{name}" for name in ADMIN_TABLES)):
        answer = rig.host.client.get(path, params={"time_zone": "Europe/Rome"})
        assert answer.status_code == 200, (path, answer.text)
        rows_of(answer.text)


def test_every_page_and_view_answers_and_is_json(rig):
    client, now = rig.host.client, now_unix_ms()
    span = {"from_unix_ms": now - 24 * HOUR_MS, "to_unix_ms": now + HOUR_MS}
    for name in (*GOOD, BAD):
        view = client.get(f"/api/nodes/{name}").json()
        channels = ",".join(list(view["channels"])[:32])
        for path, query in (("series", span | {"channels": channels}), ("events", span),
                            ("happened", {}), ("balance", span), ("bottles", {})):
            answer = client.get(f"/api/nodes/{name}/{path}", params=query)
            assert answer.status_code == 200, (path, answer.text)
            json.loads(answer.text, parse_constant=pytest.fail)
    for path in ("/api/nodes", "/api/alarms", "/api/health", "/api/rejected"):
        answer = client.get(path)
        assert answer.status_code == 200, (path, answer.text)
        json.loads(answer.text, parse_constant=pytest.fail)


def test_the_pages_of_each_node_show_without_a_script_error(rig):
    tab = rig.tabs[0]
    for path in PAGES:
        tab.page.goto(f"{rig.host.url}{path}", wait_until="load")
        if tab.page.locator("#link").count():
            expect(tab.page.locator("#link")).to_have_attribute("data-state", "live")
        assert tab.troubles == [], path


def test_prometheus_and_home_assistant_get_well_formed_messages(rig):
    text = rig.host.client.get("/metrics").text
    families = {one.name: one for one in text_string_to_metric_families(text)}
    up = {one.labels["node"]: one.value for one in families["idroserra_node_up"].samples}
    assert [up[name] for name in GOOD] == [1, 1]
    rig.read_good(6.14)
    for name in GOOD:
        wait_until(lambda name=name: rig.home.of(name, "telemetry").get("reservoir.ph") == 6.14,
                   5, f"the reading of {name} in Home Assistant")
    for topic, payload, _retained in rig.home.every:
        if topic.endswith("/config") and payload:
            assert faults(payload) == []


def test_a_host_that_starts_again_has_all_nodes(rig):
    rig.restart_host()
    rig.read_good(6.15)
    for name in GOOD:
        wait_until(lambda name=name: rig.home.of(name, "telemetry").get("reservoir.ph") == 6.15,
                   5, f"the reading of {name} in Home Assistant")
    views = {node["node"]: node for node in rig.host.client.get("/api/nodes").json()["nodes"]}
    assert views.keys() == {*GOOD, BAD}
    for name in GOOD:
        assert views[name]["channels"]["reservoir.ph"]["value"] == 6.15
    wait_until(lambda: rig.host.service.alarms.is_alive, 5, "alarms are evaluated")
    assert rig.host.counts()["failures"] == {}
