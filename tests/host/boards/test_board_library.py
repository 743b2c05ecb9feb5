"""Boards that a host keeps: found by name everywhere, written whole, never out of their folder."""

import json
import threading

import pytest
from typer.testing import CliRunner

from idroserra.alarms.snapshot_builder import groups_of
from idroserra.backup.create import make_backup
from idroserra.boards import compiler, kept, library, pinout
from idroserra.boards.library import BoardLibrary, CannotKeep, UnknownBoard
from idroserra.boards.scaffold import Answers, board_text
from idroserra.calibration import board_probes
from idroserra.calibration.errors import CannotCalibrate
from idroserra.calibration.procedures import PROCEDURES
from idroserra.cli.board.app import app
from idroserra.core.config import load_config
from idroserra.core.errors import BoardError
from idroserra.recipes.runner import volume_l_of

PARTS = compiler.known_parts(compiler.boards_dir())


def text_of(name, volume_l=60, sensors=("ds18b20", "sht4x")):
    return board_text(name, Answers("esp32s3", volume_l, list(sensors), ["ph_down"]), PARTS)


@pytest.fixture
def boards(tmp_path):
    with kept.in_data_dir(tmp_path) as folder:
        yield BoardLibrary(folder)


def test_a_kept_board_is_found_by_its_name(boards, tmp_path, monkeypatch):
    assert boards.keep("my-tank", text_of("my-tank")).is_kept
    assert boards.get("my-tank").text == text_of("my-tank")
    assert compiler.load("my-tank")["volume_l"] == volume_l_of("my-tank") == 60
    assert compiler.path_of("my-tank") == tmp_path / "boards" / "my-tank.toml"
    assert "my-tank" in pinout.svg_of("my-tank")
    assert [one["name"] for one in boards.all()] == ["my-tank", *compiler.names()]
    assert list(tmp_path.glob("boards/*")) == [tmp_path / "boards" / "my-tank.toml"]


def test_the_commands_find_it_by_environment_and_by_configuration(tmp_path, monkeypatch):
    BoardLibrary(tmp_path / "data" / "boards").keep("my-tank", text_of("my-tank"))
    config = tmp_path / "host.toml"
    config.write_text(f'data_dir = "{tmp_path / "data"}"\n', encoding="utf-8")
    monkeypatch.delenv("IDROSERRA_DATA_DIR", raising=False)
    found = CliRunner().invoke(app, ["--config", str(config), "check", "my-tank"])
    assert found.stdout == "my-tank: valid, 3 channels, 1 outputs\n"
    monkeypatch.setenv("IDROSERRA_DATA_DIR", str(tmp_path / "none"))
    refused = CliRunner().invoke(app, ["check", "my-tank"])
    assert (refused.exit_code, "no such board" in str(refused.exception)) == (1, True)
    monkeypatch.setenv("IDROSERRA_DATA_DIR", str(tmp_path / "data"))
    listed = CliRunner().invoke(app, ["list", "--json"])
    assert "my-tank" in [row["name"] for row in json.loads(listed.stdout)]
    bought = CliRunner().invoke(app, ["parts", "my-tank"]).stdout
    assert "  1 ds18b20: " in bought
    assert "  3 4.7 k to 3.3 V\n" in bought
    assert "ph_down (doser); off at low" in bought


@pytest.mark.parametrize("name", [
    "", "..", "../esp32-reservoir", "a/b", "Big", "x", "-a", "a" * 33, "my tank", "my-tank\n",
    "my-tank.toml", "serr\u00e0", "\ud800aa", "%2e%2e"])
def test_a_name_is_a_file_name_and_no_path(boards, tmp_path, name):
    with pytest.raises(BoardError) as refused:
        boards.keep(name, text_of("my-tank"))
    assert refused.value.key == "board.name"
    with pytest.raises(UnknownBoard):
        boards.get(name)
    with pytest.raises(UnknownBoard):
        boards.remove(name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("name", "text", "why"), [
    ("my-tank", "", "board"), ("my-tank", "[board", "not TOML"),
    ("my-tank", text_of("other"), "must be the file's name"),
    ("my-tank", text_of("my-tank").replace("sht4x", "sht9x"), "unknown part sht9x"),
    ("my-tank", "#" * 70_000, "keep it under"), ("my-tank", "\ud800", "not a text"),
])
def test_only_a_valid_board_is_kept(boards, tmp_path, name, text, why):
    with pytest.raises(BoardError, match=why):
        boards.keep(name, text)
    assert not list(tmp_path.glob("boards/*"))


