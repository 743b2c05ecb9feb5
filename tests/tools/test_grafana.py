"""The dashboards of Grafana: their form, and every query of theirs against a real InfluxDB.

Grafana's own schema reads them in `make check-grafana`; the queries of the host's dashboard are in
tests/host/web/test_grafana_host.py. No Grafana runs here: no registry of ours serves one.
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


def test_the_files_are_those_of_the_code():
    found = {path.name: json.loads(path.read_text()) for path in
             (GRAFANA / "dashboards").glob("*.json")}
    assert found == ALL, "run `make docs`"


def test_what_is_provisioned_is_what_the_dashboards_ask():
    sources = yaml.safe_load(
        (GRAFANA / "provisioning/datasources/idroserra.yaml").read_text())["datasources"]
    assert [{"type": one["type"], "uid": one["uid"]} for one in sources] == [INFLUX, PROMETHEUS]
    (provider,) = yaml.safe_load(
        (GRAFANA / "provisioning/dashboards/idroserra.yaml").read_text())["providers"]
    assert provider["type"] == "file"
    assert provider["allowUiUpdates"] is False


@pytest.mark.parametrize("name", ALL)
def test_a_dashboard_is_the_same_one_each_time_it_is_provisioned(name):
    dashboard = ALL[name]
    assert dashboard["id"] is None
    assert dashboard["uid"] == f"idroserra-{name[:-5]}"
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(ids)) == len(ids) > 8
    taken = set()
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        cells = {(x, y) for x in range(place["x"], place["x"] + place["w"])
                 for y in range(place["y"], place["y"] + place["h"])}
        assert place["x"] + place["w"] <= 24
        assert not cells & taken, "one over another"
        taken |= cells


@pytest.mark.parametrize(("name", "panel"), PANELS, ids=lambda one: str(one)[:20])
def test_a_panel_has_a_unit_a_legend_and_a_band_in_order(name, panel):
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


def test_every_quantity_of_a_node_has_a_chart_or_a_reason():
    asked = {chart.quantity for chart in CHARTS}
    assert asked <= protocol.QUANTITIES.keys()
    # A switch and a sum that `level_mm` and `flow` show.
    assert protocol.QUANTITIES.keys() - asked == {"float_up", "volume_ml"}


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """An InfluxDB with ten minutes of two nodes, written as the host does; one dose a minute."""
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
    """Return a number a quantity may be, another for each."""
    quantity = protocol.QUANTITIES[key]
    return round(quantity.low + (quantity.high - quantity.low) * 0.25, quantity.decimals)


def asked(query, node="idro-a1"):
    """Return a query as Grafana sends it."""
    spans = f"time >= {T0}ms AND time < {T0 + MINUTES * 60_000}ms"
    for macro, text in (("$timeFilter", spans), ("$__interval", "1m"), ("$site", ".*"),
                        ("$node", node)):
        query = query.replace(macro, text)
    assert "$" not in re.sub(r"\$/", "", query), query  # `$/` ends an expression
    return query


OF_INFLUX = [(name, panel) for name, panel in PANELS if panel["datasource"] == INFLUX]


@pytest.mark.parametrize(("name", "panel"), OF_INFLUX, ids=lambda one: str(one)[:20])
def test_every_query_gives_its_rows(filled, name, panel):
    node = "idro-a1" if name == "node.json" else "(idro-a1|idro-b2)"
    for target in panel["targets"]:
        rows = filled.rows(asked(target["query"], node))
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
def test_variables_and_marks_are_found(filled, name):
    site, node = ALL[name]["templating"]["list"]
    assert [row[1] for row in filled.rows(asked(site["query"]))] == ["farm"]
    assert [row[1] for row in filled.rows(asked(node["query"]))] == list(NODES)
    for note in ALL[name]["annotations"]["list"]:
        rows = filled.rows(asked(note["target"]["query"]))
        assert len(rows) == MINUTES
        assert json.loads(rows[0][1])
