"""Recipes over the API: the list, the gate's word before, and a run as the node confirms it."""

from idroserra.core.reasons import Reason
from idroserra.recipes import model

RUN = "/api/nodes/idro-a/recipe"
MINE = model.load("microgreens").toml.replace('name = "microgreens"', 'name = "mine"')


def run_of(host):
    return host.client.get(RUN).json()["run"]


def confirmed(host, eventually):
    eventually(lambda: run_of(host)["confirmation"]["state"] == "confirmed", 10, "the node's word")
    return run_of(host)


def test_the_recipes_are_listed_and_shown_with_their_sources(host):
    listed = host.client.get("/api/recipes").json()["recipes"]
    assert [one["name"] for one in listed] == model.names()
    assert listed[1]["stages"] == ["establish", "rosette", "head"]
    shown = host.client.get("/api/recipes/lettuce").json()
    assert shown["days"] == 35
    assert "IFAS" in shown["sources"][0]
    head = shown["stages"][2]
    assert (head["first_day"], head["settings"]["ec.target_us_cm"]) == (22, 1_800)
    assert {"name": "ec", "label": "EC", "text": "1.80 ± 0.10 mS/cm"} in head["setpoints"]
    unknown = host.client.get("/api/recipes/bananas")
    assert unknown.status_code == 404
    assert unknown.json()["error"].startswith("recipe: bananas: no such recipe; there are: basil")


def test_a_run_from_start_to_stop(host, node, eventually):
    assert host.client.get(RUN).json() == {
        "node": "idro-a", "run": None, "timeline": [], "skip": None}
    answer = host.client.post(RUN, json={"recipe": "lettuce", "by": "anna"})
    assert answer.status_code == 201
    assert answer.json()["run"]["by"] == "anna"
    run = confirmed(host, eventually)
    assert run["at"] == {
        "day": 1, "days": 35, "stage": 1, "stages": 3, "stage_name": "establish",
        "stage_text": model.load("lettuce").stages[0].text, "stage_day": 1, "stage_days": 7}
    assert node.values["ec.target_us_cm"] == 1_200
    assert all(line["is_confirmed"] for line in run["setpoints"])
    assert (run["next"]["day"], run["next"]["stage_name"]) == (8, "rosette")
    assert [line["label"] for line in run["next"]["setpoints"]] == ["EC", "Light"]
    assert host.view("idro-a")["recipe"]["text"] == (
        "lettuce, day 1 of 35, stage 1 of 3: establish")
    host.client.put("/api/nodes/idro-a/config", json={"values": {"ph.target": 6.1}})
    eventually(lambda: node.values["ph.target"] == 6.1, 10, "what is set by hand")
    eventually(lambda: run_of(host)["setpoints"][0]["is_by_hand"], 10, "the node's word")
    assert run_of(host)["setpoints"][0] | {"name": "ph"} == {
        "name": "ph", "label": "pH", "text": "5.80 ± 0.20", "in_force": "6.10 ± 0.20",
        "keys": ["ph.target", "ph.deadband"], "is_confirmed": False, "is_by_hand": True}
    assert host.client.get(RUN).json()["skip"] == {"stage": "rosette", "changes": [
        {"name": "ph", "label": "pH", "before": "6.10 ± 0.20", "after": "5.80 ± 0.20"},
        {"name": "ec", "label": "EC", "before": "1.20 ± 0.10 mS/cm",
         "after": "1.30 ± 0.10 mS/cm"},
        {"name": "light", "label": "Light", "before": "16 h from 06:00 at 60 %",
         "after": "16 h from 06:00 at 67 %"}]}
    skipped = host.client.post(f"{RUN}/skip", json={"by": "anna", "from_stage": 1})
    assert (skipped.status_code, skipped.json()["run"]["at"]["stage"]) == (200, 2)
    again = host.client.post(f"{RUN}/skip", json={"by": "bert", "from_stage": 1})
    assert again.status_code == 409
    assert "idro-a: lettuce is in stage 2 by now" in again.text
    confirmed(host, eventually)
    assert (node.values["ec.target_us_cm"], node.values["ph.target"]) == (1_300, 5.8)
    stopped = host.client.post(f"{RUN}/stop", json={"by": "bert"}).json()["run"]
    assert (stopped["state"], stopped["at"]) == ("stopped", None)
    assert stopped["text"] == "lettuce was stopped by bert. Its last setpoints remain active"
    assert node.values["ec.target_us_cm"] == 1_300


