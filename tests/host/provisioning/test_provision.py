"""`idroserra provision`: a flashed board becomes a node of a host, and stops being one."""

import json
import os
import pty
import re
import select
import sqlite3
import subprocess
import sys

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from serial import Serial

from idroserra.broker import tls_files
from idroserra.broker.local import free_port
from idroserra.nodes.node import fingerprint
from idroserra.nodes.registry import Nodes
from idroserra.pki.broker_ca import to_der
from support.flash_rig import BOARD
from support.nvs_rig import values
from support.wait import wait_until

SECRET, SECOND_SECRET = "a secret of the Wi-Fi", "another secret of the Wi-Fi"
NODE = "idro-bench"
HERE = ("--wifi-ssid", "Serra 'quoted' è", "--broker", "192.168.7.5")


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    """Hide any host, and its files, of the user who runs the tests."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "share"))
    monkeypatch.setenv("IDROSERRA_HTTP__PORT", str(free_port()))


@pytest.fixture
def config(tmp_path):
    """The configuration of a host that does not run."""
    path = tmp_path / "host.toml"
    path.write_text(f'data_dir = "{tmp_path / "data"}"\n')
    return path


@pytest.fixture
def provision(run_cli, monkeypatch, config):
    """provision(board, ...): run the command with a password in the environment."""
    def run(board, *words, password=SECRET, host=True):
        monkeypatch.setenv("IDROSERRA_WIFI_PASSWORD", password)
        wait_s = "60" if board.has_micropython else "1"
        said = run_cli("provision", "--port", board.port, "--wait", wait_s,
                       *(("--config", str(config)) if host else ()), *words)
        assert "IDROSERRA_WIFI_PASSWORD" not in os.environ
        assert password not in said.out + said.err
        return said

    return run


@pytest.fixture
def flashed(plug_in, image_files):
    """flashed(...): a board with the image, at a port without a reset circuit."""
    def plug(**more):
        board = plug_in(has_loader=False, **more)
        board.hold(image_files)
        return board

    return plug


def keys_of_host(tmp_path):
    """Return (key, next key) of the node in the host's files."""
    nodes = Nodes(tmp_path / "data" / "state.db", "test")
    try:
        return nodes.get(NODE).key, nodes.get(NODE).next_key
    finally:
        nodes.close()


def audit(tmp_path):
    with sqlite3.connect(tmp_path / "data" / "audit.db") as database:
        return database.execute("SELECT action, target, detail FROM audit").fetchall()


def test_a_flashed_board_becomes_a_node(plug_in, image_files, provision, tmp_path):
    board = plug_in()  # with its boot loader: the way a person's command goes
    board.hold(image_files)
    words = (*HERE, "--node-id", NODE, "--yes", "--json")
    said = provision(board, *words)
    assert said.code == 0, said.err
    answer = json.loads(said.out)
    found = values(board.nvs_file)
    assert {name: value for name, value in found.items() if name != "key"} == {
        "node_id": NODE.encode(), "wifi_ssid": "Serra 'quoted' è".encode(),
        "wifi_pass": SECRET.encode(), "broker_host": b"192.168.7.5", "broker_port": 1_883}
    assert keys_of_host(tmp_path) == (found["key"], None)
    assert (answer["done"], answer["key"]) == (True, "new")
    assert answer["key_fingerprint"] == fingerprint(found["key"])
    assert found["key"].hex() not in said.out + said.err
    assert audit(tmp_path) == [("adopt node", NODE, ""), ("settle key", NODE, "")]
    assert (tmp_path / "data" / "state.db").stat().st_mode & 0o077 == 0
    wait_until(lambda: board.resets == 1, 10, "the start of the node")

    again = json.loads(provision(board, *words, "--no-reset").out)
    assert (again["nothing_to_do"], again["key"], again["written"]) == (True, "kept", [])
    assert values(board.nvs_file) == found


