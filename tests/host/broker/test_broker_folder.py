"""The broker's own folder: what it may read, and the move from the folder of the host."""

import stat

import pytest

from idroserra.broker import tls_files
from idroserra.broker.certificates import broker_folder_of, folder_of
from idroserra.broker.local import find_mosquitto
from idroserra.broker.mosquitto import BrokerFolder
from idroserra.core.errors import ConfigError
from idroserra.doctor.broker import check_broker_folder
from support.line_rig import NODES, Rig
from support.server_process import Server

READ = {"ca.pem", "server.pem", "server.key", "revoked.pem", "mosquitto.conf", "access.json"}


def init(data_dir, **more):
    return tls_files.init(data_dir, ["localhost"], node_port=1, host_port=2, **more)


def files_of_group(*folders):
    """Return the names of files that the group of the folders may read."""
    return {path.name for folder in folders for path in folder.rglob("*")
            if path.is_file() and path.stat().st_mode & stat.S_IRGRP}


def test_a_broker_with_its_own_user_reads_no_key_but_its_own(tmp_path):
    data, broker = tmp_path / "data", broker_folder_of(tmp_path / "data")
    broker.mkdir()
    broker.chmod(0o2750)  # install -d -m 2750 -o idroserra -g mosquitto
    init(data)
    tls_files.BrokerCertificates(data).issue(NODES[0])
    tls_files.BrokerCertificates(data).rotate(NODES[0])
    assert files_of_group(data, broker) == READ
    assert stat.S_IMODE((data / "line").stat().st_mode) == 0o700  # what is in it does not matter
    state = BrokerFolder(broker).state.stat()
    assert (stat.S_IMODE(state.st_mode), state.st_gid) == (0o2770, broker.stat().st_gid)
    for path in broker.rglob("*"):
        assert path.stat().st_gid == broker.stat().st_gid
        assert not path.stat().st_mode & stat.S_IRWXO
    assert not list(data.rglob("mosquitto*"))


def test_without_a_group_the_files_are_private(tmp_path):
    init(tmp_path / "data")
    broker = broker_folder_of(tmp_path / "data")
    assert files_of_group(tmp_path / "data", broker) == set()
    assert stat.S_IMODE(broker.stat().st_mode) == 0o700


def test_the_broker_saves_its_messages_outside_of_the_data(tmp_path):
    rig = Rig(tmp_path / "data")
    rig.start()
    client = rig.client(NODES[0])
    client.publish(f"idro/v1/{NODES[0]}/up/status", b"online", retain=True)
    client.close()
    rig.stop()
    assert list((tmp_path / "data").rglob("*.db")) == []
    assert (rig.line.broker.state / "mosquitto.db").stat().st_size > 0


class OldBroker(Server):
    """A broker in the folder of the host, as earlier versions configured it."""

    def command(self):
        (self.folder / "mosquitto.conf").write_text(
            f"listener {self.port} 127.0.0.1\nallow_anonymous true\n"
            f"pid_file {self.folder}/mosquitto.pid\nuser root\n")
        return [find_mosquitto(), "-c", str(self.folder / "mosquitto.conf")]


def test_files_of_an_earlier_version_are_moved_once_its_broker_has_stopped(tmp_path):
    data = tmp_path / "data"
    init(data)
    line, broker = folder_of(data), broker_folder_of(data)
    kept = (broker / "server.pem").read_bytes()
    for name in ("server.pem", "server.key"):
        (broker / name).rename(line / name)
    for path in sorted(broker.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    broker.rmdir()
    for name in ("mosquitto.acl", "mosquitto.db"):
        (line / name).write_bytes(b"earlier")
    old = OldBroker(line)
    old.start()
    with pytest.raises(ConfigError, match=r"mosquitto\.conf: .*stop that broker, then repeat"):
        init(data)
    with pytest.raises(ConfigError, match="The broker now has a folder of its own"):
        tls_files.BrokerCertificates(data)
    old.stop()
    results = [(file.path, file.state) for file in init(data)]
    assert (broker / "server.key", "moved") in results
    assert (broker / "server.pem").read_bytes() == kept
    assert {path.name for path in line.iterdir()} - {"log"} == {
        "ca.pem", "ca.key", "host.pem", "host.key", "revoked.pem"}


def test_doctor_tells_of_the_files_of_an_earlier_version(tmp_path):
    init(tmp_path / "data")
    assert list(check_broker_folder(tmp_path / "data")) == []
    (folder_of(tmp_path / "data") / "mosquitto.conf").write_text("listener 1883\n")
    [check] = check_broker_folder(tmp_path / "data")
    assert (check.state, "idroserra broker init" in check.advice) == ("warn", True)
