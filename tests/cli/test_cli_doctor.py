"""`idroserra doctor` against real brokers and files: what it finds, and what it advises."""

import json
import sqlite3

import paho.mqtt.publish as publish
import pytest

from idro.protocol.messages import AS_FLASHED, Info
from idro.protocol.system_host import UNKNOWN_SYSTEM, System
from idroserra.auth.roles import Role
from idroserra.auth.service import AuthService
from idroserra.core.sections.access import AccessConfig
from idroserra.doctor.broker import is_junk
from idroserra.ingest.spool import Spool
from idroserra.nodes.registry import Nodes
from support.command_line import idroserra


@pytest.fixture
def examine(tmp_path):
    """examine(broker_port): run the doctor; returns (exit code, {check name: check})."""

    def run(broker_port, more=""):
        path = tmp_path / "host.toml"
        path.write_text(f'data_dir = "{tmp_path / "data"}"\n[http]\nport = 0\n'
                        f'[mqtt]\nurl = "mqtt://127.0.0.1:{broker_port}"\n{more}')
        done = idroserra("doctor", "--json", "--config", path)
        answer = json.loads(done.stdout)
        assert answer["ok"] == (done.returncode == 0)
        return done.returncode, {check["name"]: check for check in answer["checks"]}

    return run


def test_a_good_broker_is_good_news(examine, mosquitto):
    code, checks = examine(mosquitto.port)
    assert code == 0
    assert "MQTT 5" in checks["broker"]["found"]
    assert checks["retained messages"]["state"] == "ok"
    assert checks["data folder"]["state"] == "ok"


def test_nodes_that_are_not_adopted_are_named(examine, mosquitto, tmp_path):
    assert examine(mosquitto.port)[1]["nodes"]["state"] == "ok"
    nodes = Nodes(tmp_path / "data" / "state.db", "test")
    nodes.adopt("idro-a", bytes(32))
    nodes.record_message("idro-stranger", 1_795_507_200_000)
    nodes.close()
    found = examine(mosquitto.port)[1]["nodes"]
    assert (found["state"], "idro-stranger" in found["found"]) == ("warn", True)
    assert "idro-a" not in found["found"]
    assert "node adopt" in found["advice"]


def test_what_nodes_run_on_is_checked(examine, mosquitto, tmp_path):
    nodes = Nodes(tmp_path / "data" / "state.db", "test")

    def look(node, system):
        nodes.adopt(node, bytes(32))
        nodes.set_info(node, Info(
            "0.1.0", "esp32-reservoir", "esp32", "b1", 0, None, "none", "power_on", "", (), {}, (),
            False, 100, 0, AS_FLASHED, system))
        found = examine(mosquitto.port)[1]["MicroPython of nodes"]
        return found["state"], found["found"], found["advice"]

    assert look("idro-old", UNKNOWN_SYSTEM) == (
        "ok", "not reported by idro-old, whose firmware is older", "")
    good = System("1.28.0", 4_194_304, 240_000_000)
    state, found, _ = look("idro-good", good)
    assert (state, found) == (
        "ok", "1 with a supported release, PSRAM and full CPU frequency; not reported by "
        "idro-old, whose firmware is older")
    state, found, advice = look("idro-bad", System("1.25.0", 0, 160_000_000))
    assert state == "warn"
    assert "idro-bad: its MicroPython 1.25.0 is older than 1.26" in found
    assert "PSRAM" in found
    assert "160 MHz" in found
    assert "idroserra flash" in advice
    nodes.close()


def test_no_broker_fails_with_advice(examine, free_port):
    code, checks = examine(free_port())
    assert code == 1
    assert checks["broker"]["state"] == "fail"
    assert "apt install mosquitto" in checks["broker"]["advice"]