def test_it_says_what_it_will_do_and_shows_no_secret(flashed, provision):
    board = flashed()
    said = provision(board, *HERE, "--no-reset", "--dry-run", "--node-id", NODE)
    assert said.code == 0, said.err
    for words in (BOARD, "24:0a:c4:e2:95:26", "name: idro-bench", "Wi-Fi password (hidden)",
                  "broker: 192.168.7.5", "key: new", "it has none", "nothing was written"):
        assert words in said.out
    assert values(board.nvs_file) == {}
    assert provision(board, *HERE, "--no-reset", "--yes", "--node-id", NODE).code == 0
    said = provision(board, "--no-reset", "--show", "--json")
    shown = json.loads(said.out)
    assert (shown["is_provisioned"], shown["node"], shown["host_holds_key"]) == (True, NODE, True)
    assert (shown["has_wifi_password"], shown["has_broker_password"]) == (True, False)
    assert values(board.nvs_file)["key"].hex() not in said.out


def test_one_value_changes_then_the_key_and_then_the_board_leaves(
    flashed, provision, tmp_path, run_cli, image_files
):
    board = flashed()
    assert provision(board, *HERE, "--no-reset", "--yes", "--node-id", NODE).code == 0
    before = values(board.nvs_file)
    said = run_cli("provision", "--port", board.port, "--no-reset", "--wait", "60", "--yes",
                   "--json", "--config", str(tmp_path / "host.toml"), "--broker", "serra.lan:1884")
    assert json.loads(said.out)["written"] == ["broker_host", "broker_port"], said.err
    assert values(board.nvs_file) == before | {"broker_host": b"serra.lan", "broker_port": 1_884}
    said = provision(board, "--no-reset", "--yes", "--new-key", "--json")
    assert json.loads(said.out)["written"] == ["key"], said.err
    after = values(board.nvs_file)
    assert after["key"] != before["key"]
    assert keys_of_host(tmp_path) == (after["key"], None)
    said = provision(board, "--no-reset", "--erase", "--yes")
    assert said.code == 0, said.err
    assert f"idroserra node forget {NODE}" in said.out
    assert board.nvs_file.read_bytes().strip(b"\xff") == b""
    assert board.files() == image_files


def test_power_and_country_of_the_radio_are_optional(flashed, provision):
    board = flashed()
    assert provision(board, *HERE, "--no-reset", "--yes", "--node-id", NODE).code == 0
    before = values(board.nvs_file)
    said = provision(board, "--no-reset", "--yes", "--json", "--tx-power-dbm", "8",
                     "--country", "it")
    assert json.loads(said.out)["written"] == ["wifi_dbm", "wifi_country"], said.err
    assert values(board.nvs_file) == before | {"wifi_dbm": 8, "wifi_country": b"IT"}
    shown = json.loads(provision(board, "--no-reset", "--show", "--json").out)
    assert (shown["wifi_tx_power_dbm"], shown["wifi_country"]) == (8, "IT")
    assert "8 dBm, country IT" in provision(board, "--no-reset", "--show").out
    said = provision(board, "--no-reset", "--yes", "--tx-power-dbm", "21")
    assert said.code != 0
    assert "2 to 20 dBm" in said.err


def test_a_name_that_is_another_boards_is_refused(flashed, provision, tmp_path):
    nodes = Nodes(tmp_path / "data" / "state.db", "test")
    nodes.adopt(NODE, bytes(32))
    nodes.record_message(NODE, 1_795_507_200_000)
    nodes.close()
    board = flashed()
    words = (*HERE, "--no-reset", "--yes", "--node-id", NODE)
    said = provision(board, *words)
    assert said.code == 1
    assert f"{NODE}: the host knows another board with this name" in said.err
    assert values(board.nvs_file) == {}
    assert provision(board, *words, "--replace").code == 0
    assert keys_of_host(tmp_path) == (values(board.nvs_file)["key"], None)


def test_on_another_machine_the_key_goes_into_a_file(flashed, provision, run_cli, config,
                                                      tmp_path):
    board, path = flashed(), tmp_path / "bench.key"
    words = (*HERE, "--no-reset", "--yes", "--node-id", NODE)
    said = provision(board, *words, host=False)
    assert said.code == 1
    assert "no host to share the key with: the key would be lost" in said.err
    assert values(board.nvs_file) == {}
    said = provision(board, *words, "--key-to", str(path), host=False)
    assert said.code == 0, said.err
    assert path.stat().st_mode & 0o777 == 0o600
    key = values(board.nvs_file)["key"]
    assert json.loads(path.read_text()) == {"node": NODE, "key": key.hex()}
    said = run_cli("node", "adopt", NODE, "--key-file", str(path), "--config", str(config))
    assert said.code == 0, said.err
    assert f"{NODE}: adopted" in said.out
    assert key.hex() not in said.out
    assert keys_of_host(tmp_path) == (key, None)
    said = run_cli("node", "adopt", "idro-other", "--key-file", str(path), "--config", str(config))
    assert (said.code, f"is that of {NODE}, not of idro-other" in said.err) == (2, True)
    assert run_cli("node", "forget", NODE, "--yes", "--config", str(config)).code == 0
    assert [row[:2] for row in audit(tmp_path)] == [("adopt node", NODE), ("forget node", NODE)]
    assert key not in b"".join(p.read_bytes() for p in (tmp_path / "data").glob("state.db*"))


