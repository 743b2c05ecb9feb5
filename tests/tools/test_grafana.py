"""The Grafana dashboards: their structure, and every query against a real InfluxDB.

`make check-grafana` checks Grafana's schema; tests/host/web/test_grafana_host.py has the queries
of the host's dashboard. Grafana itself does not run.
"""

import json
import re
from pathlib import Path

import pytest
import yaml

from idroserra.core import protocol
from idroserra.core.config import StoreConfig
from idroserra.history.influx.store import InfluxStore
from idroserra.history.models import EventPoint, SamplePoint
from support.databases import Influxd
from tools.grafana_dashboards import CHARTS, INFLUX, PROMETHEUS, dashboards

ROOT = Path(__file__).resolve().parents[2]
GRAFANA = ROOT / "host/deploy/grafana"
ALL = dashboards()
PANELS = [(name, panel) for name, dashboard in ALL.items() for panel in dashboard["panels"]]
NODES = ("idro-a1", "idro-b2")
T0 = 1_795_507_200_000
MINUTES = 10
DOSE_UL = 2_500
SOURCES = {"temp_c": ("reservoir", "air"), "duty_pct": ("light",), "on_pct": ("circulation",),
           "heap_free_b": ("node",)}


def test_the_files_are_current():
    found = {path.name: json.loads(path.read_text()) for path in
             (GRAFANA / "dashboards").glob("*.json")}
    assert found == ALL, "run `make docs`"


def test_the_data_sources_of_the_dashboards_are_provisioned():
    sources = yaml.safe_load(
        (GRAFANA / "provisioning/datasources/idroserra.yaml").read_text())["datasources"]
    assert [{key: source[key] for key in ("type", "uid")} for source in sources] == [
        INFLUX, PROMETHEUS]
    (provider,) = yaml.safe_load(
        (GRAFANA / "provisioning/dashboards/idroserra.yaml").read_text())["providers"]
    assert provider["type"] == "file"
    assert provider["allowUiUpdates"] is False


@pytest.mark.parametrize("name", ALL)
def test_a_dashboard_has_a_fixed_uid_and_no_overlapping_panels(name):
    dashboard = ALL[name]
    assert dashboard["id"] is None
    assert dashboard["uid"] == f"idroserra-{name[:-5]}"
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
        assert target["datasource"] == panel["datasource"] in (INFLUX, PROMETHEUS)
        assert (target.get("alias") or target["legendFormat"])


def test_every_quantity_of_a_node_has_a_chart():
    charted = {chart.quantity for chart in CHARTS}
    assert charted <= protocol.QUANTITIES.keys()
    # The charts of `level_mm` and the flow show the same.
    assert protocol.QUANTITIES.keys() - charted == {"float_up", "volume_ml"}


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """An InfluxDB with ten minutes of two nodes, written by the host's store; a dose a minute."""
    with Influxd(tmp_path_factory.mktemp("influxd")) as server:
        store = InfluxStore(StoreConfig(kind="influx", url=server.url, write_api="v1"), "farm")
        store.write(
            [SamplePoint(node, f"{source}.{key}", T0 + minute * 60_000, reading(key))
             for node in NODES for minute in range(MINUTES) for key in protocol.QUANTITIES
             for source in SOURCES.get(key, ("reservoir",))],
            [EventPoint(node, (T0 + minute * 60_000) * 1_000 + kind_at, minute + 1, "b1", kind,
                        {"volume_ul": DOSE_UL} if kind == "dosed" else {"what": kind})
             for node in NODES for minute in range(MINUTES)
             for kind_at, kind in enumerate(("dosed", "fault_began", "latched"))])
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


INFLUX_PANELS = [(name, panel) for name, panel in PANELS if panel["datasource"] == INFLUX]


@pytest.mark.parametrize(("name", "panel"), INFLUX_PANELS, ids=lambda one: str(one)[:20])
def test_every_query_returns_the_stored_rows(filled, name, panel):
    node = "idro-a1" if name == "node.json" else "(idro-a1|idro-b2)"
    for target in panel["targets"]:
        rows = filled.rows(expanded(target["query"], node))
        chart = next((one for one in CHARTS if one.title == panel["title"]), None)
        if chart is None:
            expected = {"Dosed": DOSE_UL / 1_000, "Events": 1, "Readings per minute": 1}
            value, series = expected[panel["title"]], 3 if panel["title"] == "Events" else 1
        else:
            value, series = reading(chart.quantity) / chart.divisor, 1
        if name == "fleet.json":
            series *= len(NODES)
        assert len(rows) == series * MINUTES, target["query"]
        assert [row[1] for row in rows] == pytest.approx([value] * len(rows))


@pytest.mark.parametrize("name", ["node.json", "fleet.json"])
def test_the_queries_of_variables_and_annotations_return_rows(filled, name):
    site, node = ALL[name]["templating"]["list"]
    assert [row[1] for row in filled.rows(expanded(site["query"]))] == ["farm"]
    assert [row[1] for row in filled.rows(expanded(node["query"]))] == list(NODES)
    for annotation in ALL[name]["annotations"]["list"]:
        rows = filled.rows(expanded(annotation["target"]["query"]))
        assert len(rows) == MINUTES
        assert json.loads(rows[0][1])
