"""Commands and settings through the API, answered by a node on the other side of the broker."""

import threading
import time

from idro.protocol.reason import Reason

PATH = "/api/nodes/idro-a/commands"


def sent(host, body, **more):
    return host.client.post(PATH, json=body, **more)


def ended(host, command_id, eventually, timeout_s=10):
    def state():
        return host.client.get(f"/api/commands/{command_id}").json()

    eventually(lambda: state()["state"] != "pending", timeout_s, "the command to end")
    return state()


def test_a_stop_is_confirmed_by_the_nodes_answer(host, node, eventually):
    answer = sent(host, {"verb": "stop", "by": "anna"})
    assert answer.status_code == 202
    assert answer.json()["state"] in ("pending", "done")
    assert ended(host, answer.json()["id"], eventually)["state"] == "done"
    assert (node.commands[0].verb, node.commands[0].by) == ("stop", "anna")


def test_a_stop_needs_no_thread_of_other_requests(host, node, eventually):
    """Every thread of the web server waits for the spool, as for a slow disk."""
    reader = host.client_with(host.client.headers["authorization"].split()[1])
    asked, answered = [], []

    def read():
        asked.append(1)
        answered.append(reader.get("/api/health", timeout=600).status_code)

    readers = [threading.Thread(target=read) for _ in range(60)]
    with host.service.spool._lock:
        for one in readers:
            one.start()
        eventually(lambda: len(asked) == 60, 10, "every reader")
        sender = threading.Thread(target=sent, args=(host, {"verb": "stop"}))
        sender.start()
        eventually(lambda: [one.verb for one in node.commands] == ["stop"], 5, "the stop")
        assert not answered
    for one in (*readers, sender):
        one.join(60)


def test_a_refusal_carries_the_nodes_reason(host, node, eventually):
    node.answer = "refused"
    node.reason = Reason("hour_spent", volume_ul=20_000, share_pct=100)
    answer = sent(host, {"verb": "dose", "args": {"actuator": "ph_down", "volume_ul": 2_000}})
    end = ended(host, answer.json()["id"], eventually)
    assert (end["state"], end["reason"]) == ("refused", {
        "code": "hour_spent", "values": {"volume_ul": 20_000, "share_pct": 100},
        "text": "the hourly budget of 20.0 ml is spent (100 % of the full one)"})


def test_a_silent_node_is_a_timeout_never_a_success(host, node, eventually):
    node.answer = None
    answer = sent(host, {"verb": "resume", "ttl_ms": 1_000})
    end = ended(host, answer.json()["id"], eventually, 15)
    assert (end["state"], end["reason"]["code"]) == ("timeout", "unanswered")


def test_a_node_without_key_is_refused_at_once(host):
    host.node("idro-a", adopt=False)
    answer = sent(host, {"verb": "stop"})
    assert (answer.json()["state"], answer.json()["reason"]["code"]) == (
        "refused", "not_adopted")
    answer = host.client.put("/api/nodes/idro-a/config", json={"values": {"ph.target": 6.0}})
    assert (answer.status_code, answer.json()["error"]) == (409, "idro-a: not adopted")


WRONG_COMMANDS = (
    ({}, "verb"),
    ({"verb": "explode"}, "explode"),
    ({"verb": "dose"}, "actuator"),
    ({"verb": "dose", "args": {"actuator": "ph_down", "volume_ul": 10**9}}, "volume_ul"),
    ({"verb": "dose", "args": {"actuator": "ph_down", "volume_ul": 1, "fast": True}}, "fast"),
    ({"verb": "stop", "urgent": True}, "urgent"),
    ({"verb": "stop", "ttl_ms": 10}, "ttl_ms"),
    ({"verb": "stop", "by": ""}, "by"),
    ({"verb": "stop", "by": "Anna \N{SEEDLING}"}, "by"),
    ({"verb": "stop", "args": 5}, "args"),
)


def test_a_wrong_command_names_the_field_and_is_not_sent(host, node):
    for body, named in WRONG_COMMANDS:
        answer = sent(host, body)
        assert answer.status_code == 422, body
        assert named in answer.json()["error"]
        assert "\n" not in answer.json()["error"]
    assert node.commands == []


