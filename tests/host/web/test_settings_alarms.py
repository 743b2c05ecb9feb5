"""Alarm rules in the settings: limits in bounds, for all nodes or one, applied at once."""

import sqlite3

import pytest

from idroserra.core.page_settings import PageSettings
from support.real_host import Host

PATH = "/api/settings/alarms"


def rule(host, name, node=""):
    [found] = [one for one in host.client.get(PATH, params={"node": node}).json()["rules"]
               if one["rule"] == name]
    return found, {field["key"]: field for field in found["fields"]}


def change(host, name, node="", **values):
    return host.client.put(f"{PATH}/{name}", json={"node": node, "values": values})


def active(host):
    return {(one["rule"], one["node"]) for one in host.client.get("/api/alarms").json()["alarms"]
            if one["state"] == "unacknowledged"}


def test_every_rule_is_listed_in_units_of_people_with_bounds_that_its_default_meets(host):
    listed = host.client.get(PATH).json()["rules"]
    assert len(listed) > 35
    for one in listed:
        for field in one["fields"]:
            if field["high"] > field["low"]:
                assert field["low"] <= field["value"] <= field["high"], (one["rule"], field)
    _, ph = rule(host, "ph_high")
    assert (ph["limit"]["value"], ph["limit"]["unit"], ph["limit"]["low"]) == (0.3, "pH", 0)
    _, ec = rule(host, "ec_high")
    assert (ec["limit"]["unit"], ec["limit"]["factor"]) == ("mS/cm", 0.001)
    assert rule(host, "air_hot")[1]["limit"]["unit"] == "°C"
    assert rule(host, "ph_high")[1]["on_delay_s"]["unit"] == "min"


def test_a_limit_applies_at_once_to_all_nodes_or_to_one_and_is_reset(host, eventually):
    for name in ("idro-a", "idro-b"):
        host.node(name).live(30)
    assert change(host, "water_hot", on_delay_s=0, limit=10).status_code == 200
    eventually(lambda: active(host) >= {("water_hot", "idro-a"), ("water_hot", "idro-b")}, 20,
               "the alarm of both")
    assert change(host, "water_hot", "idro-b", enabled=False).status_code == 200
    eventually(lambda: ("water_hot", "idro-b") not in active(host), 20, "no alarm of idro-b")
    assert ("water_hot", "idro-a") in active(host)
    found, fields = rule(host, "water_hot", "idro-b")
    assert (found["is_changed"], fields["enabled"]["is_changed"], fields["limit"]["value"],
            fields["limit"]["is_changed"]) == (True, True, 10, False)
    change(host, "water_hot", on_delay_s=None, limit=None)
    assert rule(host, "water_hot")[0]["is_changed"] is False
    assert rule(host, "water_hot")[1]["limit"]["value"] == 28

    notes = [one["text"] for one in host.client.get("/api/journal").json()["notes"]]
    assert "Above: 28 °C → 10 °C" in notes[-1]
    assert "In use: on → off" in notes[1]
    rows = host.client.get("/api/audit").json()["rows"]
    assert ("change alarm", "water_hot") in [(row["action"], row["target"]) for row in rows]


def test_an_alarm_out_of_service_returns_when_its_node_is_forgotten(host, eventually):
    host.node("idro-a").live(30)
    change(host, "water_hot", on_delay_s=0, limit=10)
    eventually(lambda: ("water_hot", "idro-a") in active(host), 20, "the alarm")
    [key] = [one["key"] for one in host.client.get("/api/alarms").json()["alarms"]
             if one["rule"] == "water_hot"]
    assert host.client.post("/api/alarms/take-out", json={"key": key}).status_code == 200
    assert host.client.request("DELETE", "/api/nodes/idro-a", json={}).status_code == 200
    newest = host.client.get("/api/alarms/history", params={"node": "idro-a"}).json()["changes"]
    assert ("water_hot", "out_of_service", "normal") in [
        (one["rule"], one["was"], one["state"]) for one in newest]
    assert "out_of_service" not in [
        one["state"] for one in host.client.get("/api/alarms").json()["alarms"]]


@pytest.mark.parametrize(("name", "node", "values", "why"), [
    ("ph_high", "", {"limit": 9}, "limit: 9 pH is outside 0 pH to 3.5 pH"),
    ("ph_high", "", {"priority": "loud"}, "priority: must be one of low, medium, high, urgent"),
    ("ph_high", "", {"on_delay_s": "soon"}, "on_delay_s: must be a number"),
    ("ph_high", "", {"watch": "silent"}, "watch: unknown key"),
    ("ph_high", "", {"limit": 10**400}, "limit: 1e+300 pH is outside 0 pH to 3.5 pH"),
    ("nonsense", "", {"limit": 1}, "rule: no rule nonsense"),
    ("disk_low", "idro-a", {"limit": 100}, "node: this alarm is not of a node"),
])
def test_what_is_out_of_bounds_is_refused_and_changes_nothing(host, name, node, values, why):
    if node:
        host.node(node)
    answer = change(host, name, node, **values)
    assert (answer.status_code, answer.json()["error"]) == (422, why)
    assert not any(one["is_changed"] for one in host.client.get(PATH).json()["rules"])