def test_cable_out_half_way_and_the_same_command_goes_on(flashed, provision, tmp_path):
    words = (*HERE, "--no-reset", "--yes", "--node-id", NODE, "--json")
    half = flashed(nvs={"writes_left": 4})
    said = provision(half, *words)
    assert said.code == 1
    assert "the board went away while" in said.err
    assert "without it the board joins nothing" in said.err
    left = values(half.nvs_file)
    assert "node_id" not in left
    assert len(left) == 4
    again = flashed()
    said = provision(again, *words)
    assert said.code == 0, said.err
    assert keys_of_host(tmp_path) == (values(again.nvs_file)["key"], None)


@pytest.mark.parametrize(("more", "words", "why"), [
    ({"has_micropython": False}, (), "no MicroPython answers on the board Flash it first"),
    ({"heap": "192K"}, (), "install the MicroPython for it: `idroserra flash BOARD --micropython"),
    ({"nvs": {"has_esp32": False}}, (), "the board is not an ESP32: its MicroPython is for linux"),
    ({"nvs": {"corrupts": "wifi_pass"}}, (), "wifi_pass did not read back as sent"),
    ({}, ("--board", "esp32-nft"), f"the board is {BOARD}, not esp32-nft"),
])
def test_board_problems_are_reported(flashed, provision, more, words, why):
    board = flashed(**more)
    said = provision(board, *HERE, "--no-reset", "--yes", "--node-id", NODE, *words)
    assert said.code == (2 if words else 1)
    assert why in said.err
    assert "node_id" not in values(board.nvs_file)


@pytest.mark.parametrize("words", [(*HERE, "--node-id", NODE), ("--erase",)])
def test_the_watchdog_is_held_again_once_the_questions_are_answered(flashed, provision, words):
    board = flashed()
    said = provision(board, "--no-reset", "--yes", *words)
    assert said.code == 0, said.err
    assert board.watchdog_starts_ms() == [3_600_000] * 2  # at the prompt, and before the change


def test_a_board_without_an_image_is_to_be_flashed_first(plug_in, image_files, provision):
    board = plug_in(has_loader=False)
    said = provision(board, *HERE, "--no-reset", "--yes", "--node-id", NODE)
    assert said.code == 1
    assert "image of Idroserra on the board is missing or incomplete Flash it first" in said.err


def test_a_chip_that_does_not_match_the_image_is_reported(plug_in, image_files, provision):
    board = plug_in("esp32s3")
    board.hold(image_files)
    said = provision(board, *HERE, "--yes", "--node-id", NODE)
    assert said.code == 1
    assert f"the chip is an esp32s3, but its image is for {BOARD} with an esp32" in said.err


def test_a_chip_without_psram_gets_nothing(plug_in, image_files, provision):
    board = plug_in("esp32c3")
    board.hold(image_files)
    said = provision(board, *HERE, "--yes", "--node-id", NODE)
    assert said.code == 1
    assert "is not supported: it has no PSRAM" in said.err
    assert "buy a board with an ESP32-S3 N16R8" in said.err
    assert values(board.nvs_file) == {}


def test_a_replaced_board_without_psram_is_still_shown_and_erased(
    plug_in, image_files, provision
):
    board = plug_in("esp32c3", heap="192K")
    board.hold({**image_files, "manifest.json": image_files["manifest.json"].replace(
        b'"esp32/', b'"esp32c3/')})
    said = provision(board, "--show", "--json")
    assert said.code == 0, said.err
    said = provision(board, "--erase", "--yes")
    assert said.code == 0, said.err
    assert "all secrets erased" in said.out
    assert board.nvs_file.read_bytes().strip(b"\xff") == b""


