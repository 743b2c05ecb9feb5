"""Generates the provisioned Grafana dashboards: a node, the fleet, and the host.

Nodes and fleet query what history/line_protocol.py writes: an InfluxDB in InfluxQL, or a
VictoriaMetrics, which is fed, in MetricsQL. The host queries Prometheus. Quantities, units and
bands come from the protocol. A fixed uid without id keeps a dashboard the same when it is
provisioned again.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from idroserra.core import protocol
from idroserra.prometheus.names import PREFIX

INFLUX = {"type": "influxdb", "uid": "idroserra-influx"}
PROMETHEUS = {"type": "prometheus", "uid": "idroserra-prometheus"}
VICTORIA = {"type": "prometheus", "uid": "idroserra-victoriametrics"}
SCHEMA_VERSION = 39  # of Grafana 11; later versions migrate it
# A node measures at least once a minute, so that an interval of a minute may be without a reading.
_SHORT_GAP_MS = 300_000
_HEIGHT, _WIDTH, _COLUMNS = 8, 12, 24
_SETTING = {row.key: row.default for row in protocol.SETTINGS.values()}

Json = dict[str, Any]
Band = tuple[float | None, float | None]


class Chart(NamedTuple):
    """One quantity of some sources: title, Grafana unit, divisor, and target band in that
    unit. `sources`: an operator and the name of a source, or None for all."""

    title: str
    quantity: str
    unit: str
    divisor: int = 1
    band: Band = (None, None)
    sources: tuple[str, str] | None = None


def _around(target: str, deadband: str, divisor: int = 1) -> Band:
    middle, half = _SETTING[target], _SETTING[deadband]
    return round((middle - half) / divisor, 3), round((middle + half) / divisor, 3)


# Bands: default settings; for temperatures the alarm limits.
CHARTS = (
    Chart("pH", "ph", "pH", 1, _around("ph.target", "ph.deadband")),
    Chart("EC", "ec_us_cm", "mS/cm", 1_000,
          _around("ec.target_us_cm", "ec.deadband_us_cm", 1_000)),
    Chart("Water temperature", "temp_c", "celsius", 1, (12, 28), ("=", "reservoir")),
    Chart("Level", "level_mm", "lengthmm", 1,
          (_SETTING["level.low_mm"], _SETTING["level.full_mm"])),
    Chart("Air temperature", "temp_c", "celsius", 1, (5, 36), ("!=", "reservoir")),
    Chart("Humidity", "rh_pct", "percent", 1, (None, _SETTING["climate.rh_max_pct"])),
    Chart("VPD", "vpd_pa", "pressurekpa", 1_000, (_SETTING["climate.vpd_low_day_pa"] / 1_000,
                                                  _SETTING["climate.vpd_high_day_pa"] / 1_000)),
    Chart("CO2", "co2_ppm", "ppm"),
    Chart("Brightness", "illuminance_lx", "lux"),
    Chart("PPFD", "ppfd_umol_m2_s", "short"),
    Chart("Dissolved oxygen", "do_mg_l", "short"),
    Chart("Substrate moisture", "moisture_pct", "percent", 1, (0, 100)),
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
_OF_SETTINGS = ("ph", "ec_us_cm", "level_mm", "rh_pct", "vpd_pa")  # bands of default settings
_DEFAULT_BAND = (
    "The dashed band is that of the default settings, not that of a node: the database has no "
    "setpoints. The charts of a node's page draw its own band as it was at each time.")


class Language(Protocol):
    """A query language: the targets of the panels, annotations and variables of a data source."""

    source: Json
    suffix: str  # of the uid
    title: str  # after the title of the dashboard

    def mean(self, chart: Chart, by: str) -> Json:
        """Return the mean of a quantity in each interval, by node or source."""

    def dosed(self, by: str) -> Json:
        """Return the ml dosed in each interval, by node, or of all for ""."""

    def events(self) -> Json:
        """Return the number of events in each interval, by kind."""

    def readings(self) -> Json:
        """Return the readings in each minute, by node."""

    def note(self, name: str, kind: str, color: str) -> Json:
        """Return an annotation: events of a kind."""

    def variable(self, name: str) -> Any:
        """Return the query of a variable: site, or node of the chosen sites."""


class InfluxQL:
    """The store in InfluxDB 1 and 2, and InfluxDB 3 Core."""

    source: Json = INFLUX
    suffix = title = ""
    _filter = '"site" =~ /^$site$/ AND "node" =~ /^$node$/ AND $timeFilter'

    def mean(self, chart: Chart, by: str) -> Json:
        value = f'mean("{chart.quantity}")' + _divided(chart.divisor)
        sources = "" if chart.sources is None else (
            "\"source\" {} '{}' AND ".format(*chart.sources))
        return self._target(f'SELECT {value} FROM "sample" WHERE {sources}{self._filter} '
                            f'GROUP BY time($__interval), "{by}" fill(none)', f"$tag_{by}")

    def dosed(self, by: str) -> Json:
        group = f', "{by}"' if by else ""
        return self._target(
            'SELECT sum("volume_ul") / 1000 FROM "event" WHERE "kind" = \'dosed\' AND '
            f"{self._filter} GROUP BY time($__interval){group} fill(none)",
            f"$tag_{by}" if by else "ml")

    def events(self) -> Json:
        return self._target(f'SELECT count("seq") FROM "event" WHERE {self._filter} '
                            'GROUP BY time($__interval), "kind" fill(none)', "$tag_kind")

    def readings(self) -> Json:
        return self._target(f'SELECT count("heap_free_b") FROM "sample" WHERE {self._filter} '
                            'GROUP BY time(1m), "node" fill(0)', "$tag_node")

    def note(self, name: str, kind: str, color: str) -> Json:
        """The text is the event's detail."""
        query = f'SELECT "detail" FROM "event" WHERE "kind" = \'{kind}\' AND {self._filter}'
        return _note(name, color, self.source, {"query": query, "queryType": "tags",
                                                "fromAnnotations": True, "textColumn": "detail"})

    def variable(self, name: str) -> str:
        sites = "" if name == "site" else (  # of nodes, not of foreign readings
            f' WHERE "site" =~ /^$site$/ AND "node" !~ /^{protocol.FOREIGN_NODE}/')
        return f'SHOW TAG VALUES FROM "sample" WITH KEY = "{name}"{sites}'

    def _target(self, query: str, alias: str) -> Json:
        return {"refId": "A", "datasource": self.source, "query": query, "rawQuery": True,
                "resultFormat": "time_series", "alias": alias}


