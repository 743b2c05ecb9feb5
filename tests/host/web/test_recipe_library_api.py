"""Recipes of one's own over the API: cloned, edited, started, compared, deleted."""

import pytest

from idroserra.auth.roles import Role
from idroserra.recipes import model

RECIPES = "/api/recipes"
RUN = "/api/nodes/idro-a/recipe"
CHANGED = "mine has changed since it was shown: reload the page and check it"


def form_of(recipe):
    """Return a recipe of the API as the form sends it."""
    return {
        "name": recipe["name"], "text": recipe["text"], "crop": recipe["crop"],
        "ppfd_umol_m2_s": recipe["ppfd_umol_m2_s"], "sources": recipe["sources"],
        "stages": [{**{key: stage[key] for key in ("name", "days", "ramp_days", "text", "source")},
                    "settings": stage["own_settings"]} for stage in recipe["stages"]]}


@pytest.fixture
def clone(host):
    """Return a copy of lettuce, as the API shows it."""
    answer = host.client.post(f"{RECIPES}/lettuce/clone", json={"name": "mine", "by": "anna"})
    assert answer.status_code == 201
    return answer.json()


def test_a_clone_has_what_its_original_has(host, clone):
    original = host.client.get(f"{RECIPES}/lettuce").json()
    assert (clone["is_own"], clone["by"], original["is_own"]) == (True, "anna", False)
    assert [one["settings"] for one in clone["stages"]] == [
        one["settings"] for one in original["stages"]]
    assert clone["timeline"] == original["timeline"]
    assert [bar["text"] for bar in clone["timeline"][0]["bars"]] == [
        "5.80", "1.20 mS/cm", "10.4 mol/m²"]
    assert [bar["ratio"] for bar in clone["timeline"][2]["bars"]] == [0.433, 1.0, 1.0]
    listed = host.client.get(RECIPES).json()["recipes"]
    assert [one["name"] for one in listed] == [*model.names(), "mine"]
    again = host.client.post(f"{RECIPES}/lettuce/clone", json={"name": "mine"})
    assert (again.status_code, again.json()["error"]) == (
        409, "there is a recipe mine already: choose another name")


def test_an_edited_recipe_starts_and_a_running_crop_keeps_its_own(host, node, clone, eventually):
    form = form_of(clone)
    form["stages"][0]["settings"]["ec.target_us_cm"] = 1_350
    changed = host.client.put(f"{RECIPES}/mine", json={"recipe": form, "by": "bert"})
    assert (changed.status_code, changed.json()["by"]) == (200, "bert")
    assert changed.json()["digest"] != clone["digest"]
    before = host.client.get(f"{RUN}/start", params={"recipe": "mine"}).json()
    assert [(one["label"], one["before"], one["after"]) for one in before["changes"]] == [
        ("EC", "1.60 ± 0.08 mS/cm", "1.35 ± 0.10 mS/cm"),
        ("Light", "16 h from 06:00 at 80 %", "16 h from 06:00 at 60 %")]
    assert [one["name"] for one in before["same"]] == ["ph"]
    assert host.client.post(RUN, json={"recipe": "mine"}).status_code == 201
    eventually(lambda: node.values["ec.target_us_cm"] == 1_350, 10, "the first setpoints")
    form["stages"][0]["settings"]["ec.target_us_cm"] = 1_400
    assert host.client.put(f"{RECIPES}/mine", json={"recipe": form}).status_code == 200
    run = host.client.get(RUN).json()["run"]
    assert run["setpoints"][1]["text"] == "1.35 ± 0.10 mS/cm"
    refused = host.client.request("DELETE", f"{RECIPES}/mine", json={})
    assert (refused.status_code, refused.json()["error"]) == (
        409, "mine runs on idro-a: stop it there first")
    host.client.post(f"{RUN}/stop", json={})
    assert host.client.request("DELETE", f"{RECIPES}/mine", json={}).json() == {"name": "mine"}
    assert host.client.get(f"{RECIPES}/mine").status_code == 404
    assert "delete recipe" in [one.action for one in host.service.access.audit.newest(5)]


def test_a_recipe_that_changed_since_it_was_shown_is_not_started(host, node, clone, eventually):
    shown = host.client.get(f"{RUN}/start", params={"recipe": "mine"}).json()
    form = form_of(clone)
    form["stages"][0]["settings"]["ec.target_us_cm"] = 1_350
    assert host.client.put(f"{RECIPES}/mine", json={"recipe": form}).status_code == 200
    for body in ({"recipe": "mine", "digest": shown["digest"]},
                 {"toml": clone["toml"], "digest": "0" * 16}):
        refused = host.client.post(RUN, json=body)
        assert (refused.status_code, refused.json()["error"]) == (409, CHANGED)
    assert host.client.get(RUN).json()["run"] is None
    now = host.client.get(f"{RUN}/start", params={"recipe": "mine"}).json()
    started = host.client.post(RUN, json={"recipe": "mine", "digest": now["digest"]})
    assert started.status_code == 201
    eventually(lambda: node.values["ec.target_us_cm"] == 1_350, 10, "the first setpoints")