def test_a_busy_port_is_reported(flashed, provision):
    board = flashed()
    with Serial(board.port, exclusive=True):
        said = provision(board, *HERE, "--no-reset", "--yes", "--node-id", NODE)
    assert (said.code, "the port is busy" in said.err) == (1, True)


def test_what_is_missing_is_named_all_at_once(flashed, run_cli, config):
    said = run_cli("provision", "--port", flashed().port, "--no-reset", "--wait", "60", "--yes",
                   "--config", str(config))
    assert said.code == 2
    assert ("--node-id, --wifi-ssid, --wifi-password-file or --wifi-open, --broker: required"
            in said.err)


def test_a_person_is_asked_and_the_password_is_never_shown(flashed, config, tmp_path):
    board = flashed()
    shown, code = typed_at_a_terminal(
        ["provision", "--port", board.port, "--no-reset", "--wait", "60", "--config", str(config)],
        ("Name of the node", ""), ("Wi-Fi (2.4 GHz)", "Serra"), ("Wi-Fi password", "short"),
        ("Wi-Fi password", SECRET), ("Broker", "8.8.8.8"), ("Broker", "192.168.7.5"),
        ("Broker password", SECOND_SECRET), ("Continue?", "y"))
    assert code == 0, shown
    assert SECRET not in shown
    assert SECOND_SECRET not in shown
    assert "8 to 63 bytes are needed" in shown
    assert "8.8.8.8 is outside the site's own network" in shown
    found = values(board.nvs_file)
    assert (found["node_id"], found["wifi_pass"]) == (b"idro-e29526", SECRET.encode())
    assert found["broker_pass"] == SECOND_SECRET.encode()


def typed_at_a_terminal(words, *answers):
    """Run the command at a terminal, answer each question as it comes; (what it showed, code)."""
    here, there = pty.openpty()
    process = subprocess.Popen([sys.executable, "-m", "idroserra.cli", *words], stdin=there,
                               stdout=there, stderr=there, start_new_session=True)
    os.close(there)
    shown = ""

    def until(text):
        nonlocal shown
        start = len(shown)
        while text is None or text not in shown[start:]:
            assert select.select([here], [], [], 180)[0], shown
            try:
                data = os.read(here, 4_096)
            except OSError:  # what a terminal says once the program has ended
                data = b""
            if not data:
                assert text is None, f"ended before {text!r}: {shown}"
                return
            shown += re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", data.decode(errors="replace"))

    for question, answer in answers:
        until(question)
        os.write(here, f"{answer}\n".encode())
    until(None)
    os.close(here)
    return shown, process.wait(60)


def test_a_board_is_given_the_line_of_its_host(flashed, provision, tmp_path):
    """TLS: CA certificate, node certificate and key; replaced after a rotation."""
    tls_files.init(tmp_path / "data", ["serra.lan"], node_port=8_901, host_port=8_902)
    board = flashed()
    said = provision(board, "--node-id", NODE, *HERE, "--no-reset", "--yes")
    assert said.code == 0, said.err
    assert "node certificate (hidden)" in said.out
    found = values(board.nvs_file)
    made = tls_files.BrokerCertificates(tmp_path / "data")
    cert, key = to_der(*made.files(NODE))
    assert (found["broker_tls"], found["tls_cert"], found["tls_key"]) == (1, cert, key)
    assert found["tls_ca"] == made.authority.certificate.public_bytes(Encoding.DER)
    assert found["broker_port"] == 8_901
    assert key.hex() not in said.out + said.err

    made.rotate(NODE)
    assert provision(board, "--no-reset", "--yes").code == 0
    assert values(board.nvs_file)["tls_cert"] == to_der(*made.files(NODE))[0] != cert

    assert provision(board, "--no-reset", "--yes", "--plain", "--broker", "192.168.7.5").code == 0
    assert not {"broker_tls", "tls_ca", "tls_cert", "tls_key"} & set(values(board.nvs_file))
    assert values(board.nvs_file)["broker_port"] == 1_883


def test_a_dry_run_issues_no_certificate(flashed, provision, tmp_path):
    tls_files.init(tmp_path / "data", ["serra.lan"], node_port=8_901, host_port=8_902)
    said = provision(flashed(), "--node-id", NODE, *HERE, "--no-reset", "--dry-run", "--yes")
    assert said.code == 0, said.err
    assert tls_files.BrokerCertificates(tmp_path / "data").nodes == []
