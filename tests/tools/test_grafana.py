"""The Grafana dashboards: their structure, and every query against a real InfluxDB or
VictoriaMetrics.

`make check-grafana` checks Grafana's schema; tests/host/web/test_grafana_host.py has the queries
of the host's dashboard. Grafana itself does not run.
"""

import json
import re
import time
import urllib.request
from pathlib import Path

import pytest
import yaml

from idroserra.core import protocol
from idroserra.core.config import StoreConfig
from idroserra.history.influx.store import InfluxStore
from idroserra.history.line_protocol import event_line
from idroserra.history.models import EventPoint, SamplePoint
from support.databases import Influxd, VictoriaMetrics
from support.samples import sample_lines, write_samples
from tools.grafana_dashboards import CHARTS, INFLUX, PROMETHEUS, VICTORIA, dashboards

ROOT = Path(__file__).resolve().parents[2]
GRAFANA = ROOT / "host/deploy/grafana"
ALL = dashboards()
PANELS = [(name, panel) for name, dashboard in ALL.items() for panel in dashboard["panels"]]
NODES = ("idro-a1", "idro-b2")
T0 = 1_795_507_200_000
MINUTES = 10
HOURS = 3  # in VictoriaMetrics
DOSE_UL = 2_500
SOURCES = {"temp_c": ("reservoir", "air"), "duty_pct": ("light",), "on_pct": ("circulation",),
           "heap_free_b": ("node",)}


def test_the_files_are_current():
    found = {str(path.relative_to(GRAFANA)): json.loads(path.read_text())
             for path in GRAFANA.rglob("*.json")}
    assert found == ALL, "run `make docs`"


def test_the_data_sources_of_the_dashboards_are_provisioned():
    sources = [
        source for name in ("provisioning/datasources/idroserra.yaml",
                            "victoriametrics/idroserra-victoriametrics.yaml")
        for source in yaml.safe_load((GRAFANA / name).read_text())["datasources"]]
    assert [{key: source[key] for key in ("type", "uid")} for source in sources] == [
        INFLUX, PROMETHEUS, VICTORIA]
    (provider,) = yaml.safe_load(
        (GRAFANA / "provisioning/dashboards/idroserra.yaml").read_text())["providers"]
    assert provider["type"] == "file"
    assert provider["allowUiUpdates"] is False


@pytest.mark.parametrize("name", ALL)
def test_a_dashboard_has_a_fixed_uid_and_no_overlapping_panels(name):
    dashboard = ALL[name]
    assert dashboard["id"] is None
    folder, _, kind = name.removesuffix(".json").partition("/")
    suffix = "" if folder == "dashboards" else f"-{folder}"
    assert dashboard["uid"] == f"idroserra-{kind}{suffix}"
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(ids)) == len(ids) > 8
    used = set()
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        cells = {(x, y) for x in range(place["x"], place["x"] + place["w"])
                 for y in range(place["y"], place["y"] + place["h"])}
        assert place["x"] + place["w"] <= 24
        assert not cells & used, "panels overlap"
        used |= cells


@pytest.mark.parametrize(("name", "panel"), PANELS, ids=lambda one: str(one)[:20])
def test_a_panel_has_a_unit_a_legend_and_ordered_thresholds(name, panel):
    defaults = panel["fieldConfig"]["defaults"]
    assert defaults["unit"]
    assert panel["options"]["legend"]["showLegend"]
    steps = defaults["thresholds"]["steps"]
    assert steps[0]["value"] is None
    values = [step["value"] for step in steps[1:]]
    assert values == sorted(set(values))
    assert (defaults["custom"]["thresholdsStyle"]["mode"] == "off") == (steps == [
        {"color": "green", "value": None}])
    for target in panel["targets"]:
        assert target["datasource"] == panel["datasource"] in (
            INFLUX, PROMETHEUS, VICTORIA)
        assert (target.get("alias") or target["legendFormat"])