def test_a_refusal_of_the_node_is_reported_and_resumed(host, node, eventually):
    node.refuse_config = Reason("settings_not_written", detail="EIO")
    host.client.post(RUN, json={"recipe": "lettuce"})
    eventually(lambda: run_of(host)["state"] == "held", 10, "the refusal")
    run = run_of(host)
    assert (run["reason"]["code"], run["reason"]["values"]) == (
        "setpoints_refused", {"why": node.refuse_config.as_json()})
    assert (run["level"], run["confirmation"]["state"]) == ("warn", "refused")
    assert run["setpoints"][1]["in_force"] == "1.60 ± 0.08 mS/cm"
    state = host.view("idro-a")["state"]
    assert "recipe_paused" in [one["code"] for one in (state, *state["others"])]
    node.refuse_config = None
    assert host.client.post(f"{RUN}/resume", json={}).json()["run"]["state"] == "running"
    confirmed(host, eventually)


def test_ones_own_is_started_by_its_text(host, node, eventually):
    answer = host.client.post(RUN, json={"toml": MINE})
    assert answer.status_code == 201
    assert confirmed(host, eventually)["recipe"] == "mine"
    assert node.values["light.on_minutes"] == 0


def test_the_gates_word_before_it_starts(host, node, eventually):
    def notes_now():
        return host.client.get(f"{RUN}/notes", params={"recipe": "tomato"}).json()

    assert notes_now()["is_refused"] is False
    node.values = node.values | {"dosing.enabled": False, "doser.ul_per_s": 20}
    node.report(1)
    eventually(lambda: notes_now()["is_refused"], 10, "the node's settings")
    notes = notes_now()
    assert notes["notes"][0]["reason"]["code"] == "ph_and_ec_stay"
    assert notes["notes"][1]["level"] == "refused"
    answer = host.client.post(RUN, json={"recipe": "tomato"})
    assert answer.status_code == 409
    assert answer.json()["code"] == "recipe_impossible"
    assert answer.json()["error"].startswith("idro-a cannot run tomato: flower: EC has to rise by")


WRONG = (
    ({}, 422, "either recipe or toml is needed"),
    ({"recipe": "lettuce", "toml": MINE}, 422, "either recipe or toml is needed"),
    ({"recipe": "bananas"}, 404, "recipe: bananas: no such recipe"),
    ({"recipe": 5}, 422, "recipe: "),
    ({"recipe": "lettuce", "by": ""}, 422, "by: "),
    ({"recipe": "lettuce", "stage": 2}, 422, "stage: "),
    ({"toml": "days = 3"}, 422, "toml: "),
    ({"toml": MINE.replace("days = 3", "days = 0")}, 422, "toml: stage[0].days: 1 to 400"),
    ({"toml": MINE.replace("ph.target = 5.9", "ph.target = 9")}, 422,
     "toml: stage[0].settings.ph.target: "),
)


def test_a_wrong_request_names_the_field_and_starts_nothing(host, node):
    for body, status, words in WRONG:
        answer = host.client.post(RUN, json=body)
        assert answer.status_code == status, body
        assert answer.json()["error"].startswith(words) or words in answer.json()["error"]
        assert "\n" not in answer.json()["error"]
    for verb in ("skip", "resume", "stop"):
        answer = host.client.post(f"{RUN}/{verb}", json={})
        assert (answer.status_code, answer.json()["error"]) == (409, "idro-a runs no recipe")
        assert host.client.post(f"/api/nodes/absent/recipe/{verb}", json={}).status_code == 404
    assert host.client.get("/api/nodes/absent/recipe").status_code == 404
    answer = host.client.post("/api/nodes/absent/recipe", json={"recipe": "basil"})
    assert answer.status_code == 404
    assert run_of(host) is None


def test_a_node_without_key_runs_no_recipe(host):
    host.node("idro-a", adopt=False)
    answer = host.client.post(RUN, json={"recipe": "lettuce"})
    assert (answer.status_code, answer.json()["error"]) == (409, "idro-a: not adopted")


def test_a_new_board_of_a_forgotten_name_gets_no_old_recipe(host, node, eventually):
    node.refuse_config = Reason("settings_not_written", detail="EIO")
    assert host.client.post(RUN, json={"recipe": "lettuce"}).status_code == 201
    node.close()
    gone = host.client.request("DELETE", "/api/nodes/idro-a", json={})
    assert gone.status_code == 200, gone.text
    new = host.node("idro-a")
    host.service.recipes.update()
    assert host.client.get(RUN).json()["run"] is None
    assert new.values["ec.target_us_cm"] == 1_600
    assert host.view("idro-a")["config"]["rev"] == 0
