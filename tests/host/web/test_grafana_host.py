"""The host's dashboard of Grafana: a real host is scraped, and every query gives what it should.

VictoriaMetrics stands in for Prometheus: it scrapes as Prometheus does and answers PromQL.
"""

import json

import paho.mqtt.publish as publish
import pytest

from idroserra.auth.local_token import token_for
from support.databases import VictoriaMetrics
from support.real_host import standing_host
from support.wait import wait_until
from tools.grafana_dashboards import dashboards

PANELS = dashboards()["dashboards/host.json"]["panels"]
# What each says of one node that is well but for a channel, and one message that is nonsense.
EXPECTED = {
    "Broker, spool and store up": [1, 1, 1], "Records waiting for the store": [0],
    "Records lost": [0], "Messages rejected": [0, 1], "Nodes connected": [1],
    "Undelivered notifications": [0], "Failed threads": [0],
    "Channel faults": [1],
}


class Scraper(VictoriaMetrics):
    """Scrapes a host every second."""

    host = None

    def command(self):
        token = self.folder / "token"
        token.write_text(token_for(self.host.url))
        (self.folder / "prometheus.yml").write_text(
            "scrape_configs:\n  - job_name: idroserra\n    scrape_interval: 1s\n"
            "    static_configs:\n"
            f"      - targets: [\"{self.host.url.removeprefix('http://')}\"]\n"
            f"    authorization:\n      credentials_file: {token}\n")
        return [*super().command(), f"-promscrape.config={self.folder}/prometheus.yml"]

    def values(self, query):
        self.get("/internal/force_flush", {})
        answer = json.loads(self.get("/api/v1/query", {"query": query, "nocache": "1"}))
        assert answer["status"] == "success", answer
        return sorted(float(one["value"][1]) for one in answer["data"]["result"])


@pytest.fixture(scope="module")
def scraper(tmp_path_factory):
    folder = tmp_path_factory.mktemp("grafana")
    with standing_host(folder) as host:
        node = host.node("idro-a")
        publish.single("idro/v1/idro-a/up/telemetry", "nonsense", qos=1, port=host.broker_port,
                       auth={"username": "idro-a"})
        node.read(faults={"air.temp_c": "no_ack"})
        host.settle("idro-a", 1)
        scraper = Scraper(folder / "victoria")
        scraper.host, scraper.node = host, node
        with scraper:
            yield scraper


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
def test_every_query_gives_its_series(scraper, panel):
    scraper.node.read(faults={"air.temp_c": "no_ack"})  # that of another test may be old
    query = panel["targets"][0]["expr"].replace("$__rate_interval", "1m")
    wait_until(lambda: scraper.values(query), 30, f"{query} has an answer")
    if panel["title"] in EXPECTED:
        expected = EXPECTED[panel["title"]]
        wait_until(lambda: scraper.values(query) == expected, 30, f"{query} gives {expected}")
    else:
        assert all(value >= 0 for value in scraper.values(query))
