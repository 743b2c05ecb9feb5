"""GET /api/tasks: what is due, from calibration, bottles, journal, recipe and releases."""

from datetime import UTC, datetime

DAY_MS = 86_400_000


def found(host, **query):
    answer = host.client.get("/api/tasks", params=query)
    assert answer.status_code == 200
    return {one["kind"]: one for one in answer.json()["tasks"]}


def test_tasks_of_a_node_have_a_date_words_and_a_place(host, node):
    now = round(datetime.now(UTC).timestamp() * 1_000)
    assert set(found(host)) == {"calibration"}
    for days in (30, 20):
        note = {"node": "idro-a", "kind": "water_change", "unix_ms": now - days * DAY_MS}
        assert host.client.post("/api/journal", json=note).status_code == 201
    host.client.put("/api/nodes/idro-a/bottles/ph_down", json={"volume_ml": 1})
    assert host.client.post("/api/nodes/idro-a/recipe", json={"recipe": "lettuce"}
                            ).status_code < 300
    tasks = found(host, node="idro-a")
    assert set(tasks) == {"calibration", "water_change", "stage", "harvest"}
    change = tasks["water_change"]
    assert (change["due_unix_ms"], change["is_overdue"]) == (now - 10 * DAY_MS, True)
    assert change["why"] == "10 days after the last one, the interval of the journal"
    assert change["href"] == "/journal?node=idro-a"
    assert tasks["calibration"]["due_unix_ms"] is None
    assert now < tasks["stage"]["due_unix_ms"] < tasks["harvest"]["due_unix_ms"]
    assert tasks["harvest"]["text"] == "Harvest"
    assert set(found(host, site=host.view("idro-a")["site"])) == set(tasks)


def test_a_task_names_its_node_as_people_do(host, node):
    assert found(host)["calibration"]["title"] == "idro-a"
    host.client.put("/api/nodes/idro-a/title", json={"title": "Basil"})
    task = found(host)["calibration"]
    assert (task["node"], task["title"]) == ("idro-a", "Basil")


def test_tasks_of_an_unknown_node_or_site_are_an_error(host, node):
    assert host.client.get("/api/tasks", params={"node": "unknown"}).status_code == 404
    assert host.client.get("/api/tasks", params={"site": "Nowhere"}).status_code == 404
