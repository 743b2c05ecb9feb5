"""Failures of an installation as the page gets them, and what is left on board and host."""

import hashlib

import pytest

from support.far_browser import far_browser
from support.flash_fixtures import built, image_files, plug_in  # noqa: F401
from support.flash_rig import BOARD
from support.nvs_rig import values
from support.real_host import KEY

KEEP = {"board": BOARD, "micropython": ""}
WIFI = {"node": "serra-1", "ssid": "greenhouse", "password": "of the Wi-Fi",
        "broker": "192.168.1.20"}


def test_a_chip_without_psram(host, plug_in):  # noqa: F811
    with far_browser(host, plug_in("esp32c3", has_micropython=False)) as browser:
        end = browser.next()
    assert "This chip cannot run a node" in end["text"]
    assert "ESP32-C3" in end["detail"]


def test_a_file_that_is_no_micropython(host, plug_in):  # noqa: F811
    with far_browser(host, plug_in(has_micropython=False)) as browser:
        found = browser.next()
        assert (found["step"], found["flash_mb"]) == ("board", 4)
        assert BOARD in found["boards"]
        assert found["proposed"] == "1.28.0"
        browser.send_file(b"MZ" + bytes(60_000))
        end = browser.answer(board=BOARD, micropython="file")
    assert "not a file of MicroPython" in end["text"]


@pytest.mark.parametrize("wrong", [{"board": "../../etc/passwd"}, {}])
def test_a_board_that_was_not_offered(host, plug_in, wrong):  # noqa: F811
    board = plug_in()
    with far_browser(host, board) as browser:
        browser.next()
        end = browser.answer(**wrong, micropython="")
    assert end["t"] == "failed"
    assert "is not one of" in end["detail"]
    assert board.files() == {}


def test_values_are_refused_by_field_and_the_walk_goes_on(
        host, plug_in, image_files):  # noqa: F811
    board = plug_in()
    board.hold(image_files)
    host.node("serra-0")
    with far_browser(host, board) as browser:
        browser.next()
        plan = browser.answer(**KEEP)
        assert (plan["step"], plan["files"], plan["kept"]) == ("write", 0, len(image_files))
        asked = browser.answer()
        assert (asked["step"], asked["node"]) == ("values", "idro-e29526")
        for field, value in (("node", "Serra 1"), ("ssid", ""), ("password", "short"),
                             ("broker", "example.com"), ("node", "serra-0")):
            asked = browser.answer(**WIFI | {field: value})
            assert (asked["step"], asked["field"]) == ("values", field), asked
            assert "short" not in str(asked)
        end = browser.answer(**WIFI)
    assert end == {"t": "done", "node": "serra-1"}
    nvs = values(board.nvs_file)
    assert (nvs["node_id"], nvs["wifi_pass"]) == (b"serra-1", b"of the Wi-Fi")
    assert host.service.nodes.get("serra-1").fingerprints == (
        hashlib.sha256(nvs["key"]).hexdigest(),)
    assert host.service.nodes.get("serra-0").fingerprints == (hashlib.sha256(KEY).hexdigest(),)
    rows = host.client.get("/api/audit").json()["rows"]
    assert ("adopt node", "serra-1") in [(row["action"], row["target"]) for row in rows]
    assert nvs["key"].hex() not in str(rows)
