"""Boards over the API: checked as they are chosen, kept, listed, downloaded and deleted."""

import pytest

from idroserra.auth.roles import Role
from idroserra.boards import compiler, pinout
from idroserra.boards.proposal import blank_table
from support import paho_node
from support.real_host import own_host

CHECK = "/api/boards/check"

host = own_host


@pytest.fixture(autouse=True)
def no_boards(host):
    """Delete the boards that a test kept."""
    yield
    for path in (host.config.data_dir / "boards").glob("*"):
        path.unlink()


def chosen(client, *changes, board=None):
    """Return the last answer to changes one after the other, of a blank board by default."""
    answer = {"board": board or blank_table("my-tank", "esp32s3", 60, 5_000)}
    for change in changes:
        sent = client.post(CHECK, json={"board": answer["board"], "change": change})
        assert sent.status_code == 200, sent.text
        answer = sent.json()
    return answer


@pytest.fixture
def tank(host):
    """A valid board, as the page has it."""
    return chosen(host.client, {"op": "sensor", "part": "sen0161"},
                  {"op": "sensor", "part": "ds18b20"}, {"op": "output", "name": "ph_down"})


def test_the_answer_is_what_the_command_line_says(host, tank, tmp_path):
    assert (tank["ok"], tank["error"]) == (True, None)
    path = tmp_path / "my-tank.toml"
    path.write_text(tank["toml"], encoding="utf-8")
    read = compiler.read(path)
    assert tank["svg"] == pinout.svg(read)
    assert tank["channels"] == ["Water temperature", "pH"]
    assert tank["outputs"] == ["pH down"]
    assert {one["name"]: one["pieces"] for one in tank["parts"]} == {
        "ESP32-S3-DevKitC-1": 1, "ds18b20": 1, "sen0161": 1, "ads1115": 1, "doser": 1}
    assert {"pieces": 3, "name": "4.7 k to 3.3 V", "text": ""} in tank["components"]
    assert [(one["name"], one["rating_ma"]) for one in tank["supplies"]] == [
        ("3.3 V", 800), ("5 V", 2_000), ("loads", 5_000)]
    assert "ph_down (doser)" in [one["title"] for one in tank["wires"]]


def test_a_conflict_names_key_part_and_remedy(host, tank):
    board = tank["board"]
    board["actuator"][0]["pin"] = board["onewire"]["main"]["pin"]
    answer = host.client.post(CHECK, json={"board": board}).json()
    assert (answer["ok"], answer["board"]) == (False, board)
    assert (answer["error"]["key"], answer["error"]["part"]) == ("actuator[0].pin", "doser")
    assert answer["error"]["why"].startswith("GPIO 1 is used by onewire.main.pin; free here: 2, ")


@pytest.mark.parametrize(("change", "field"), [
    ({"op": "sensor", "part": "barometer"}, "sensor.part"),
    ({"op": "expander", "part": "ds18b20"}, "expander.part"),
    ({"op": "rewire_sensor", "index": 7, "where": "i2c"}, "sensor[7]"),
    ({"op": "rewire_sensor", "index": 0, "where": "i2c.none"}, "sensor[0].bus"),
    ({"op": "rewire_output", "index": 0, "where": "../none"}, "actuator[0].expander"),
    ({"op": "bus", "where": "can"}, "bus"), ({"op": "chip", "name": "esp32c3"}, "board.chip"),
])
def test_a_change_that_cannot_be_is_refused(host, tank, change, field):
    answer = host.client.post(CHECK, json={"board": tank["board"], "change": change})
    assert (answer.status_code, answer.json()["field"]) == (422, field)


@pytest.mark.parametrize("body", [
    b"", b"[]", b"{", b'{"board": 3}', b'{"board": {}, "change": {"op": "format"}}',
    b'{"board": {}, "more": 1}'])
