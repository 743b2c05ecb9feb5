"""Which files of a data folder are in a backup, and backups that fail or run at the same time."""

import pytest
from msgspec.structs import replace

from idroserra.backup.archive import BackupError
from idroserra.backup.create import DATABASES, make_backup
from idroserra.core.config import FeedConfig, load_config
from idroserra.pki.broker_ca import BrokerCA
from idroserra.pki.x509 import write_private
from idroserra.server.service import Service
from support.feed_rig import FeedRig
from support.filled_folder import back_up, config_of, fill, killed_at, put_back
from support.paho_node import PahoNode
from support.server_process import Mosquitto
from support.wait import wait_until


def test_beside_a_broker_its_certificates_are_in_and_its_messages_are_not(tmp_path):
    fill(tmp_path / "old")
    line = tmp_path / "old" / "line"
    with Mosquitto(line) as broker, Mosquitto(line / "state") as other:
        for one in (broker, other):
            node = PahoNode("idro-one", one.port)
            node.announce()
            wait_until((one.folder / "mosquitto.db").exists, 60, "the broker has saved its state")
            node.close()
        authority = BrokerCA.make(line)
        write_private(line / "revoked.pem", authority.revocations([7]))
        manifest = back_up(tmp_path / "old", tmp_path / "a.backup")
    names = {entry.name for entry in manifest.files}
    kept = {f"line/{name}" for name in ("ca.pem", "ca.key", "revoked.pem", "mosquitto.conf")}
    assert kept <= names
    assert not [name for name in names if "mosquitto.db" in name or name.endswith(".pid")]
    put_back(tmp_path / "a.backup", tmp_path / "new")
    for name in kept:
        assert (tmp_path / "new" / name).read_bytes() == (tmp_path / "old" / name).read_bytes()


def test_every_database_of_the_host_is_known(tmp_path):
    folder = tmp_path / "new"
    Service(replace(config_of(folder), feed=(FeedConfig(name="cloud"),))).stop()
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*")
             if path.is_file() and path.read_bytes().startswith(b"SQLite format 3\0")}
    assert found == set(DATABASES)


def test_what_a_feed_has_still_to_receive_is_in_a_backup(tmp_path):
    away = FeedConfig(name="away", url="http://127.0.0.1:9", timeout_ms=500)
    rig = FeedRig(tmp_path / "old", away)
    rig.receive(1, 20)
    back_up(tmp_path / "old", tmp_path / "a.backup")
    waiting_ms = rig.waiting_ms("away")
    rig.receive(21, 20)  # came after it
    rig.close()
    put_back(tmp_path / "a.backup", tmp_path / "new")
    rig = FeedRig(tmp_path / "new", away)
    assert rig.waiting_ms("away") == waiting_ms > 0
    rig.close()


def test_a_broken_database_is_named(tmp_path):
    fill(tmp_path / "old")
    (tmp_path / "old" / "alarms.db").write_bytes(b"no database" * 1_000)
    with pytest.raises(BackupError, match=r"alarms\.db: file is not a database"):
        back_up(tmp_path / "old", tmp_path / "a.backup")
    assert [path.name for path in tmp_path.iterdir()] == ["old"]


def test_a_key_that_a_killed_process_left_half_written_is_not_in_it(tmp_path):
    fill(tmp_path / "old")
    (tmp_path / "old" / "ca.key.new").write_bytes(b"secret")
    assert "ca.key.new" not in [
        entry.name for entry in back_up(
            tmp_path / "old", tmp_path / "a.backup", with_keys=False).files]


def test_a_file_deleted_meanwhile_is_left_out(tmp_path):
    fill(tmp_path / "old")
    gone = tmp_path / "old" / "notes" / "a.txt"
    manifest = make_backup(config_of(tmp_path / "old"), tmp_path / "a.backup", with_keys=True,
                           on_file=lambda *_: gone.unlink(missing_ok=True))
    assert "notes/a.txt" not in [entry.name for entry in manifest.files]
    put_back(tmp_path / "a.backup", tmp_path / "new")


def test_two_backups_into_one_file_do_not_mix(tmp_path):
    fill(tmp_path / "old")
    refused = []

    def again(*_):
        if not refused:
            with pytest.raises(BackupError, match="another backup is writing it") as error:
                back_up(tmp_path / "old", tmp_path / "a.backup")
            refused.append(error)

    make_backup(config_of(tmp_path / "old"), tmp_path / "a.backup", with_keys=True, on_file=again)
    assert refused
    put_back(tmp_path / "a.backup", tmp_path / "new")
    assert {path.name for path in tmp_path.iterdir()} == {"old", "new", "a.backup"}


def test_what_a_killed_backup_left_does_not_grow(tmp_path):
    fill(tmp_path / "old")
    for _ in range(2):
        assert killed_at(1, lambda: back_up(tmp_path / "old", tmp_path / "a.backup"))
        assert len(list(tmp_path.iterdir())) <= 3
    back_up(tmp_path / "old", tmp_path / "a.backup")
    assert {path.name for path in tmp_path.iterdir()} == {"old", "a.backup"}


@pytest.mark.parametrize("with_keys", [False, True])
def test_a_key_file_of_the_configuration_is_a_key_whatever_its_name(tmp_path, with_keys):
    folder = tmp_path / "old"
    fill(folder)
    names = {"standby_key", "broker_key", "page_key"}
    for name in names:
        (folder / name).write_bytes(b"-----BEGIN OPENSSH PRIVATE KEY-----")
    standby, broker, page = (str(folder / f"{name}_key") for name in ("standby", "broker", "page"))
    config = load_config(None, {
        "data_dir": str(folder),
        "standby": {"url": "sftp://a@b/c", "host_key": "ssh-ed25519 AAAA", "key_file": standby},
        "mqtt": {"cert_file": "c.pem", "key_file": broker},
        "lan": {"cert_file": "c.pem", "key_file": page}})
    manifest = make_backup(config, tmp_path / "a.backup", with_keys=with_keys,
                           on_file=lambda *_: None)
    assert {entry.name for entry in manifest.files} & names == (names if with_keys else set())


@pytest.mark.parametrize("with_keys", [False, True])
def test_the_token_of_another_host_is_a_key_wherever_it_is(tmp_path, with_keys):
    fill(tmp_path / "old")
    for name in ("north.token", "notes/south.txt"):
        (tmp_path / "old" / name).write_bytes(b"idro_" + b"t" * 43)
    (tmp_path / "old" / "linked").symlink_to(tmp_path / "old" / "notes" / "south.txt")
    config = load_config(None, {"data_dir": str(tmp_path / "old"), "other_host": [
        {"name": "South", "url": "https://south.lan",
         "token_file": str(tmp_path / "old" / "linked")}]})
    manifest = make_backup(config, tmp_path / "a.backup", with_keys=with_keys,
                           on_file=lambda *_: None)
    held = {entry.name for entry in manifest.files} & {"north.token", "notes/south.txt", "linked"}
    assert bool(held) == (b"t" * 43 in (tmp_path / "a.backup").read_bytes()) == with_keys