@pytest.mark.parametrize("name", ["dashboards/node.json", "victoriametrics/node.json"])
def test_a_band_of_default_settings_says_that_it_is_not_the_band_of_the_node(name):
    described = [panel["title"] for panel in ALL[name]["panels"]
                 if "no setpoints" in panel.get("description", "")]
    assert described == ["pH", "EC", "Level", "Humidity", "VPD"]


def test_every_quantity_of_a_node_has_a_chart():
    charted = {chart.quantity for chart in CHARTS}
    assert charted <= protocol.QUANTITIES.keys()
    # The charts of `level_mm` and the flow show the same.
    assert protocol.QUANTITIES.keys() - charted == {"float_up", "volume_ml"}


def samples(begin_unix_ms, minutes):
    """Return all quantities of two nodes, once a minute."""
    return [SamplePoint(node, f"{source}.{key}", begin_unix_ms + minute * 60_000, reading(key))
            for node in NODES for minute in range(minutes) for key in protocol.QUANTITIES
            for source in SOURCES.get(key, ("reservoir",))]


def events(begin_unix_ms, minutes):
    """Return a dose, a fault and a latch in each minute of two nodes."""
    return [EventPoint(node, (begin_unix_ms + minute * 60_000) * 1_000 + kind_at, minute + 1, "b1",
                       kind, {"volume_ul": DOSE_UL} if kind == "dosed" else {"what": kind})
            for node in NODES for minute in range(minutes)
            for kind_at, kind in enumerate(("dosed", "fault_began", "latched"))]


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """An InfluxDB with ten minutes of two nodes, written by the host's store; a dose a minute."""
    with Influxd(tmp_path_factory.mktemp("influxd")) as server:
        store = InfluxStore(StoreConfig(kind="influx", url=server.url, write_api="v1"), "farm")
        foreign = SamplePoint("foreign:shed", "foreign.temp_c", T0, 21.5)
        write_samples(store, [*samples(T0, MINUTES), foreign], events(T0, MINUTES))
        store.close()
        yield server


def reading(key):
    """Return a plausible number, different for each quantity."""
    quantity = protocol.QUANTITIES[key]
    return round(quantity.low + (quantity.high - quantity.low) * 0.25, quantity.decimals)


def expanded(query, node="idro-a1"):
    """Return a query as Grafana sends it, with its variables replaced."""
    span = f"time >= {T0}ms AND time < {T0 + MINUTES * 60_000}ms"
    for macro, text in (("$timeFilter", span), ("$__interval", "1m"), ("$site", ".*"),
                        ("$node", node)):
        query = query.replace(macro, text)
    assert "$" not in re.sub(r"\$/", "", query), query  # `$/` ends a regular expression
    return query


def expected_of(name, panel):
    """Return the value of a panel in each interval, and its number of series."""
    chart = next((one for one in CHARTS if one.title == panel["title"]), None)
    if chart is None:
        values = {"Dosed": DOSE_UL / 1_000, "Events": 1, "Readings per minute": 1}
        value, series = values[panel["title"]], 3 if panel["title"] == "Events" else 1
    else:
        value, series = reading(chart.quantity) / chart.divisor, 1
    return value, series * (len(NODES) if name.endswith("fleet.json") else 1)


INFLUX_PANELS = [(name, panel) for name, panel in PANELS if panel["datasource"] == INFLUX]


@pytest.mark.parametrize(("name", "panel"), INFLUX_PANELS, ids=lambda one: str(one)[:20])
def test_every_query_returns_the_stored_rows(filled, name, panel):
    node = "idro-a1" if name.endswith("node.json") else "(idro-a1|idro-b2)"
    for target in panel["targets"]:
        rows = filled.rows(expanded(target["query"], node))
        value, series = expected_of(name, panel)
        assert len(rows) == series * MINUTES, target["query"]
        assert [row[1] for row in rows] == pytest.approx([value] * len(rows))


