"""`idroserra recipe` against a running host: what it prints, and its exit codes."""

import json

import pytest

from idroserra.core.reasons import Reason
from idroserra.recipes import model
from support.command_line import idroserra


@pytest.fixture
def ask(host):
    """ask("status", "idro-a"): run a command of recipes against the host."""
    return lambda *words: idroserra("recipe", *words, url=host.url)


def test_list_and_show_need_no_host(tmp_path):
    listed = idroserra("recipe", "list")
    assert listed.returncode == 0
    assert all(name in listed.stdout for name in model.names())
    assert [one["name"] for one in json.loads(idroserra("recipe", "list", "--json").stdout)] == (
        model.names())
    shown = idroserra("recipe", "show", "lettuce")
    assert "EC 1.80 ± 0.10" in shown.stdout
    assert "EDIS AE610" in shown.stdout
    wrong = idroserra("recipe", "show", str(tmp_path / "mine.toml"))
    assert (wrong.returncode, "cannot be read" in wrong.stderr) == (2, True)


def test_a_run_from_start_to_stop(node, ask):
    assert "has not run a recipe" in ask("status", "idro-a").stdout
    started = ask("start", "idro-a", "lettuce")
    assert (started.returncode, started.stderr) == (0, "")
    assert "✓ idro-a: lettuce, day 1 of 35, stage 1 of 3: establish" in started.stdout
    assert "same" in started.stdout
    assert node.values["ec.target_us_cm"] == 1_200
    again = ask("start", "idro-a", "basil")
    assert (again.returncode, again.stderr) == (
        1, "idroserra: idro-a runs lettuce already: stop it first\n")
    assert "stage 2 of 3: rosette" in ask("skip", "idro-a").stdout
    assert node.values["ec.target_us_cm"] == 1_300
    status = json.loads(ask("status", "idro-a", "--json").stdout)
    assert (status["at"]["day"], status["confirmation"]["state"]) == (8, "confirmed")
    assert "EC 1.40 ± 0.10" in ask("status", "idro-a").stdout
    stopped = ask("stop", "idro-a")
    assert stopped.returncode == 0
    assert "lettuce was stopped by" in stopped.stdout
    assert ask("stop", "idro-a").returncode == 1


def test_a_refused_start_fails_with_the_reason_and_is_resumed(host, node, ask, eventually):
    node.refuse_config = Reason("settings_not_written", detail="EIO")
    node.values = node.values | {"dosing.enabled": False}
    node.report(0)
    eventually(lambda: host.view("idro-a")["dosing"]["state"] == "off", 10, "its settings")
    refused = ask("start", "idro-a", "microgreens")
    assert refused.returncode == 1
    assert "note: germinate: automatic dosing is off: pH and EC stay as they are" in refused.stderr
    assert "Paused: the node refused the setpoints: the settings cannot be written: EIO" in (
        refused.stderr)
    assert ask("resume", "idro-a").returncode == 1
    node.refuse_config = None
    resumed = ask("resume", "idro-a")
    assert (resumed.returncode, resumed.stderr) == (0, "")
    assert node.values["ec.target_us_cm"] == 400


def test_ones_own_file_is_sent_as_it_is(node, ask, tmp_path):
    mine = tmp_path / "mine.toml"
    mine.write_text(model.load("basil").toml.replace('name = "basil"', 'name = "mine"'))
    started = ask("start", "idro-a", str(mine))
    assert (started.returncode, started.stderr) == (0, "")
    assert "mine, day 1 of 42" in started.stdout
    mine.write_text("days = 3")
    assert ask("start", "idro-a", str(mine)).returncode == 2


def test_a_recipe_of_the_library_is_started_by_its_name(host, node, ask):
    host.client.post("/api/recipes/lettuce/clone", json={"name": "mine"})
    started = ask("start", "idro-a", "mine")
    assert started.returncode == 0
    assert "mine, day 1 of 35" in started.stdout
    unknown = ask("start", "idro-a", "bananas")
    assert (unknown.returncode, "no such recipe" in unknown.stderr) == (1, True)
