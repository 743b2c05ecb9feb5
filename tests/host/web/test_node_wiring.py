"""The wiring of a node's board as a drawing."""

import httpx

from idroserra.auth.roles import Role
from idroserra.boards import compiler, pinout
from support import paho_node

PATH = "/nodes/idro-a/wiring.svg"


def test_a_viewer_sees_the_drawing_of_the_command_line(host):
    host.node("idro-a")
    answer = httpx.get(f"{host.url}{PATH}", cookies=dict([host.session_of(Role.VIEWER)]))
    assert answer.headers["Content-Type"] == "image/svg+xml"
    assert answer.text == pinout.svg(compiler.read(compiler.path_of("esp32-reservoir")))


def test_a_board_without_a_file_has_no_drawing(host, monkeypatch):
    pack = paho_node.messages_host.pack_info
    monkeypatch.setattr(paho_node.messages_host, "pack_info",
                        lambda info: pack(info._replace(board="../parts")))
    host.node("idro-a")
    answer = host.client.get(PATH)
    assert (answer.status_code, answer.json()["error"]) == (
        404, "this host has no file of the board ../parts")
    page = host.client.get("/nodes/idro-a/setup").text
    assert "This host has no file of the board ../parts" in page
    assert PATH not in page
