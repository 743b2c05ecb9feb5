"""/metrics over a real host: what a scrape holds, and that promtool reads it."""

import subprocess
import time

import paho.mqtt.publish as publish
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_open
from prometheus_client.parser import text_string_to_metric_families

from idroserra.core import protocol
from idroserra.core.reasons import Reason
from idroserra.node_state.causes import Cause
from idroserra.node_state.state import NodeState
from idroserra.nodes.node import Node
from idroserra.prometheus.names import SERIES
from idroserra.prometheus.nodes import NodeSeries
from support.programs import program
from support.real_host import Host

NODE = {"site": "test", "node": "idro-a"}


def scraped(host):
    """Return {(series, sorted labels)}: value of a scrape."""
    answer = host.client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=")
    return samples(answer.text)


def samples(text):
    return {(one.name.removeprefix("idroserra_"), tuple(sorted(one.labels.items()))): one.value
            for family in text_string_to_metric_families(text) for one in family.samples}


def series(name, **labels):
    return name, tuple(sorted(labels.items()))


def test_readings_are_in_base_units_and_a_fault_is_no_number(host, eventually):
    node = host.node("idro-a")
    node.read(faults={"air.temp_c": "no_ack"})
    host.settle("idro-a", 1)
    fault = series("reading_fault", **NODE, source="air", quantity="temp_c", fault="no_ack")
    eventually(lambda: fault in scraped(host), 30, "the fault")
    found = scraped(host)
    water = {**NODE, "source": "reservoir"}
    assert found[series("ph", **water)] == 5.85
    assert found[series("conductivity_siemens_per_meter", **water)] == 0.159  # 1,590 uS/cm
    assert found[series("temperature_celsius", **water)] == 20.5
    assert found[series("level_meters", **water)] == 0.203
    assert found[series("relative_humidity_ratio", **NODE, source="air")] == 0.61
    assert found[fault] == 1
    assert series("temperature_celsius", **NODE, source="air") not in found
    assert not any(name == "reading_fault" and ("source", "reservoir") in labels
                   for name, labels in found)
    age = found[series("reading_age_seconds", **NODE, source="air", quantity="temp_c")]
    assert 0 <= age < 180
    assert found[series("reading_stale", **water, quantity="ph")] == 0


def test_contact_counters_and_alarms_are_exported(tmp_path, mosquitto, eventually):
    host = Host(tmp_path / "host", mosquitto.port, eventually,
                more={"alarms": {"rules": {"sensor_fault": {"on_delay_s": 0}}}})
    try:
        check_contact_counters_and_alarms(host, eventually)
    finally:
        host.stop()


def check_contact_counters_and_alarms(host, eventually):
    node = host.node("idro-a")
    node.read(faults={"air.temp_c": "no_ack"})
    host.settle("idro-a", 1)
    publish.single("idro/v1/idro-a/up/telemetry", b"{", qos=1, port=host.broker_port)
    rejected = series("messages_rejected_total", node="idro-a")
    eventually(lambda: scraped(host)[rejected] == 1, 30, "the rejected message")
    found = scraped(host)
    assert found[series("node_up", **NODE)] == 1
    assert found[series("node_adopted", **NODE)] == 1
    assert found[series("node_state", **NODE, level="bad", code="channel_fault",
                        mender="grower")] == 1
    assert abs(found[series("node_last_seen_timestamp_seconds", **NODE)] - time.time()) < 600
    assert found[series("records_total", node="idro-a", result="stored")] == 1
    assert found[series("records_lost", node="idro-a")] == 0  # no counter: it falls
    assert series("records_total", node="idro-a", result="lost") not in found
    assert found[series("broker_up")] == found[series("store_up", kind="sqlite")] == 1
    assert found[series("alarms", state="acknowledged", priority="urgent")] == 0

    def alarms():
        return [dict(labels) for name, labels in scraped(host) if name == "alarm"]

    eventually(lambda: [one for one in alarms() if one["part"] == "air.temp_c"
                        and one["state"] == "unacknowledged"], 60, "an alarm about the probe")
    node.leave()
    eventually(lambda: scraped(host)[series("node_up", **NODE)] == 0, 60, "the last will")


def test_a_reading_that_is_too_old_has_an_age_and_no_number():
    families = NodeSeries(1_800_000_100_000)
    families.add(Node("idro-a", "test"), {
        "reservoir.ph": {"value": 6.1, "fault": None, "unix_ms": 1_800_000_000_000},
        "air.temp_c": {"value": None, "fault": "no_ack", "unix_ms": 1_800_000_000_000},
        "reservoir.temp_c": {"value": 20, "fault": None, "unix_ms": 1_800_000_090_000}},
        NodeState((Cause(Reason("no_contact"), "bad", 1_800_000_000_000),)))
    found = {(one.name, one.labels.get("source"), one.labels.get("quantity")): one.value
             for family in families.families() for one in family.samples}
    assert found["idroserra_reading_age_seconds", "reservoir", "ph"] == 100
    assert found["idroserra_reading_stale", "reservoir", "ph"] == 1
    assert found["idroserra_reading_stale", "reservoir", "temp_c"] == 0
    assert found["idroserra_temperature_celsius", "reservoir", None] == 20
    assert found["idroserra_node_state_since_timestamp_seconds", None, None] == 1_800_000_000
    assert not {name for name, *_ in found} & {"idroserra_ph", "idroserra_reading_fault"}


def test_every_quantity_has_a_series_of_its_own():
    assert set(SERIES) == set(protocol.QUANTITIES)
    assert len({one.name for one in SERIES.values()}) == len(SERIES)


@pytest.mark.parametrize("accept", ["", "application/openmetrics-text; version=1.0.0"])
def test_promtool_and_the_parsers_accept_a_scrape(host, eventually, accept):
    node = host.node("idro-a")
    node.read(faults={"air.temp_c": "no_ack"})
    host.settle("idro-a", 1)
    eventually(lambda: "idroserra_reading_fault" in host.client.get("/metrics").text, 30,
               "the fault")
    answer = host.client.get("/metrics", headers={"accept": accept})
    if accept:
        assert answer.headers["content-type"].startswith("application/openmetrics-text")
        assert list(read_open(answer.text))
        return
    check_with_promtool(answer.content)


def check_with_promtool(content):
    done = subprocess.run([program("promtool"), "check", "metrics"], input=content,
                          capture_output=True, timeout=600, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, b"")
