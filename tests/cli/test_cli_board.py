"""`idroserra board` as a program calls it: JSON out, exit code 1 for a refused board."""

import json

import pytest
from typer.testing import CliRunner

from idroserra.boards.compiler import boards_dir, names
from idroserra.cli.board.app import app


def run(*arguments: str):
    return CliRunner().invoke(app, list(arguments))


def test_lists_every_board():
    done = run("list", "--json")
    assert done.exit_code == 0
    [board] = [row for row in json.loads(done.stdout) if row["name"] == "esp32-reservoir"]
    assert "reservoir.ph" in board["channels"]
    assert "ph_down" in board["outputs"]
    assert "esp32-reservoir" in run("list").stdout


def test_checks_by_name_and_by_path():
    assert json.loads(run("check", "esp32-reservoir", "--json").stdout)["ok"] is True
    assert "valid" in run("check", str(boards_dir() / "esp32-reservoir.toml")).stdout


@pytest.mark.parametrize("name", names())
def test_no_board_that_comes_with_a_version_lacks_psram(name):
    answer = json.loads(run("check", name, "--json").stdout)
    assert answer["ok"] is True
    assert not [warning for warning in answer["warnings"] if "PSRAM" in warning]


def test_refused_board_exits_1_and_says_why(tmp_path):
    board = tmp_path / "mine.toml"
    board.write_text('[board]\nname = "mine"\nchip = "esp33"\n')
    done = run("check", str(board), "--json")
    assert done.exit_code == 1
    answer = json.loads(done.stdout)
    assert (answer["file"], answer["key"]) == ("mine.toml", "board.chip")
    assert "mine.toml: board.chip" in str(run("check", str(board)).exception)


def test_wrong_call_exits_2():
    assert run("check").exit_code == 2


def test_builds_into_a_folder(tmp_path):
    done = run("build", "esp32-reservoir", "--out", str(tmp_path), "--json")
    assert done.exit_code == 0
    assert json.loads(done.stdout)["files"].keys() >= {"boot.py", "idro/board.mpy"}
    assert (tmp_path / "idro" / "board.mpy").is_file()
    assert run("build", "nowhere", "--out", str(tmp_path)).exit_code == 1
