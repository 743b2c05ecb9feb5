"""Metrics of the host: broker, spool, store, threads, ingest, alarms, notifications."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib.metadata import version
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from idroserra.alarms.loop import AlarmLoop
from idroserra.alarms.rules import PRIORITIES
from idroserra.alarms.state_machine import STATES
from idroserra.feeds.service import FeedState
from idroserra.prometheus.names import PREFIX

# Spool counter: value of the label `result`. `rejected` counts messages, not records.
RESULTS = {"received": "received", "stored": "stored", "refused": "refused",
           "duplicates": "duplicate"}


def host_series(counts: dict[str, Any], alarms: AlarmLoop) -> Iterator[Metric]:
    """Yield the metrics of the host. `counts`: Service.counts()."""
    yield _one("build_info", "Version of the host.", 1, version=version("idroserra"))
    yield _one("broker_up", "1 while the broker is connected.",
               counts["broker"]["state"] == "connected")
    yield _one("spool_up", "1 while the spool accepts records.", counts["spool"]["state"] == "ok")
    yield _one("spool_records", "Records waiting for the store.", counts["spool"]["depth"])
    yield _one("store_up", "1 while the store accepts records.", counts["store"]["state"] == "ok",
               kind=counts["store"]["kind"])
    yield _one("failed_threads",
               "Threads of the host that failed and were restarted in the last 10 min.",
               len(counts["failures"]))
    yield from _ingest(counts)
    yield from _alarms(alarms)


def feed_series(states: Sequence[FeedState]) -> Iterator[Metric]:
    """Yield the metrics of the feeds."""
    up = GaugeMetricFamily(f"{PREFIX}_feed_up", "1 while the feed takes what it is sent.",
                           labels=("feed",))
    waiting = GaugeMetricFamily(
        f"{PREFIX}_feed_waiting_seconds",
        "History that the feed has still to receive, of all nodes together.", labels=("feed",))
    records = CounterMetricFamily(
        f"{PREFIX}_feed_records", "Readings and events sent to the feed.",
        labels=("feed", "result"))
    for state in states:
        up.add_metric((state.name,), state.failed_unix_ms is None)
        waiting.add_metric((state.name,), state.waiting.span_ms / 1_000)
        records.add_metric((state.name, "written"), state.waiting.written)
        records.add_metric((state.name, "refused"), state.waiting.refused)
    yield from (up, waiting, records)


def _ingest(counts: dict[str, Any]) -> Iterator[Metric]:
    records = CounterMetricFamily(
        f"{PREFIX}_records", "Records of a node since the spool was created.",
        labels=("node", "result"))
    lost = GaugeMetricFamily(
        f"{PREFIX}_records_lost", "Records of a node that have not arrived and are not expected;"
        " one that arrives after all is no longer counted.", labels=("node",))
    rejected = CounterMetricFamily(
        f"{PREFIX}_messages_rejected", "Messages of a node that violated the protocol.",
        labels=("node",))
    of_nodes = 0
    for node, of_node in counts["nodes"].items():
        for name, result in RESULTS.items():
            records.add_metric((node, result), of_node[name])
        lost.add_metric((node,), of_node["lost"])
        rejected.add_metric((node,), of_node["rejected"])
        of_nodes += of_node["rejected"]
    rejected.add_metric(("",), counts["rejected"] - of_nodes)  # on topics of no known node
    yield from (records, lost, rejected)


def _alarms(alarms: AlarmLoop) -> Iterator[Metric]:
    yield _one("alarms_evaluated", "1 while alarms are evaluated every second.", alarms.is_alive)
    by_state = dict.fromkeys(((s, p) for s in STATES if s != "normal" for p in PRIORITIES), 0)
    active = GaugeMetricFamily(
        f"{PREFIX}_alarm", "1 for every alarm that is not in the normal state.",
        labels=("site", "node", "part", "rule", "priority", "state"))
    for one in alarms.alarms.all():
        if one.state == "normal":
            continue  # an on-delay is running
        by_state[one.state, one.rule.priority] += 1
        active.add_metric(
            (one.site, one.node, one.part, one.rule.name, one.rule.priority, one.state), 1)
    numbers = GaugeMetricFamily(
        f"{PREFIX}_alarms", "Number of alarms in a state.", labels=("state", "priority"))
    for labels, count in by_state.items():
        numbers.add_metric(labels, count)
    yield numbers
    yield active
    yield _one("notices_undelivered", "Notification targets with undelivered alarms.",
               len(alarms.dispatcher.undelivered()))


def _one(name: str, text: str, value: float, **labels: str) -> Metric:
    family = GaugeMetricFamily(f"{PREFIX}_{name}", text, labels=tuple(labels))
    family.add_metric(tuple(labels.values()), value)
    return family
