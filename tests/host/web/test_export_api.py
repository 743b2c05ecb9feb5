"""The export over a real host: the API, the command line, and questions that make no sense."""

import csv
import io
import json
import time

import pyarrow.parquet as parquet
import pytest
from typer.testing import CliRunner

from idroserra.cli.main import app


def span():
    now = time.time_ns() // 1_000_000
    return {"from_unix_ms": now - 3_600_000, "to_unix_ms": now + 60_000}


@pytest.fixture
def exported(host):
    """A host whose node has published three records, one with a fault, and two events."""
    node = host.node("idro-a")
    node.read({"reservoir.ph": 6.1}, ago_ms=30_000)
    at_ms = node.at_ms - 20_000  # a fault event has the time of its record
    node.tell("fault_began", {"channel": "air.temp_c", "fault": "no_ack"}, at_ms=at_ms)
    node.read({"reservoir.ph": 6.2}, {"air.temp_c": "no_ack"}, at_ms=at_ms)
    node.tell("dosed", {"actuator": "ph_down", "volume_ul": 2_500, "on_ms": 2_500}, 15_000)
    node.read({"reservoir.ph": 6.0}, {"air.temp_c": "no_ack"}, ago_ms=10_000)
    host.settle("idro-a", 5)
    return host


def run(host, *words):
    return CliRunner().invoke(app, ["export", "idro-a", "--url", host.url, *words])


def test_readings_events_and_lines_come_as_files(exported):
    answer = exported.client.get(
        "/api/nodes/idro-a/export", params={**span(), "time_zone": "Asia/Shanghai"})
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/csv")
    assert 'filename="idro-a_readings_' in answer.headers["content-disposition"]
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [row["reservoir.ph [pH]"] for row in rows] == ["6.100", "6.200", "6.000"]
    assert [row["faults"] for row in rows] == ["", "air.temp_c=no_ack", "air.temp_c=no_ack"]
    assert [row["air.temp_c [C]"] for row in rows] == ["23.40", "", ""]
    assert all(row["time_local [Asia/Shanghai]"].endswith("+08:00") for row in rows)
    dosing = exported.client.get(
        "/api/nodes/idro-a/export", params={**span(), "what": "events"}).text
    assert [row["kind"] for row in csv.DictReader(io.StringIO(dosing))] == ["fault_began", "dosed"]
    lines = exported.client.get(
        "/api/nodes/idro-a/export", params={**span(), "format": "line"}).text.splitlines()
    assert sum(line.startswith("sample,site=test,node=idro-a,source=reservoir ") for line in
               lines) == 3


def test_questions_that_make_no_sense_are_named(exported):
    def refused(status, **query):
        answer = exported.client.get("/api/nodes/idro-a/export", params={**span(), **query})
        assert answer.status_code == status
        return answer.json()["error"]

    assert refused(422, time_zone="../etc").startswith("time_zone: ")
    assert refused(422, time_zone="Mars/Olympus").startswith("time_zone: ")
    assert refused(422, to_unix_ms=5).startswith("to_unix_ms: ")
    assert refused(422, from_unix_ms=0).startswith("to_unix_ms: ")
    assert refused(422, format="xls").startswith("format: ")
    answer = exported.client.get("/api/nodes/idro-absent/export", params=span())
    assert (answer.status_code, answer.json()["error"]) == (404, "unknown node idro-absent")


def test_the_command_line_writes_csv_and_parquet(exported, tmp_path):
    out = tmp_path / "a.parquet"
    done = run(exported, "--format", "parquet", "--out", str(out), "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout) == {"node": "idro-a", "file": str(out), "rows": 3,
                                       "bytes": out.stat().st_size}
    assert parquet.read_table(out)["reservoir.ph"].to_pylist() == [6.1, 6.2, 6.0]
    plain = run(exported, "--last", "2h")
    assert plain.exit_code == 0
    assert plain.stdout.startswith("time_utc,unix_ms,reservoir.ph [pH],")
    assert len(plain.stdout.splitlines()) == 4
    assert run(exported, "--format", "parquet").exit_code == 2
    assert run(exported, "--from", "2026-11-02", "--to", "2026-11-01").exit_code == 2