def test_a_retained_command_is_found(examine, mosquitto):
    topic = "idro/v1/idro-a/down/command"
    publish.single(topic, b"{}", qos=1, retain=True, port=mosquitto.port)
    publish.single("idro/v1/idro-a/up/status", b"online", qos=1, retain=True, port=mosquitto.port)
    _, checks = examine(mosquitto.port)
    assert checks["retained messages"]["state"] == "warn"
    assert topic in checks["retained messages"]["found"]
    assert "status" not in checks["retained messages"]["found"]


def test_a_broken_database_is_found(examine, mosquitto, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "spool.db").write_bytes(b"no database at all, " * 100)
    code, checks = examine(mosquitto.port)
    assert code == 1
    assert "not a database" in checks["spool"]["found"]


def test_what_the_host_keeps_is_found_whole(examine, host, node):
    host.stop_web()
    code, checks = examine(host.broker_port)
    assert code == 0
    assert checks["store"]["state"] == "ok"


def test_each_feed_is_checked(examine, mosquitto, free_port):
    more = f'[[feed]]\nname = "cloud"\nurl = "http://127.0.0.1:{free_port()}"\n'
    code, checks = examine(mosquitto.port, more)
    assert code == 1
    assert "Connection refused" in checks["feed cloud"]["found"]


def test_records_that_wait_are_counted(examine, mosquitto, tmp_path):
    Spool(tmp_path / "data" / "spool.db")
    code, checks = examine(mosquitto.port)
    assert code == 0
    assert "0 records wait" in checks["spool"]["found"]


@pytest.mark.parametrize(("more", "state", "found"), [
    ("", "warn", "no recipients configured"),
    ('[[alarms.targets]]\nname = "anna"\nurl = "ntfy://s3cret"\n', "warn",
     "notifying anna; no heartbeat"),
    ('[alarms]\nheartbeat_url = "http://127.0.0.1/x"\n[[alarms.targets]]\nname = "anna"\n'
     'url = "ntfy://s3cret"\n', "ok", "with a heartbeat"),
    ('[[alarms.targets]]\nname = "anna"\nurl = "nosuch://s3cret"\n', "fail", "targets.anna.url"),
    ("[alarms.rules.ph_high]\nlimits = 1\n", "fail", "alarms.rules.ph_high.limits"),
])
def test_alarm_notification_recipients_are_checked(examine, mosquitto, more, state, found):
    _, checks = examine(mosquitto.port, more)
    assert checks["alarms"]["state"] == state
    assert found in checks["alarms"]["found"]
    assert "s3cret" not in str(checks)


def test_users_and_audit_log_integrity_are_checked(examine, mosquitto, tmp_path):
    _, checks = examine(mosquitto.port)
    assert checks["users"]["found"] == "no users yet"
    access = AuthService(tmp_path / "data", AccessConfig(), lambda: 1_800_000_000_000)
    access.users.add("anna", Role.ADMIN, "a sentence for the tests")
    access.audit.add("anna", "command", target="idro-a")
    access.close()
    _, checks = examine(mosquitto.port)
    assert (checks["users"]["state"], checks["users"]["found"]) == ("ok", "1 admin")
    assert checks["audit log"]["found"] == "1 rows, chain intact"
    database = sqlite3.connect(tmp_path / "data" / "audit.db", isolation_level=None)
    database.execute("DROP TRIGGER audit_no_change")
    database.execute("UPDATE audit SET target='idro-b'")
    database.close()
    (tmp_path / "data" / "users.db").chmod(0o644)
    code, checks = examine(mosquitto.port)
    assert code == 1
    assert checks["audit log"]["found"].startswith("row 1: changed")
    assert checks["users"]["advice"].startswith("chmod 600")


def test_unexpected_retained_topics_are_found():
    assert not is_junk("idro/v1/idro-a/up/info")
    assert not is_junk("idro/v1/idro-a/down/config")
    assert not is_junk("idro/v1/host/up/status")
    assert is_junk("idro/v1/idro-a/down/command")
    assert is_junk("idro/v1/idro-a/up/telemetry")
    assert is_junk("idro/v0/idro-a/up/info")