def test_two_people_do_not_overwrite_each_others_changes(host, clone):
    anna, bert = form_of(clone) | {"text": "anna's"}, form_of(clone) | {"text": "bert's"}
    first = host.client.put(f"{RECIPES}/mine", json={"recipe": anna, "digest": clone["digest"]})
    assert first.status_code == 200
    for form in (bert, bert | {"name": "two"}):
        refused = host.client.put(
            f"{RECIPES}/mine", json={"recipe": form, "digest": clone["digest"]})
        assert (refused.status_code, refused.json()["error"]) == (409, CHANGED)
    assert host.client.get(f"{RECIPES}/mine").json()["text"] == "anna's"
    again = host.client.put(
        f"{RECIPES}/mine", json={"recipe": bert, "digest": first.json()["digest"]})
    assert (again.status_code, again.json()["text"]) == (200, "bert's")


# A change of the second stage, the field of the error, and its words.
WRONG = (
    ({"days": 0}, "stage[1].days", "Stage 2, Days: 1 to 400 is needed"),
    ({"name": " "}, "stage[1].name", "Stage 2, Name: must not be empty"),
    ({"settings": {"ec.target_us_cm": 9_000}}, "stage[1].settings.ec.target_us_cm",
     "Stage 2, EC target: enter 0 to 5 mS/cm"),
    ({"settings": {"irrigation.on_s": 60}}, "stage[1].settings.irrigation.on_s",
     "Stage 2, Watering time: is not in the first stage, which sets all that later ones change"),
    ({"settings": {"dosing.enabled": True}}, "stage[1].settings.dosing.enabled",
     "Stage 2: a recipe cannot set this"),
    ({"settings": {"ph.target": "5\x7f\n"}}, "stage[1].settings.ph.target",
     "Stage 2, pH target: enter 4.5 to 7.5"),
)


def test_an_error_names_stage_and_field(host, clone):
    for change, field, words in WRONG:
        form = form_of(clone)
        form["stages"][1] |= change
        answer = host.client.put(f"{RECIPES}/mine", json={"recipe": form})
        assert (answer.status_code, answer.json()["field"]) == (422, field)
        assert answer.json()["words"].startswith(words)
    assert host.client.get(f"{RECIPES}/mine").json()["digest"] == clone["digest"]


def test_shipped_recipes_do_not_change(host, clone):
    form = form_of(clone) | {"name": "basil"}
    for answer in (host.client.request("DELETE", f"{RECIPES}/basil", json={}),
                   host.client.put(f"{RECIPES}/basil", json={"recipe": form}),
                   host.client.put(f"{RECIPES}/mine", json={"recipe": form}),
                   host.client.post(RECIPES, json={"recipe": form})):
        assert answer.status_code == 409
        assert answer.json()["error"].startswith("basil is a shipped recipe")


def test_a_recipe_that_hides_a_shipped_one_is_marked(host):
    library = host.service.recipe_library
    toml = model.load("basil").toml.replace('crop = "basil"', 'crop = "thai basil"')
    with library._database.transaction() as database:
        database.execute("INSERT INTO own_recipes VALUES ('basil', ?, 'anna', 1)", (toml,))
    shown = host.client.get(f"{RECIPES}/basil").json()
    assert (shown["crop"], shown["is_own"], shown["hides_shipped"]) == ("thai basil", True, True)
    for path in ("/recipes", "/recipes/basil"):
        page = host.client.get(path).text
        assert page.count("The host ships a recipe of this name too") == 1
    assert host.client.request("DELETE", f"{RECIPES}/basil", json={}).status_code == 200
    shown = host.client.get(f"{RECIPES}/basil").json()
    assert (shown["crop"], shown["is_own"], shown["hides_shipped"]) == ("basil", False, False)


def test_a_file_goes_out_and_comes_in_and_recipes_are_compared(host, clone):
    file = host.client.get(f"{RECIPES}/mine/file")
    assert 'filename="mine.toml"' in file.headers["content-disposition"]
    toml = file.text.replace('name = "mine"', 'name = "other"').replace("days = 14", "days = 10")
    added = host.client.post(RECIPES, json={"toml": toml})
    assert (added.status_code, added.json()["days"]) == (201, 27)
    stages = host.client.get(f"{RECIPES}/mine/diff", params={"other": "other"}).json()["stages"]
    assert [[(one["label"], one["before"], one["after"]) for one in stage["changes"]]
            for stage in stages] == [
        [], [("Duration", "14 days", "10 days")], [("Duration", "14 days", "10 days")]]
    more = host.client.get(f"{RECIPES}/microgreens/diff", params={"other": "mine"}).json()
    assert more["stages"][2]["before"] is None
    assert {"name": "ec", "label": "EC", "before": None, "after": "1.80 ± 0.10 mS/cm"} in (
        more["stages"][2]["changes"])


def test_only_an_operator_changes_recipes(host, clone):
    cookie, session = host.session_of(Role.VIEWER)
    viewer = host.client_with()
    viewer.cookies.set(cookie, session)
    viewer.headers["Origin"] = host.url
    assert viewer.get(f"{RECIPES}/mine").status_code == 200
    assert viewer.request("DELETE", f"{RECIPES}/mine", json={}).status_code == 403
    assert viewer.post(f"{RECIPES}/mine/clone", json={"name": "two"}).status_code == 403