def test_settings_are_in_force_once_the_node_reports_them(host, node, eventually):
    answer = host.client.put("/api/nodes/idro-a/config",
                             json={"values": {"ph.target": 6.1}, "by": "anna"})
    rev = answer.json()["rev"]
    eventually(lambda: host.view("idro-a")["config"]["reported_rev"] == rev, 10, "the report")
    view = host.view("idro-a")
    assert view["config"]["values"]["ph.target"] == 6.1
    assert view["channels"]["reservoir.ph"]["band"] == {"low": 5.9, "high": 6.3}


def test_settings_that_the_node_refuses_are_reported(host, node, eventually):
    node.refuse_config = Reason("setting_range", setting="ph.target", range="4.5..7.5 pH")
    host.client.put("/api/nodes/idro-a/config", json={"values": {"ph.target": 6.1}})
    eventually(lambda: host.view("idro-a")["config"]["error"], 10, "the refusal")
    view = host.view("idro-a")
    assert view["config"]["values"]["ph.target"] == 5.8
    assert view["config"]["error"]["code"] == "setting_range"
    assert (view["state"]["code"], view["state"]["remedy"]) == (
        "last_settings_refused", "setting_range")
    assert "ph.target" in view["state"]["text"]


WRONG_SETTINGS = (
    ({"ph.target": 15}, "ph.target"),
    ({"ph.magic": 1}, "ph.magic"),
    ({"level.target_mm": 30}, "level.target_mm"),
    ({"ph.target": "6"}, "ph.target"),
    ({}, "values"),
)


def test_wrong_settings_name_the_key_and_change_nothing(host, node):
    for values, named in WRONG_SETTINGS:
        answer = host.client.put("/api/nodes/idro-a/config", json={"values": values})
        assert answer.status_code == 422, values
        assert named in answer.json()["error"]
    assert host.view("idro-a")["config"]["rev"] == 0


def test_a_stop_reported_by_the_node_shows_until_it_is_resumed(host, node, eventually):
    node.tell("stopped", {"by": "anna"})
    eventually(lambda: host.view("idro-a")["dosing"]["state"] == "stopped", 10, "stopped")
    state = host.view("idro-a")["state"]
    assert (state["level"], state["code"], state["mender"]) == ("warn", "dosing_stopped", "grower")
    assert state["cause"]["values"] == {"by": "anna"}
    node.tell("resumed", {"by": "anna"})
    eventually(lambda: host.view("idro-a")["dosing"]["state"] == "on", 10, "resumed")


def test_a_stop_reported_late_counts_as_well(host, node, eventually):
    assert host.view("idro-a")["dosing"]["state"] == "on"
    node.tell("stopped", {"by": "anna"}, ago_ms=86_400_000)  # while it was without a network
    eventually(lambda: host.view("idro-a")["dosing"]["state"] == "stopped", 20, "stopped")


def test_who_asks_again_under_the_same_id_is_not_obeyed_twice(host, node, eventually):
    body = {"verb": "dose", "args": {"actuator": "ph_down", "volume_ul": 2_000}, "id": "0b" * 12}
    assert sent(host, body).json()["id"] == "0b" * 12
    assert ended(host, "0b" * 12, eventually)["state"] == "done"
    again = sent(host, body)
    assert (again.status_code, again.json()["state"]) == (202, "done")
    assert len(node.commands) == 1
    other = sent(host, body | {"args": {"actuator": "ph_up", "volume_ul": 2_000}})
    assert (other.status_code, other.json()["error"]) == (
        409, f"id: another command was sent as {'0b' * 12}")
    assert len(node.commands) == 1


def test_what_reaches_the_host_too_late_has_expired(host, node):
    answer = sent(host, {"verb": "resume", "until_unix_ms": time.time_ns() // 1_000_000 - 1})
    assert (answer.json()["state"], answer.json()["reason"]["code"]) == ("expired", "reached_late")
    assert node.commands == []


def test_too_many_commands_at_once_are_refused_and_a_stop_is_not(host, node):
    run = {"verb": "run", "args": {"actuator": "light", "for_ms": 60_000, "duty_pct": 50}}
    answers = [sent(host, run) for _ in range(40)]
    refused = [one for one in answers if one.status_code == 429]
    assert refused
    assert {one.status_code for one in answers} == {202, 429}
    assert refused[0].headers["Retry-After"] == "1"
    assert refused[0].json()["error"] == (
        "idro-a: too many commands at once, and nothing was sent: wait a second")
    assert sent(host, {"verb": "stop"}).status_code == 202