class MetricsQL:
    """VictoriaMetrics, which names a field MEASUREMENT_FIELD and keeps no texts."""

    source: Json = VICTORIA
    suffix, title = "-victoriametrics", " (VictoriaMetrics)"
    _filter = 'site=~"$site",node=~"$node"'

    def mean(self, chart: Chart, by: str) -> Json:
        sources = "" if chart.sources is None else ',source{}"{}"'.format(*chart.sources)
        return self._target(
            f"avg by ({by}) (avg_over_time(sample_{chart.quantity}{{{self._filter}{sources}}}"
            f"[$__interval])){_divided(chart.divisor)}", f"{{{{{by}}}}}")

    def dosed(self, by: str) -> Json:
        group = f" by ({by})" if by else ""
        return self._target(
            f'sum{group} (sum_over_time(event_volume_ul{{kind="dosed",{self._filter}}}'
            "[$__interval])) / 1000", f"{{{{{by}}}}}" if by else "ml")

    def events(self) -> Json:
        return self._target(f"sum by (kind) (count_over_time(event_seq{{{self._filter}}}"
                            "[$__interval]))", "{{kind}}")

    def readings(self) -> Json:
        return self._target(f"sum by (node) (count_over_time(sample_heap_free_b{{{self._filter}}}"
                            "[1m]))", "{{node}}")

    def note(self, name: str, kind: str, color: str) -> Json:
        """The value is the time of the interval's last event in ms."""
        expr = (f'tlast_over_time(event_seq{{kind="{kind}",{self._filter}}}[$__interval]) * 1000')
        return _note(name, color, self.source, {"expr": expr, "range": True}) | {
            "useValueForTime": True, "titleFormat": "{{kind}} {{node}}", "textFormat": "",
            "tagKeys": ""}

    def variable(self, name: str) -> str:
        sites = '{site=~"$site"}' if name == "node" else ""
        return f"label_values(sample_heap_free_b{sites}, {name})"

    def _target(self, expr: str, legend: str) -> Json:
        return {"refId": "A", "datasource": self.source, "expr": expr, "legendFormat": legend,
                "range": True}


LANGUAGES: dict[str, Language] = {"dashboards": InfluxQL(), "victoriametrics": MetricsQL()}