def test_the_configuration_wins_over_the_page(tmp_path, mosquitto, eventually):
    folder = tmp_path / "host"
    host = Host(folder, mosquitto.port, eventually)
    change(host, "ph_high", limit=0.5, priority="low")
    host.node("idro-a")
    change(host, "ph_high", "idro-a", limit=0.6)
    host.stop()

    more = {"alarms": {"rules": {"ph_high": {"limit": 0.4}}}}
    host = Host(folder, mosquitto.port, eventually, more=more)
    for node in ("", "idro-a"):
        _, fields = rule(host, "ph_high", node)
        assert (fields["limit"]["value"], fields["limit"]["source"]) == (0.4, "command line")
        assert fields["priority"]["value"] == "low"
        refused = change(host, "ph_high", node, limit=0.7)
        assert (refused.status_code, refused.json()["error"]) == (
            409, "limit: the host's configuration sets it")
    host.stop()


def test_what_another_version_stored_stops_neither_host_nor_page(
    tmp_path, mosquitto, eventually
):
    stored = PageSettings(tmp_path / "host")
    stored.put("alarm rules", "gone", {"limit": 1}, "anna", 0)
    stored.put("alarm rules", "ph_high", {"limit": "high"}, "anna", 0)
    stored.put("recipients", "odd", {"url": "json://127.0.0.1:1/", "language": "tlh"}, "anna", 0)
    stored.close()
    host = Host(tmp_path / "host", mosquitto.port, eventually)
    assert "alarms.rules.ph_high.limit" in host.client.get(PATH).json()["trouble"]
    assert rule(host, "ph_high")[1]["limit"]["value"] == 0.3
    [odd] = host.client.get("/api/settings/notifications").json()["recipients"]
    assert (odd["name"], "language" in odd["trouble"]) == ("odd", True)
    assert change(host, "ph_high", limit=0.4).json()["trouble"] == ""
    assert rule(host, "ph_high")[1]["limit"]["value"] == 0.4
    host.stop()


def test_a_change_without_room_for_its_note_is_made_and_audited_as_made(host):
    with sqlite3.connect(host.config.data_dir / "journal.db") as database:
        database.execute("CREATE TRIGGER disk_full BEFORE INSERT ON notes"
                         " BEGIN SELECT RAISE(ABORT, 'full'); END")
        database.commit()
        answer = change(host, "water_hot", enabled=False)
        database.execute("DROP TRIGGER disk_full")
    assert answer.status_code == 200
    assert rule(host, "water_hot")[1]["enabled"]["value"] is False
    [row] = [row for row in host.client.get("/api/audit").json()["rows"]
             if row["action"] == "change alarm"]
    assert row["result"] == "done"


def page(host, path):
    return host.client.get(path, headers={"Accept": "text/html"}).text


def test_an_alarm_that_is_off_for_one_node_is_shown_wherever_it_is_missed(host):
    for name in ("idro-a", "idro-b"):
        host.node(name)
    for path in ("/alarms", "/nodes/idro-a/setup", "/nodes/idro-b/setup"):
        assert "alarms-off" not in page(host, path)
    change(host, "water_hot", "idro-a", enabled=False)
    change(host, "ph_high", "idro-a", limit=0.5)
    water_hot, ph_high = rule(host, "water_hot")[0], rule(host, "ph_high")[0]
    assert (water_hot["nodes"], ph_high["nodes"]) == (
        [{"node": "idro-a", "is_off": True}], [{"node": "idro-a", "is_off": False}])
    assert water_hot["is_changed"] is False
    for path in ("/alarms", "/nodes/idro-a/setup"):
        assert "alarms-off" in page(host, path)
    assert "alarms-off" not in page(host, "/nodes/idro-b/setup")
    change(host, "ec_high", enabled=False)
    assert "alarms-off" in page(host, "/nodes/idro-b/setup")


def test_a_node_that_is_forgotten_leaves_no_rule_to_a_new_board_of_its_name(host):
    host.node("idro-a")
    change(host, "water_hot", "idro-a", enabled=False)
    assert host.client.request("DELETE", "/api/nodes/idro-a", json={}).status_code == 200
    assert rule(host, "water_hot")[0]["nodes"] == []
    host.node("idro-a")
    found, fields = rule(host, "water_hot", "idro-a")
    assert (found["is_changed"], fields["enabled"]["value"]) == (False, True)
