"""The stop of a site and of all nodes, over a real broker."""

import threading

import pytest

from idro.protocol.reason import Reason
from idroserra.auth.roles import Role


@pytest.fixture
def nodes(host):
    """Return {name: node}: two at Nord, one of which is silent, and one at Sud."""
    found = {name: host.node(name) for name in ("nord-1", "nord-2", "sud-1")}
    for name in found:
        host.service.nodes.move(name, name.partition("-")[0].title())
    found["nord-2"].answer = None
    return found


def verbs(node):
    return [command.verb for command in node.commands]


def states(host, answer):
    return {one["node"]: host.client.get(f"/api/commands/{one['id']}").json()["state"]
            for one in answer.json()["commands"]}


def test_a_site_is_stopped_at_every_node_and_one_without_answer_keeps_none_waiting(
        host, nodes, eventually):
    answer = host.client.post("/api/sites/Nord/stop", json={"by": "anna"})
    assert answer.status_code == 202
    eventually(lambda: states(host, answer) == {"nord-1": "done", "nord-2": "pending"},
               10, "the answer of one")
    assert [(one.verb, one.by) for one in nodes["nord-1"].commands] == [("stop", "anna")]
    assert nodes["sud-1"].commands == []
    nodes["nord-2"].answer = "done"  # it hears the next repetition
    eventually(lambda: states(host, answer)["nord-2"] == "done", 10, "the silent one")
    [note] = host.client.get("/api/journal", params={"site": "Nord"}).json()["notes"]
    assert (note["site"], note["by"], note["text"]) == (
        "Nord", "anna", "All dosing stopped at 2 nodes.")
    wanted = {("stop site", "Nord"), ("command", "nord-1"), ("command", "nord-2"),
              ("command ended", "nord-2")}
    eventually(lambda: wanted <= {(row.action, row.target) for row in
                                  host.service.access.audit.newest(10)}, 10, "the audit rows")


def test_a_node_that_is_offline_or_not_adopted_says_so_and_the_others_stop(
        host, nodes, eventually):
    host.node("stray", adopt=False)
    nodes["sud-1"].leave()
    eventually(lambda: not host.view("sud-1")["online"], 10, "the will of the node")
    answer = host.client.post("/api/stop", json={})
    found = {one["node"]: one for one in answer.json()["commands"]}
    assert list(found) == ["nord-1", "nord-2", "stray", "sud-1"]
    assert (found["sud-1"]["state"], found["sud-1"]["reason"]["code"]) == (
        "pending", "node_offline")
    assert (found["stray"]["state"], found["stray"]["reason"]["code"]) == (
        "refused", "not_adopted")
    eventually(lambda: verbs(nodes["nord-1"]) == ["stop"], 10, "the stop")


def test_a_script_that_stops_again_and_again_fills_no_journal(host, nodes):
    for _ in range(5):
        assert host.client.post("/api/sites/Nord/stop", json={"by": "script"}).status_code == 202
    host.client.post("/api/sites/Nord/stop", json={"by": "anna"})
    notes = host.client.get("/api/journal", params={"site": "Nord"}).json()["notes"]
    assert sorted(one["by"] for one in notes) == ["anna", "script"]


def resumed(host, name, ends):
    answer = host.client.post(f"/api/nodes/{name}/commands", json={"verb": "resume", "ends": ends})
    found = answer.json()
    return found["state"], found["reason"] and found["reason"]["code"]


def hold(host, name):
    return host.view(name)["dosing"]["hold"]


def stopped(host, nodes, name, eventually, shown="stopped"):
    """Stop a node, let it report that, and return what holds its dosing."""
    before = hold(host, name)
    answer = host.client.post(f"/api/nodes/{name}/commands", json={"verb": "stop"})
    nodes[name].tell("stopped", {"by": "anna"})
    eventually(lambda: host.view(name)["dosing"]["state"] == shown
               and hold(host, name) != before, 10, "it is stopped")
    eventually(lambda: host.client.get(
        f"/api/commands/{answer.json()['id']}").json()["state"] == "done", 10, "the answer")
    return hold(host, name)


@pytest.mark.parametrize("path", ["/api/stop", "/api/nodes/sud-1/commands"])
def test_a_resume_of_before_a_stop_does_not_end_it(host, nodes, eventually, path):
    """A page works off the nodes of a site: a stop meanwhile is not undone by the rest."""
    ends = stopped(host, nodes, "sud-1", eventually)
    host.client.post(path, json={"verb": "stop"} if path.endswith("commands") else {})
    assert hold(host, "sud-1") != ends
    assert resumed(host, "sud-1", ends) == ("refused", "dosing_changed")
    eventually(lambda: verbs(nodes["sud-1"]) == ["stop", "stop"], 10, "the second stop")
    assert resumed(host, "sud-1", hold(host, "sud-1"))[0] in ("pending", "done")
    eventually(lambda: verbs(nodes["sud-1"]) == ["stop", "stop", "resume"], 10, "the resume")


