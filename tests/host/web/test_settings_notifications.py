"""Recipients of notifications in the settings: added, tested, changed and kept secret."""

import json
import sqlite3

import pytest

from idroserra.auth.roles import Role
from idroserra.core.page_settings import PageSettings
from support.real_host import Host

PATH = "/api/settings/notifications"
SECRET = "s3cretToken"


def recipient(host, name, **fields):
    return host.client.put(f"/api/settings/recipients/{name}", json=fields)


def state_of(host, notice):
    notices = host.client.get(PATH).json()["delivery"]["notices"]
    [found] = [one["deliveries"] for one in notices if one["id"] == notice] or [[]]
    return {one["target"]: one["state"] for one in found}


def result_of_test(host, eventually, name):
    sent = host.client.post(f"/api/settings/recipients/{name}/test", json={}).json()["id"]
    eventually(lambda: state_of(host, sent).get(name) in ("sent", "failed"), 20, "the test")
    return state_of(host, sent)


def test_a_recipient_works_at_once_and_its_address_is_never_sent_back(
    host, receiver, eventually
):
    added = recipient(host, "anna", url=receiver.url(SECRET), from_priority="high")
    assert added.status_code == 200
    assert recipient(host, "boss", url=receiver.url(SECRET)).status_code == 200
    assert result_of_test(host, eventually, "anna") == {"anna": "sent"}
    assert len(receiver.messages) == 1
    receiver.status = 500
    assert result_of_test(host, eventually, "anna") == {"anna": "failed"}
    receiver.status = 200
    assert recipient(host, "anna", from_priority="urgent").status_code == 200  # address is kept
    assert result_of_test(host, eventually, "anna") == {"anna": "sent"}

    shown = host.client.get(PATH).json()
    [anna, _] = shown["recipients"]
    assert (anna["service"], anna["has_address"]) == ("JSON", True)
    assert anna["from_priority"] == "urgent"
    rows = host.client.get("/api/audit").json()["rows"]
    assert {"set recipient", "test recipient"} <= {row["action"] for row in rows}
    page = host.client.get("/settings/notifications", headers={"Accept": "text/html"})
    for text in (json.dumps(shown), json.dumps(rows), page.text, added.text,
                 host.client.get("/api/alarms").text):
        assert SECRET not in text
    assert host.client.request("DELETE", "/api/settings/recipients/anna", json={}).json()[
        "recipients"][0]["name"] == "boss"
    assert host.client.post("/api/settings/recipients/anna/test", json={}).status_code == 404


def test_an_operator_cannot_send_tests_without_end(host, receiver):
    recipient(host, "anna", url=receiver.url(SECRET))
    operator = host.client_with(host.service.access.tokens.make("op2", Role.OPERATOR, "tests"))
    answers = [operator.post(path, json={}).status_code for path in (
        *["/api/settings/recipients/anna/test"] * 6, "/api/alarms/test")]
    assert answers == [202] * 5 + [429] * 2
    recipient(host, "anna", url=receiver.url(SECRET))  # changed: it may be tested
    assert operator.post("/api/settings/recipients/anna/test", json={}).status_code == 202


def test_what_is_wrong_names_the_field_and_no_address(host):
    for name, fields, why in (
            ("anna", {}, "url: a new recipient needs an address"),
            ("anna", {"url": f"nonsense-{SECRET}"}, "url: no service supports this address"),
            ("anna", {"url": "x", "language": "fr"}, "language")):
        answer = recipient(host, name, **fields)
        assert answer.status_code == 422
        assert answer.json()["error"].startswith(why)
        assert SECRET not in answer.text
    assert host.client.put(PATH, json={
        "notify_from": "low", "quiet_from": "22:00"}).json()["error"] == (
            "quiet_from and quiet_until go together")
    operator = host.client_with(host.service.access.tokens.make("op", Role.OPERATOR, "tests"))
    assert operator.get(PATH).status_code == 200
    assert operator.put("/api/settings/recipients/eve", json={}).status_code == 403
    assert operator.post("/api/settings/recipients/eve/test", json={}).status_code == 404


def test_the_configuration_wins_and_the_rest_outlives_a_restart(
    tmp_path, mosquitto, receiver, eventually
):
    more = {"alarms": {"daily_at": "08:00", "targets": [
        {"name": "office", "url": receiver.url(SECRET)}]}}
    host = Host(tmp_path / "host", mosquitto.port, eventually, more=more)
    times = {"notify_from": "high", "quiet_from": "22:00", "quiet_until": "06:30"}
    refused = host.client.put(PATH, json=times | {"daily_at": "09:00"})
    assert (refused.status_code, refused.json()["error"]) == (
        409, "daily_at: the host's configuration sets it")
    assert host.client.put(PATH, json=times | {"daily_at": "08:00"}).status_code == 200
    assert recipient(host, "office", url=receiver.url()).status_code == 409
    assert recipient(host, "anna", url=receiver.url(SECRET), sites=["Nord"]).status_code == 200
    host.stop()

    host = Host(tmp_path / "host", mosquitto.port, eventually, more=more)
    shown = host.client.get(PATH).json()
    assert {key: one["value"] for key, one in shown["times"].items()} == times | {
        "daily_at": "08:00"}
    assert [one["source"] for one in shown["times"].values()] == [None, None, None, "command line"]
    assert [(one["name"], one["source"], one["sites"]) for one in shown["recipients"]] == [
        ("office", "command line", []), ("anna", "", ["Nord"])]
    assert result_of_test(host, eventually, "office") == {"office": "sent"}
    assert result_of_test(host, eventually, "anna") == {"anna": "sent"}
    host.stop()


def test_times_are_saved_together_or_not_at_all(host):
    times = {"notify_from": "low", "quiet_from": "22:00", "quiet_until": "06:30"}
    with sqlite3.connect(host.config.data_dir / "settings.db") as database:
        database.execute("CREATE TRIGGER disk_full BEFORE INSERT ON settings WHEN"
                         " NEW.name='quiet_until' BEGIN SELECT RAISE(ABORT, 'full'); END")
        database.commit()
        assert host.client.put(PATH, json=times).status_code == 503
        shown = host.client.get(PATH).json()["times"]
        assert {one["value"] for one in shown.values()} == {"medium", None}
        database.execute("DROP TRIGGER disk_full")
    assert host.client.put(PATH, json=times).status_code == 200
    assert host.client.get(PATH).json()["times"]["quiet_until"]["value"] == "06:30"


@pytest.mark.parametrize("odd", [
    {"quiet_from": "22:00"}, {"notify_from": "loud"}, {"daily_at": 7}, {"gather_s": -1},
])
def test_unusable_stored_times_are_reported_and_replaced_on_the_page(
    tmp_path, mosquitto, eventually, odd
):
    stored = PageSettings(tmp_path / "host")
    for key, value in odd.items():
        stored.put("notifications", key, value, "anna", 0)
    stored.close()
    host = Host(tmp_path / "host", mosquitto.port, eventually)
    shown = host.client.get(PATH).json()
    assert bool(shown["trouble"]) == ("gather_s" not in odd)  # a key of another version is ignored
    assert {one["value"] for one in shown["times"].values()} == {"medium", None}
    saved = host.client.put(PATH, json={"notify_from": "medium"})
    assert (saved.status_code, saved.json()["trouble"]) == (200, "")
    host.stop()