def dashboards() -> dict[str, Json]:
    """Return {file under host/deploy/grafana: dashboard}."""
    found = {"dashboards/host.json": _host()}
    for folder, language in LANGUAGES.items():
        found[f"{folder}/node.json"] = _node(language)
        found[f"{folder}/fleet.json"] = _fleet(language)
    return found


def write(folder: Path) -> list[Path]:
    """Write the dashboards below a folder and return the files."""
    written = []
    for name, dashboard in dashboards().items():
        written.append(folder / name)
        written[-1].parent.mkdir(parents=True, exist_ok=True)
        written[-1].write_text(json.dumps(dashboard, indent=1, sort_keys=True) + "\n", "utf-8")
    return written


def _node(language: Language) -> Json:
    panels = [_chart(language, chart, "source") for chart in CHARTS]
    panels.append(_panel("Dosed", "mlitre", (None, None), [language.dosed("")], draw="bars"))
    panels.append(_panel("Events", "short", (None, None), [language.events()], draw="bars"))
    notes = [language.note("Doses", "dosed", "blue"),
             language.note("Faults", "fault_began", "orange"),
             language.note("Latches", "latched", "red")]
    return _dashboard(f"idroserra-node{language.suffix}", f"Idroserra: a node{language.title}",
                      panels, _variables(language, is_many=False), notes)


def _fleet(language: Language) -> Json:
    by_title = {chart.title: chart for chart in CHARTS}
    panels = [_chart(language, by_title[title], "node") for title in _OF_FLEET]
    panels.append(_panel("Readings per minute", "short", (None, None), [language.readings()]))
    panels.append(_panel("Dosed", "mlitre", (None, None), [language.dosed("node")], draw="bars"))
    return _dashboard(f"idroserra-fleet{language.suffix}", f"Idroserra: the fleet{language.title}",
                      panels, _variables(language, is_many=True),
                      [language.note("Latches", "latched", "red")])


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
         f"sum by (node) ({PREFIX}_records_lost)", "{{node}}"),
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
    panels = [_panel(title, unit, band, [{
        "refId": "A", "datasource": PROMETHEUS, "expr": expr, "legendFormat": legend,
        "range": True}]) for title, unit, band, expr, legend in queries]
    return _dashboard("idroserra-host", "Idroserra: the host", panels, [], [])


def _divided(divisor: int) -> str:
    return f" / {divisor}" if divisor != 1 else ""


def _chart(language: Language, chart: Chart, by: str) -> Json:
    panel = _panel(chart.title, chart.unit, chart.band, [language.mean(chart, by)])
    if chart.quantity in _OF_SETTINGS:
        panel["description"] = _DEFAULT_BAND
    return panel


def _panel(
    title: str, unit: str, band: Band, targets: list[Json], draw: str = "line"
) -> Json:
    low, high = band
    source = targets[0]["datasource"]
    custom: Json = {
        "drawStyle": draw, "lineWidth": 1, "fillOpacity": 60 if draw == "bars" else 0,
        "showPoints": "auto", "spanNulls": _SHORT_GAP_MS if source == VICTORIA else False,
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


def _note(name: str, color: str, source: Json, target: Json) -> Json:
    return {"name": name, "enable": True, "hide": False, "iconColor": color, "datasource": source,
            "builtIn": 0, "target": {"refId": "Anno", **target}}


def _variables(language: Language, *, is_many: bool) -> list[Json]:
    return [_variable(language, "site", is_many=True),
            _variable(language, "node", is_many=is_many)]


def _variable(language: Language, name: str, *, is_many: bool) -> Json:
    found: Json = {
        "type": "query", "name": name, "label": name.capitalize(), "datasource": language.source,
        "query": language.variable(name), "refresh": 2, "sort": 1, "hide": 0, "multi": is_many,
        "includeAll": is_many, "skipUrlSync": False, "regex": "", "options": [],
    }
    if is_many:
        found |= {"allValue": ".*", "current": {"text": "All", "value": "$__all"}}
    return found


def _dashboard(
    uid: str, title: str, panels: list[Json], variables: list[Json], notes: list[Json]
) -> Json:
    per_row = _COLUMNS // _WIDTH
    for number, panel in enumerate(panels):
        panel["id"] = number + 1
        panel["gridPos"] = {"h": _HEIGHT, "w": _WIDTH, "x": number % per_row * _WIDTH,
                            "y": number // per_row * _HEIGHT}
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