def test_a_refused_resume_withdraws_no_stop(host, nodes, eventually):
    ends = hold(host, "nord-2")
    answer = host.client.post("/api/sites/Nord/stop", json={})
    assert resumed(host, "nord-2", ends) == ("refused", "dosing_changed")
    assert states(host, answer)["nord-2"] == "pending"


def test_a_resume_ends_no_lock_that_came_meanwhile(host, nodes, eventually):
    ends = stopped(host, nodes, "sud-1", eventually)
    nodes["sud-1"].tell("latched", {"reason": Reason("no_effect")})
    eventually(lambda: host.view("sud-1")["dosing"]["state"] == "latched", 10, "the lock")
    assert resumed(host, "sud-1", ends) == ("refused", "dosing_changed")
    assert resumed(host, "sud-1", None)[0] in ("pending", "done")  # asked without a name


def test_a_fault_that_locked_dosing_is_shown_beside_a_stop(host, nodes, eventually):
    nodes["sud-1"].tell("latched", {"reason": Reason("latch_wrong_way").as_json()})
    eventually(lambda: host.view("sud-1")["dosing"]["state"] == "latched", 10, "the lock")
    stopped(host, nodes, "sud-1", eventually, "latched")
    assert host.view("sud-1")["state"]["code"] == "dosing_locked"
    nodes["sud-1"].tell("resumed", {"by": "ann"})
    eventually(lambda: host.view("sud-1")["dosing"]["state"] != "latched", 10, "the release")


def test_only_a_resume_names_what_it_ends(host, nodes):
    for verb in ("stop", "run"):
        answer = host.client.post("/api/nodes/sud-1/commands", json={"verb": verb, "ends": "1"})
        assert answer.status_code == 422
    assert verbs(nodes["sud-1"]) == []


def test_no_disk_delays_the_stop_of_any_node(host, nodes, eventually):
    """The database of the commands is locked: every node gets its stop all the same."""
    sender = threading.Thread(
        target=host.client.post, args=("/api/sites/Nord/stop",), kwargs={"json": {}})
    with host.service.commands._lock:
        sender.start()
        for name in ("nord-1", "nord-2"):
            eventually(lambda name=name: "stop" in verbs(nodes[name]), 10, f"the stop of {name}")
    sender.join(60)


def test_only_an_operator_stops_a_site_and_only_one_that_exists(host, nodes):
    viewer = host.client_with(host.service.access.tokens.make("eye", Role.VIEWER, "tests"))
    assert viewer.post("/api/sites/Nord/stop", json={}).status_code == 403
    assert viewer.post("/api/stop", json={}).status_code == 403
    assert host.client.post("/api/sites/Nowhere/stop", json={}).status_code == 404
    assert all(verbs(node) == [] for node in nodes.values())


def test_nodes_and_sites_are_in_natural_order(host):
    for name in ("basil-10", "basil-2", "basil-1"):
        host.service.nodes.adopt(name, b"k" * 32)
        host.service.nodes.move(name, f"Shed {name[-2:].strip('-')}")
    assert [one["node"] for one in host.client.get("/api/nodes").json()["nodes"]] == [
        "basil-1", "basil-2", "basil-10"]
    assert [one["site"] for one in host.client.get("/api/sites").json()["sites"]] == [
        "Shed 1", "Shed 2", "Shed 10"]


def test_a_dose_of_control_after_a_latch_shows_that_it_is_over_and_its_alarm_ends(
        host, eventually):
    """A latch of another ledger: the gate of this one would have refused the dose."""
    node = host.node("sud-1")
    node.read()
    node.tell("latched", {"reason": Reason("latch_no_effect")})

    def is_latched():
        alarms = host.client.get("/api/alarms").json()["alarms"]
        is_raised = any(one["node"] == "sud-1" and one["rule"] == "dosing_latched"
                        and one["is_active"] for one in alarms)
        return host.view("sud-1")["dosing"]["state"] == "latched", is_raised

    dose = {"actuator": "ph_down", "volume_ul": 1_500, "on_ms": 1_500, "by": "control",
            "reason": Reason("ph_high_dose")}
    eventually(lambda: is_latched() == (True, True), 15, "the latch and its alarm")
    node.tell("dosed", {**dose, "cut": Reason("latch_no_effect")})
    last = node.read()
    eventually(lambda: node.stored_upto.get("7f3a11aa") == last, 15, "the dose cut by it")
    assert is_latched() == (True, True)
    node.boot_id = "7f3a11ab"  # another board
    node.announce()
    node.tell("dosed", dose)
    eventually(lambda: is_latched() == (False, False), 15, "their end")
    node.tell("stopped", {"by": "anna"})
    eventually(lambda: host.view("sud-1")["dosing"]["state"] == "stopped", 15, "the stop")
