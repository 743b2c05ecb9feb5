"""The keys that releases are checked with, over USB into the NVS, where the node's verifier reads
them: a signature of theirs holds there, one of another does not."""

import hashlib
import json
import sys
from importlib import import_module
from types import ModuleType

import pytest

from idroserra.updates import signing
from support.flash_rig import BOARD
from support.nvs_rig import values

HERE = ("--wifi-ssid", "greenhouse", "--broker", "192.168.7.5", "--node-id", "idro-bench",
        "--no-reset", "--yes", "--json")
ENVIRONMENT = "IDROSERRA_WIFI_PASSWORD"


@pytest.fixture
def made(tmp_path):
    """made(name): (private key, PublicKey, path of the public file)."""
    def make(name):
        public = signing.make(tmp_path / name, tmp_path / f"{name}.pub", None)
        return signing.load_private(tmp_path / name, None), public, tmp_path / f"{name}.pub"

    return make


@pytest.fixture
def board(plug_in, image_files, monkeypatch, tmp_path):
    """A flashed board, isolated from any host of the user who runs the tests."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "share"))
    monkeypatch.setenv(ENVIRONMENT, "a secret of the Wi-Fi")
    plugged = plug_in(has_loader=False)
    plugged.hold(image_files)
    return plugged


@pytest.fixture
def provision(run_cli, board, tmp_path, monkeypatch):
    config = tmp_path / "host.toml"
    config.write_text(f'data_dir = "{tmp_path / "data"}"\n')

    def run(*words, config_file=config):
        monkeypatch.setenv(ENVIRONMENT, "a secret of the Wi-Fi")
        return run_cli("provision", "--port", board.port, "--wait", "60", "--config",
                       str(config_file), *HERE, *words)

    return run


@pytest.fixture
def node_takes(board, monkeypatch):
    """node_takes(data, signature): what the firmware's verifier says with the board's NVS."""
    class Nvs:
        def __init__(self, namespace):
            self._held = values(board.nvs_file, namespace)

        def get_blob(self, key, buffer):
            if not isinstance(self._held.get(key), bytes):
                raise OSError(-0x1102)
            buffer[: len(self._held[key])] = self._held[key]
            return len(self._held[key])

    machine, esp32, micropython, described = (
        ModuleType(name) for name in ("machine", "esp32", "micropython", "idro.board"))
    esp32.NVS = Nvs
    described.BOARD, described.SECURITY_COUNTER = {"chip": "esp32", "name": BOARD}, 1
    for module in (machine, esp32, micropython, described):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    import idro.update

    for name in ("platform", "state", "verify"):
        monkeypatch.delitem(sys.modules, f"idro.update.{name}", raising=False)
        monkeypatch.setattr(idro.update, name, None, raising=False)
        module = import_module(f"idro.update.{name}")
        monkeypatch.setitem(sys.modules, f"idro.update.{name}", module)
        monkeypatch.setattr(idro.update, name, module)
    from idro.update import verify

    def takes(data, signature):
        digest = hashlib.sha256(data).digest()
        trusted = verify.trusted_keys()
        return any(verify.is_signed(key, signature, digest) for key in trusted)

    return takes


def test_two_keys_reach_the_verifier_and_one_takes_the_others_place(
    board, provision, node_takes, made
):
    ours, spare, theirs = made("ours"), made("spare"), made("theirs")
    manifest = b"idroserra-update 1\n"
    said = provision("--update-key", str(ours[2]), "--update-key", str(spare[2]))
    assert said.code == 0, said.err
    written = json.loads(said.out)["written"]
    assert {"update_key", "update_spare"} <= set(written)
    held = values(board.nvs_file)
    assert (held["update_key"], held["update_spare"]) == (ours[1].modulus, spare[1].modulus)
    assert node_takes(manifest, signing.sign(ours[0], manifest))
    assert node_takes(manifest, signing.sign(spare[0], manifest))
    assert not node_takes(manifest, signing.sign(theirs[0], manifest))
    assert not node_takes(manifest + b"x", signing.sign(ours[0], manifest))

    again = provision("--update-key", str(ours[2]), "--update-key", str(spare[2]))
    assert json.loads(again.out)["written"] == []
    said = provision("--update-key", str(theirs[2]))
    assert said.code == 0, said.err
    assert values(board.nvs_file)["update_key"] == theirs[1].modulus
    assert "update_spare" not in values(board.nvs_file)
    assert node_takes(manifest, signing.sign(theirs[0], manifest))
    assert not node_takes(manifest, signing.sign(ours[0], manifest))


def test_those_of_the_hosts_configuration_without_an_option(
    board, provision, node_takes, made, tmp_path
):
    ours = made("ours")
    config = tmp_path / "with_key.toml"
    config.write_text(f'data_dir = "{tmp_path / "data"}"\n'
                      f'[update]\npublic_keys = ["{ours[2]}"]\n')
    said = provision(config_file=config)
    assert said.code == 0, said.err
    assert node_takes(b"text", signing.sign(ours[0], b"text"))


def test_what_is_no_public_key_is_refused_and_nothing_is_written(board, provision, made, tmp_path):
    made("ours")
    for path, why in ((tmp_path / "ours", "public"), (tmp_path / "none.pub", "none.pub")):
        said = provision("--update-key", str(path))
        assert said.code != 0
        assert why in said.err
    assert values(board.nvs_file) == {}
