"""Generates the provisioned Grafana dashboards: a node, the fleet, and the host.

Nodes and fleet query InfluxDB in InfluxQL, as written by history/line_protocol.py; the host
queries Prometheus. Quantities, units and bands come from the protocol. A fixed uid without id
keeps a dashboard the same when it is provisioned again.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from idroserra.core import protocol
from idroserra.prometheus.names import PREFIX

INFLUX = {"type": "influxdb", "uid": "idroserra-influx"}
PROMETHEUS = {"type": "prometheus", "uid": "idroserra-prometheus"}
SCHEMA_VERSION = 39  # of Grafana 11; later versions migrate it
_HEIGHT, _WIDTH, _COLUMNS = 8, 12, 24
_SETTING = {row.key: row.default for row in protocol.SETTINGS.values()}
_FILTER = '"site" =~ /^$site$/ AND "node" =~ /^$node$/ AND $timeFilter'

Json = dict[str, Any]
Band = tuple[float | None, float | None]


class Chart(NamedTuple):
    """One quantity of some sources: title, Grafana unit, divisor, and target band in that
    unit."""

    title: str
    quantity: str
    unit: str
    divisor: int = 1
    band: Band = (None, None)
    sources: str = ""


def _around(target: str, deadband: str, divisor: int = 1) -> Band:
    middle, half = _SETTING[target], _SETTING[deadband]
    return round((middle - half) / divisor, 3), round((middle + half) / divisor, 3)


# Bands: default settings; for temperatures the alarm limits.
CHARTS = (
    Chart("pH", "ph", "pH", 1, _around("ph.target", "ph.deadband")),
    Chart("EC", "ec_us_cm", "mS/cm", 1_000,
          _around("ec.target_us_cm", "ec.deadband_us_cm", 1_000)),
    Chart("Water temperature", "temp_c", "celsius", 1, (12, 28), "= 'reservoir'"),
    Chart("Level", "level_mm", "lengthmm", 1,
          (_SETTING["level.low_mm"], _SETTING["level.full_mm"])),
    Chart("Air temperature", "temp_c", "celsius", 1, (5, 36), "!= 'reservoir'"),
    Chart("Humidity", "rh_pct", "percent", 1, (None, _SETTING["climate.rh_max_pct"])),
    Chart("VPD", "vpd_pa", "pressurekpa", 1_000, (_SETTING["climate.vpd_low_day_pa"] / 1_000,
                                                  _SETTING["climate.vpd_high_day_pa"] / 1_000)),
    Chart("CO2", "co2_ppm", "ppm"),
    Chart("Brightness", "illuminance_lx", "lux"),
    Chart("Flow", "flow_ml_per_min", "flowlpm", 1_000),
    Chart("Dimmer level", "duty_pct", "percent", 1, (0, 100)),
    Chart("Output on-time", "on_pct", "percent", 1, (0, 100)),
    Chart("Supply", "supply_mv", "volt", 1_000),
    Chart("Current", "current_ma", "amp", 1_000),
    Chart("Wi-Fi signal", "rssi_dbm", "dBm", 1, (-80, None)),
    Chart("Free heap of the node", "heap_free_b", "bytes"),
    Chart("Records in the outbox of the node", "outbox_count", "short"),
)
_OF_FLEET = ("pH", "EC", "Water temperature", "Level", "Air temperature", "Humidity",
             "Wi-Fi signal", "Records in the outbox of the node")


def dashboards() -> dict[str, Json]:
    """Return {file name: dashboard}."""
    return {"node.json": _node(), "fleet.json": _fleet(), "host.json": _host()}


def write(folder: Path) -> list[Path]:
    """Write the dashboards into a folder and return the files."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, dashboard in dashboards().items():
        written.append(folder / name)
        written[-1].write_text(json.dumps(dashboard, indent=1, sort_keys=True) + "\n", "utf-8")
    return written


