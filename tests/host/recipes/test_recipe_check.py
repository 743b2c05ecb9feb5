"""`recipe check`: what the gate refuses, what comes true in the twin, and what does not."""

import json

import pytest
from typer.testing import CliRunner

from idroserra.cli.main import app
from idroserra.recipes import model
from idroserra.recipes.model import DAY_MS
from idroserra.simulation import recipe_scenario

MINE = """
[recipe]
name = "mine"
text = "One of mine."
crop = "lettuce"
ppfd_umol_m2_s = 250
source = ["my own beds"]
[[stage]]
name = "young"
days = 4
text = ""
source = "my own beds"
[stage.settings]
ph.target = 5.8
ec.target_us_cm = 1_200
light.on_minute = 360
light.on_minutes = 240
light.ramp_minutes = 15
light.duty_pct = 80
"""
OLD = """
[[stage]]
name = "old"
days = 6
text = ""
source = "my own beds"
settings = { ec.target_us_cm = 3_000 }
"""


def run(*words):
    return CliRunner(env={"COLUMNS": "160"}).invoke(app, ["recipe", "check", *map(str, words)])


@pytest.fixture
def mine(tmp_path):
    """mine(text) returns the path of a recipe of one's own."""
    def write(text):
        file = tmp_path / "mine.toml"
        file.write_text(text)
        return file

    return write


def test_a_shipped_recipe_comes_true_in_the_twin(tmp_path):
    done = run("basil", "--stage", "establish", "--plot", tmp_path / "run.png")
    assert done.exit_code == 0, done.output
    assert "BROKEN" not in done.stdout
    for words in ("establish: EC is 1.00 mS/cm", "establish: pH is 5.90",
                  "establish: the day's light is 10.4 mol/m2", "dosing never locks"):
        assert words in done.stdout
    assert (tmp_path / "run.png").read_bytes().startswith(b"\x89PNG")


def test_what_does_not_come_true_is_a_broken_promise(mine):
    done = run(mine(MINE), "--json", "--board", "esp32-nft")  # without a lamp
    assert done.exit_code == 3
    output = json.loads(done.stdout)
    assert (output["recipe"], output["kept"], output["notes"]) == ("mine", False, [])
    broken = [one["text"] for one in output["run"]["promises"] if not one["kept"]]
    assert broken == ["young: the day's light is 2.7 mol/m2"]


def test_what_the_gate_cannot_follow_is_refused_before_anything_runs(mine):
    done = run(mine(MINE + OLD))
    assert done.exit_code == 1
    assert "refused  old: EC has to rise by 1.80 mS/cm: " in done.stdout
    output = json.loads(run(mine(MINE + OLD), "--json").stdout)
    assert (output["kept"], output["run"], output["notes"][0]["level"]) == (False, None, "refused")
    level = run(mine(MINE.replace("ph.target = 5.8", "level.target_mm = 300")))
    assert level.exit_code == 1
    assert "young: level.target_mm: it must be between the low and the full level" in (
        " ".join(level.stdout.split()))


@pytest.mark.parametrize(("words", "why"), [
    (["bananas"], "no such recipe; there are: basil"),
    (["lettuce", "--stage", "4"], "'4': not one of establish, rosette, head"),
    (["lettuce", "--board", "none"], "no such board"),
    (["nowhere/mine.toml"], "cannot be read"),
])
def test_a_wrong_call_names_the_reason(words, why):
    assert why in str(run(*words).exception)


def test_a_file_of_ones_own_is_refused_by_its_key(mine):
    done = run(mine(MINE.replace("days = 4", "days = 0")))
    assert str(done.exception) == "mine.toml: stage[0].days: 1 to 400 is needed"
    done = run(mine(MINE.replace("1_200", "5")))
    assert "the twin cannot be filled for its day 1" in str(done.exception)


@pytest.mark.parametrize("name", model.names())
def test_the_twin_of_every_shipped_recipe_lives_through_each_of_its_changes(name):
    found = model.load(name)
    twin = recipe_scenario.build(found, "esp32-reservoir")
    merged = dict(found.settings_at(0))
    for event in twin.scenario.timeline:
        assert event["at_ms"] % DAY_MS == 0
        merged |= event["settings"]
    assert merged == found.settings_at(found.days - 1)
    wanted = {value for _, new in found.changes() for value in new.items()}
    sent = {value for event in twin.scenario.timeline for value in event["settings"].items()}
    assert wanted - set(found.settings_at(0).items()) <= sent
    stages = {promise.text.partition(":")[0] for promise in twin.scenario.expectations}
    assert {stage.name for stage in found.stages} <= stages


def test_ec_that_has_to_fall_waits_for_water(mine):
    found = model.load_file(mine(MINE + OLD.replace("3_000", "900")))
    twin = recipe_scenario.build(found, "esp32-reservoir", 1)
    [note] = twin.notes
    assert note.reason.code == "ec_fall"
    [ec] = [p for p in twin.scenario.expectations if p.signal == "true:reservoir.ec_us_cm"]
    assert ec.text == "old: EC is not below 0.90 mS/cm (water lowers it)"
    assert ec.high > 1_200


def test_light_past_midnight_has_a_second_day(mine):
    found = model.load_file(mine(MINE.replace("on_minute = 360", "on_minute = 1_320")))
    assert recipe_scenario.build(found, "esp32-reservoir").scenario.duration_ms == 2 * DAY_MS