def test_a_hostile_body_is_refused(host, body):
    answer = host.client.post(CHECK, content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422


def test_a_body_of_5000_levels_is_refused(host):
    """By the parser, or by the checks where the parser of Python 3.13 takes so many."""
    body = b'{"board": ' + b'{"a":' * 5_000 + b"1" + b"}" * 5_000 + b"}"
    answer = host.client.post(CHECK, content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422 or not answer.json()["ok"]


def test_a_huge_board_is_refused(host):
    board = {"board": {"name": "my-tank", "chip": "esp32"}, "sensor": [
        {"source": "air", "part": "sht4x", "measures": ["temp_c"]}] * 2_000}
    assert host.client.post(CHECK, json={"board": board}).status_code == 413
    board["sensor"] = board["sensor"][:500]
    answer = host.client.post(CHECK, json={"board": board}).json()
    assert answer["error"]["key"] == "sensor[0].bus"
    kept = host.client.put("/api/boards/my-tank", json={"toml": "#" * 65_000})
    assert kept.status_code in (413, 422)


def test_a_board_is_kept_listed_downloaded_and_deleted(host, tank):
    path = "/api/boards/my-tank"
    kept = host.client.put(path, json={"toml": tank["toml"], "by": "anna"})
    assert (kept.status_code, kept.json()["nodes"]) == (200, [])
    mine, *shipped = host.client.get("/api/boards").json()["boards"]
    assert (mine["name"], mine["is_kept"], mine["digest"]) == (
        "my-tank", True, kept.json()["digest"])
    assert [one["name"] for one in shipped] == compiler.names()
    assert not any(one["error"] for one in shipped)
    file = host.client.get(f"{path}/file")
    assert file.text == tank["toml"]
    assert file.headers["content-disposition"] == 'attachment; filename="my-tank.toml"'
    assert host.client.put(path, json={"toml": tank["toml"]}).status_code == 409
    again = host.client.put(path, json={"toml": tank["toml"], "digest": kept.json()["digest"]})
    assert again.status_code == 200
    assert host.client.request("DELETE", path, json={}).status_code == 200
    assert host.client.get(f"{path}/file").status_code == 404
    assert [one.action for one in host.service.access.audit.newest(4)] == [
        "delete board", "keep board", "keep board", "keep board"]


@pytest.mark.parametrize("name", ["..%2Fmy-tank", "%2e%2e", "Tank", "a" * 70, "my-tank%00",
                                  "esp32-reservoir", "parts"])
def test_a_hostile_or_taken_name_keeps_nothing(host, tank, name):
    answer = host.client.put(f"/api/boards/{name}", json={"toml": tank["toml"]})
    assert answer.status_code in (404, 405, 409, 422)
    assert not list((host.config.data_dir / "boards").glob("*"))


def test_a_node_with_a_kept_board_is_drawn_and_named(host, tank, monkeypatch):
    pack = paho_node.messages_host.pack_info
    monkeypatch.setattr(paho_node.messages_host, "pack_info",
                        lambda info: pack(info._replace(board="my-tank")))
    host.node("idro-a")
    assert host.client.get("/nodes/idro-a/wiring.svg").status_code == 404
    kept = host.client.put("/api/boards/my-tank", json={"toml": tank["toml"]}).json()
    assert kept["nodes"] == ["idro-a"]
    assert host.client.get("/nodes/idro-a/wiring.svg").text == tank["svg"]
    assert "/nodes/idro-a/setup#wiring" in host.client.get("/settings/boards").text


def test_a_viewer_looks_and_only_an_admin_builds(host):
    for role, may in ((Role.VIEWER, False), (Role.OPERATOR, False), (Role.ADMIN, True)):
        client = host.client_with(host.service.access.tokens.make(role.label, role, "tests"))
        assert client.get("/settings/boards").status_code == 200
        assert client.get("/api/boards/esp32-nft/file").status_code == 200
        assert ("/settings/boards/edit" in client.get("/settings/boards").text) is may
        for answer in (client.get("/settings/boards/edit"), client.post(CHECK, json={"board": {}}),
                       client.put("/api/boards/my-tank", json={"toml": "x"})):
            assert (answer.status_code != 403) is may


def test_a_form_begins_with_a_board_and_says_what_it_loses(host, tank):
    page = host.client.get("/settings/boards/edit?board=esp32-reservoir").text
    assert "Its file has comments." in page
    assert '"name":"my-esp32-reservoir"' in page
    host.client.put("/api/boards/my-tank", json={"toml": tank["toml"]})
    own = host.client.get("/settings/boards/edit?board=my-tank").text
    assert "Its file has comments." not in own
    assert '"opened":"my-tank"' in own
    (host.config.data_dir / "boards" / "my-tank.toml").write_text("[board]\nname = 3\n")
    assert "cannot be shown as a form: my-tank.toml: board.name" in host.client.get(
        "/settings/boards/edit?board=my-tank").text
    assert host.client.get("/settings/boards/edit?board=..%2Fparts").status_code == 404