def _node() -> Json:
    panels = [_chart(chart, '"source"', "$tag_source") for chart in CHARTS]
    panels.append(_panel(
        "Dosed", "mlitre", (None, None), INFLUX,
        [_influx('SELECT sum("volume_ul") / 1000 FROM "event" WHERE "kind" = \'dosed\' AND '
                 f"{_FILTER} GROUP BY time($__interval) fill(none)", "ml")], draw="bars"))
    panels.append(_panel(
        "Events", "short", (None, None), INFLUX,
        [_influx(f'SELECT count("seq") FROM "event" WHERE {_FILTER} '
                 'GROUP BY time($__interval), "kind" fill(none)', "$tag_kind")], draw="bars"))
    notes = [_note("Doses", "dosed", "blue"), _note("Faults", "fault_began", "orange"),
             _note("Latches", "latched", "red")]
    return _dashboard("idroserra-node", "Idroserra: a node", panels, INFLUX, notes, is_many=False)


def _fleet() -> Json:
    by_title = {chart.title: chart for chart in CHARTS}
    panels = [_chart(by_title[title], '"node"', "$tag_node") for title in _OF_FLEET]
    panels.append(_panel(
        "Readings per minute", "short", (None, None), INFLUX,
        [_influx(f'SELECT count("heap_free_b") FROM "sample" WHERE {_FILTER} '
                 'GROUP BY time(1m), "node" fill(0)', "$tag_node")]))
    panels.append(_panel(
        "Dosed", "mlitre", (None, None), INFLUX,
        [_influx('SELECT sum("volume_ul") / 1000 FROM "event" WHERE "kind" = \'dosed\' AND '
                 f'{_FILTER} GROUP BY time($__interval), "node" fill(none)', "$tag_node")],
        draw="bars"))
    notes = [_note("Latches", "latched", "red")]
    return _dashboard("idroserra-fleet", "Idroserra: the fleet", panels, INFLUX, notes)


def _host() -> Json:
    queries: Sequence[tuple[str, str, Band, str, str]] = (
        ("Broker, spool and store up", "bool_on_off", (1, 1),
         f'{{__name__=~"{PREFIX}_(broker|spool|store)_up"}}', "{{__name__}}"),
        ("Records waiting for the store", "short", (0, 10_000), f"{PREFIX}_spool_records",
         "waiting"),
        ("Records received", "cps", (None, None),
         f'sum(rate({PREFIX}_records_total{{result="received"}}[$__rate_interval]))', "1/s"),
        ("Records stored", "cps", (None, None),
         f'sum(rate({PREFIX}_records_total{{result="stored"}}[$__rate_interval]))', "1/s"),
        ("Records lost", "short", (0, 0),
         f'sum by (node) ({PREFIX}_records_total{{result="lost"}})', "{{node}}"),
        ("Messages rejected", "short", (0, 0),
         f"sum by (node) ({PREFIX}_messages_rejected_total)", "{{node}}"),
        ("Nodes connected", "short", (None, None), f"sum by (site) ({PREFIX}_node_up)",
         "{{site}}"),
        ("Longest time since a message", "s", (None, 120),
         f"max by (site) (time() - {PREFIX}_node_last_seen_timestamp_seconds)", "{{site}}"),
        ("Active alarms", "short", (0, 0),
         f'sum by (priority) ({PREFIX}_alarms{{state!="normal"}})', "{{priority}}"),
        ("Undelivered notifications", "short", (0, 0), f"{PREFIX}_notices_undelivered",
         "undelivered"),
        ("Failed threads", "short", (0, 0), f"{PREFIX}_failed_threads", "threads"),
        ("Channel faults", "short", (0, 0), f"sum by (fault) ({PREFIX}_reading_fault)",
         "{{fault}}"),
    )
    panels = [_panel(title, unit, band, PROMETHEUS, [{
        "refId": "A", "datasource": PROMETHEUS, "expr": expr, "legendFormat": legend,
        "range": True}]) for title, unit, band, expr, legend in queries]
    return _dashboard("idroserra-host", "Idroserra: the host", panels, PROMETHEUS, [])


def _chart(chart: Chart, by: str, alias: str) -> Json:
    value = f'mean("{chart.quantity}")' + (f" / {chart.divisor}" if chart.divisor != 1 else "")
    sources = f'"source" {chart.sources} AND ' if chart.sources else ""
    query = (f'SELECT {value} FROM "sample" WHERE {sources}{_FILTER} '
             f"GROUP BY time($__interval), {by} fill(none)")
    return _panel(chart.title, chart.unit, chart.band, INFLUX, [_influx(query, alias)])