@pytest.mark.parametrize("name", ["dashboards/node.json", "dashboards/fleet.json"])
def test_the_queries_of_variables_and_annotations_return_rows(filled, name):
    site, node = ALL[name]["templating"]["list"]
    assert [row[1] for row in filled.rows(expanded(site["query"]))] == ["farm"]
    assert [row[1] for row in filled.rows(expanded(node["query"]))] == list(NODES)
    for annotation in ALL[name]["annotations"]["list"]:
        rows = filled.rows(expanded(annotation["target"]["query"]))
        assert len(rows) == MINUTES
        assert json.loads(rows[0][1])


class FilledVictoria(VictoriaMetrics):
    """A VictoriaMetrics that has been fed three hours of two nodes."""

    def fill(self):
        """Write the lines that a feed writes. Older than now: later ones would be refused."""
        self.begin_unix_ms = (int(time.time()) // 60 - HOURS * 60) * 60_000
        span = self.begin_unix_ms, HOURS * 60
        lines = sample_lines("farm", samples(*span)) + [
            event_line("farm", event) for event in events(*span)]
        urllib.request.urlopen(f"{self.url}/write", "\n".join(lines).encode(), timeout=60).close()
        self.get("/internal/force_flush", {})

    def series(self, expr, node):
        """Return {labels: values} of a range query, a value a minute."""
        for macro, text in (("$__interval", "1m"), ("$site", ".*"), ("$node", node)):
            expr = expr.replace(macro, text)
        assert "$" not in expr, expr
        answer = json.loads(self.get("/api/v1/query_range", {
            "query": expr, "step": "1m", "nocache": "1", "start": str(self.begin_unix_ms // 1_000),
            "end": str(self.begin_unix_ms // 1_000 + HOURS * 3_600 - 60)}))
        return {tuple(sorted(one["metric"].items())): [float(value) for _, value in one["values"]]
                for one in answer["data"]["result"]}


@pytest.fixture(scope="module")
def victoria(tmp_path_factory):
    with FilledVictoria(tmp_path_factory.mktemp("victoria")) as server:
        server.fill()
        yield server


VICTORIA_PANELS = [(name, panel) for name, panel in PANELS if panel["datasource"] == VICTORIA]


@pytest.mark.parametrize(("name", "panel"), VICTORIA_PANELS, ids=lambda one: str(one)[:28])
def test_every_query_returns_what_victoriametrics_was_fed(victoria, name, panel):
    node = "idro-a1" if name.endswith("node.json") else "(idro-a1|idro-b2)"
    for target in panel["targets"]:
        found = victoria.series(target["expr"], node)
        value, series = expected_of(name, panel)
        assert len(found) == series, target["expr"]
        for values in found.values():
            assert values == pytest.approx([value] * HOURS * 60), target["expr"]


def test_both_dashboards_of_nodes_have_the_same_panels():
    for kind in ("node", "fleet"):
        influx, victoria = (ALL[f"{folder}/{kind}.json"] for folder in
                            ("dashboards", "victoriametrics"))
        assert [panel["title"] for panel in influx["panels"]] == [
            panel["title"] for panel in victoria["panels"]]
        assert [len(one["annotations"]["list"]) for one in (influx, victoria)] == [
            {"node": 3, "fleet": 1}[kind]] * 2


@pytest.mark.parametrize("name", ["victoriametrics/node.json", "victoriametrics/fleet.json"])
def test_the_variables_and_annotations_of_victoriametrics_return_rows(victoria, name):
    for variable, expected in zip(ALL[name]["templating"]["list"], (["farm"], list(NODES)),
                                  strict=True):
        match, label = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["query"]).groups()
        answer = victoria.get(f"/api/v1/label/{label}/values",
                              {"match[]": match.replace("$site", ".*"), "start": "0"})
        assert json.loads(answer)["data"] == expected
    for annotation in ALL[name]["annotations"]["list"]:
        (labels, times_ms), = victoria.series(annotation["target"]["expr"], "idro-a1").items()
        assert dict(labels).keys() >= {"kind", "node"}
        assert annotation["useValueForTime"]
        assert times_ms == pytest.approx(
            [victoria.begin_unix_ms + minute * 60_000 for minute in range(HOURS * 60)])
