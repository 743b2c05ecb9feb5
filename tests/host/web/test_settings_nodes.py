"""Nodes in the settings of the host: waiting, adopted, named, forgotten; keys are never shown."""

import json

FIRST_KEY, NEW_KEY = b"f" * 32, b"n" * 32


def listed(host):
    return host.client.get("/api/settings/nodes").json()


def states(host):
    return [(one["node"], one["state"]) for one in listed(host)["nodes"]]


def test_a_node_waits_is_adopted_named_and_forgotten_and_its_key_never_comes_back(host):
    host.node("idro-b", adopt=False)
    host.node("idro-a")
    assert states(host) == [("idro-b", "waiting"), ("idro-a", "online")]
    path = "/api/nodes/idro-b"
    assert host.client.put(f"{path}/key", json={"key": FIRST_KEY.hex()}).status_code == 200
    assert host.client.put(f"{path}/title", json={"title": " Basil "}).json()["title"] == "Basil"
    assert host.client.get(path).json()["title"] == "Basil"
    assert host.client.get("/api/nodes/idro-a").json()["title"] == "idro-a"
    assert states(host) == [("idro-a", "online"), ("idro-b", "online")]

    host.client.put(f"{path}/key", json={"key": NEW_KEY.hex()})
    [_, found] = listed(host)["nodes"]
    assert (len(found["key"]), len(found["newer_key"])) == (8, 8)
    assert listed(host)["retired"] == []
    host.client.request("DELETE", path, json={})
    assert sorted(one["key"] for one in listed(host)["retired"]) == sorted(
        [found["key"], found["newer_key"]])
    assert {one["node"] for one in listed(host)["retired"]} == {"idro-b"}
    assert "Basil" not in json.dumps(listed(host))
    rows = host.client.get("/api/audit").json()["rows"]
    assert ("name node", "idro-b") in [(row["action"], row["target"]) for row in rows]
    shown = json.dumps([listed(host), rows])
    assert FIRST_KEY.hex() not in shown
    assert NEW_KEY.hex() not in shown


def test_a_name_is_one_line_of_a_known_node(host):
    assert host.client.put("/api/nodes/idro-x/title", json={"title": "x"}).status_code == 404
    host.node("idro-a")
    for title in ("two\nlines", "x" * 61):
        answer = host.client.put("/api/nodes/idro-a/title", json={"title": title})
        assert (answer.status_code, answer.json()["error"][:5]) == (422, "title")


def test_every_choice_of_a_node_shows_its_name(host):
    host.node("idro-a")
    host.client.put("/api/nodes/idro-a/title", json={"title": "Basil"})
    for path in ("/tasks", "/journal", "/compare", "/recipes", "/settings/alarms"):
        page = host.client.get(path).text
        assert ">Basil</option>" in page, path
        assert ">idro-a</option>" not in page, path