def _influx(query: str, alias: str) -> Json:
    return {"refId": "A", "datasource": INFLUX, "query": query, "rawQuery": True,
            "resultFormat": "time_series", "alias": alias}


def _panel(
    title: str, unit: str, band: Band, source: Json, targets: list[Json], draw: str = "line"
) -> Json:
    low, high = band
    custom: Json = {
        "drawStyle": draw, "lineWidth": 1, "fillOpacity": 60 if draw == "bars" else 0,
        "showPoints": "auto", "spanNulls": False,
        "thresholdsStyle": {"mode": "off" if band == (None, None) else "dashed"},
    }
    steps: list[Json] = [{"color": "green" if low is None else "orange", "value": None}]
    if low is not None:
        steps.append({"color": "green", "value": low})
    if high is not None and high != low:
        steps.append({"color": "orange", "value": high})
    return {
        "type": "timeseries", "title": title, "datasource": source, "targets": targets,
        "fieldConfig": {"defaults": {
            "unit": unit, "custom": custom, "color": {"mode": "palette-classic"},
            "thresholds": {"mode": "absolute", "steps": steps}}, "overrides": []},
        "options": {
            "legend": {"displayMode": "table", "placement": "bottom", "showLegend": True,
                       "calcs": ["lastNotNull", "min", "max"]},
            "tooltip": {"mode": "multi", "sort": "none"}},
    }


def _note(name: str, kind: str, color: str) -> Json:
    """Return an annotation: events of a kind with their details."""
    query = f'SELECT "detail" FROM "event" WHERE "kind" = \'{kind}\' AND {_FILTER}'
    return {"name": name, "enable": True, "hide": False, "iconColor": color, "datasource": INFLUX,
            "builtIn": 0, "target": {"refId": "Anno", "query": query, "queryType": "tags",
                                     "fromAnnotations": True, "textColumn": "detail"}}


def _variable(name: str, query: str, is_many: bool) -> Json:
    found: Json = {
        "type": "query", "name": name, "label": name.capitalize(), "datasource": INFLUX,
        "query": query, "refresh": 2, "sort": 1, "hide": 0, "multi": is_many,
        "includeAll": is_many, "skipUrlSync": False, "regex": "", "options": [],
    }
    if is_many:
        found |= {"allValue": ".*", "current": {"text": "All", "value": "$__all"}}
    return found


def _dashboard(
    uid: str, title: str, panels: list[Json], source: Json, notes: list[Json],
    *, is_many: bool = True,
) -> Json:
    per_row = _COLUMNS // _WIDTH
    for number, panel in enumerate(panels):
        panel["id"] = number + 1
        panel["gridPos"] = {"h": _HEIGHT, "w": _WIDTH, "x": number % per_row * _WIDTH,
                            "y": number // per_row * _HEIGHT}
    variables = [] if source is PROMETHEUS else [
        _variable("site", 'SHOW TAG VALUES FROM "sample" WITH KEY = "site"', True),
        _variable("node", 'SHOW TAG VALUES FROM "sample" WITH KEY = "node" '
                          'WHERE "site" =~ /^$site$/', is_many)]
    return {
        "id": None, "uid": uid, "title": title, "tags": ["idroserra"], "timezone": "browser",
        "schemaVersion": SCHEMA_VERSION, "version": 1, "editable": False, "refresh": "30s",
        "graphTooltip": 1, "fiscalYearStartMonth": 0, "liveNow": False, "preload": False,
        "time": {"from": "now-24h", "to": "now"}, "timepicker": {},
        "templating": {"list": variables}, "annotations": {"list": notes}, "panels": panels,
        "links": [{"type": "dashboards", "title": "Idroserra", "tags": ["idroserra"],
                   "asDropdown": True, "icon": "external link", "includeVars": True,
                   "keepTime": True, "targetBlank": False, "tooltip": "", "url": ""}],
    }