def test_a_shipped_board_and_the_list_of_parts_keep_their_names(boards):
    shipped = boards.get("esp32-reservoir")
    assert not shipped.is_kept
    assert shipped.comments > 5
    with pytest.raises(CannotKeep, match="is a shipped board"):
        boards.keep("esp32-reservoir", shipped.text, shipped.digest)
    with pytest.raises(CannotKeep, match="is a shipped board"):
        boards.remove("esp32-reservoir")
    with pytest.raises(CannotKeep, match="is a shipped board"):
        boards.keep("parts", text_of("parts"))


def test_the_second_of_two_who_change_a_board_is_refused(boards):
    first = boards.keep("my-tank", text_of("my-tank"))
    with pytest.raises(CannotKeep, match="there is a board my-tank already"):
        boards.keep("my-tank", text_of("my-tank", 70))
    boards.keep("my-tank", text_of("my-tank", 80), first.digest)
    with pytest.raises(CannotKeep, match="has changed since it was shown"):
        boards.keep("my-tank", text_of("my-tank", 90), first.digest)
    assert volume_l_of("my-tank") == 80
    boards.remove("my-tank")
    with pytest.raises(CannotKeep, match="has changed since it was shown"):
        boards.keep("my-tank", text_of("my-tank", 90), first.digest)


def test_of_many_at_once_one_keeps_the_name(boards):
    done, refused = [], []

    def keep(volume_l):
        try:
            done.append(boards.keep("my-tank", text_of("my-tank", volume_l)).text)
        except CannotKeep:
            refused.append(volume_l)

    threads = [threading.Thread(target=keep, args=(volume_l,)) for volume_l in range(50, 58)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(done), len(refused)) == (1, 7)
    assert boards.get("my-tank").text == done[0]


def test_the_number_of_boards_is_bounded(boards, monkeypatch):
    monkeypatch.setattr(library, "MOST_BOARDS", 2)
    first = boards.keep("tank-one", text_of("tank-one"))
    boards.keep("tank-two", text_of("tank-two"))
    with pytest.raises(CannotKeep, match="2 kept boards at most"):
        boards.keep("tank-three", text_of("tank-three"))
    boards.keep("tank-one", text_of("tank-one", 70), first.digest)


def test_a_board_that_a_new_version_refuses_is_listed_with_why(boards, tmp_path):
    boards.keep("my-tank", text_of("my-tank"))
    (tmp_path / "boards" / "my-tank.toml").write_bytes(b"\xff[board]")
    [mine] = [one for one in boards.all() if one["name"] == "my-tank"]
    assert (mine["is_kept"], mine["channels"], bool(mine["error"])) == (True, [], True)


def test_alarms_follow_a_board_that_is_kept_later(boards):
    assert groups_of("my-tank") == ()
    first = boards.keep("my-tank", text_of("my-tank", sensors=["sht4x", "bh1750"]))
    [group] = groups_of("my-tank")
    assert group.channels == {"air.temp_c", "air.rh_pct", "light.illuminance_lx"}
    boards.keep("my-tank", text_of("my-tank"), first.digest)
    assert groups_of("my-tank") == ()


def test_a_backup_has_the_kept_boards(boards, tmp_path):
    boards.keep("my-tank", text_of("my-tank"))
    config = load_config(overrides={"data_dir": str(tmp_path)})
    manifest = make_backup(config, tmp_path.with_name("kept.backup"), with_keys=False,
                           on_file=lambda name, size: None)
    assert [entry.name for entry in manifest.files] == ["boards/my-tank.toml"]


def test_a_probe_of_ones_own_beside_the_kept_boards(boards, tmp_path):
    shipped = compiler.boards_dir() / "modbus" / "sup_ph8001.toml"
    (tmp_path / "boards" / "modbus").mkdir(parents=True)
    (tmp_path / "boards" / "modbus" / "my_ph.toml").write_bytes(shipped.read_bytes())
    assert "my_ph" in boards.parts()
    text = board_text("my-tank", Answers("esp32s3", 60, ["my_ph"], []), boards.parts())
    boards.keep("my-tank", text)
    assert compiler.load("my-tank")["sensors"][0]["part"] == "my_ph"
    with pytest.raises(CannotCalibrate, match="with its maker's tool"):
        board_probes.check("my-tank", PROCEDURES["ph"], None, {}, None)
