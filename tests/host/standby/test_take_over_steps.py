"""The steps of a take-over: sealing, repeating it, old copies, restored hosts, the command."""

import json
import shutil
import sqlite3
import subprocess
import sys
from contextlib import ExitStack, closing
from datetime import timedelta

import pytest

from idroserra.backup.create import make_backup
from idroserra.backup.restore import restore
from idroserra.broker.local import free_port
from idroserra.core.config import load_config
from idroserra.core.sqlite import lock_folder
from idroserra.nodes.registry import Nodes
from idroserra.server.service import Service
from idroserra.standby import marker
from idroserra.standby.folder import prepare
from idroserra.standby.follower import Follower, copies_in, work_folder
from idroserra.standby.replicator import TAKEN_OVER, Replicator
from idroserra.standby.take_over import TakeOverError, seal, take_over
from support.filled_folder import NODE, fill
from support.real_host import Host
from support.ssh_server import SshServer
from support.standby_rig import NOW
from support.wait import wait_until

NOW_UNIX_MS = int(NOW.timestamp() * 1_000)


class Machine:
    """A host that copies itself once, when it is asked."""

    def __init__(self, root):
        self.copies, self.data = root / "copies", root / "a"
        self.copies.mkdir()
        (self.data / "journal-photos").mkdir(parents=True)
        self.config = load_config(overrides={
            "site": "farm", "data_dir": str(self.data),
            "standby": {"url": self.copies.as_uri()}})
        fill(self.data)

    def copy(self):
        prepare(self.data, is_followed=True)
        replicator = Replicator(self.config, lambda: NOW_UNIX_MS, pytest.fail)
        replicator.step()
        assert replicator.state == "ok"
        replicator.close()


@pytest.fixture
def machine(tmp_path):
    machine = Machine(tmp_path)
    machine.copy()
    return machine


def take(machine, data, now=NOW, reports=None):
    data.mkdir(exist_ok=True)
    with lock_folder(data):
        report = [].append if reports is None else reports.append
        return take_over(machine.copies, data, now, report, "test")


def files(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def waits_for_a_choice(data):
    nodes = Nodes(data / "state.db", "farm")
    try:
        return nodes.get(NODE).restored is not None
    finally:
        nodes.close()


def test_the_standby_has_everything_and_the_host_starts_where_it_was(machine, tmp_path):
    done = take(machine, tmp_path / "b", NOW + timedelta(seconds=3))
    assert done.age_ms == 3_000
    assert marker.read(tmp_path / "b") == done
    ours = {name for name in files(machine.data)
            if not name.startswith(("litestream/", "standby.db"))
            and not name.endswith(("-wal", "-shm", ".part", "lock"))}
    assert {"journal-photos", "store.db"} <= {name.split("/")[0] for name in ours}
    assert ours | {marker.MARKER} == files(tmp_path / "b") - {"lock", "audit.db"}
    assert not waits_for_a_choice(tmp_path / "b")
    with closing(sqlite3.connect(tmp_path / "b" / "audit.db")) as audit:
        [(who, detail)] = audit.execute(
            "SELECT who, detail FROM audit WHERE action = 'take over'").fetchall()
    assert (who, json.loads(detail)["state.db"]) == ("test", "3.0 s")


def test_an_old_copy_is_treated_as_a_backup(machine, tmp_path):
    reports = []
    done = take(machine, tmp_path / "b", NOW + timedelta(hours=2), reports)
    assert done.age_ms == 2 * 3_600_000
    assert waits_for_a_choice(tmp_path / "b")


def test_a_database_whose_first_copy_was_cut_off_hinders_nothing(machine, tmp_path):
    """Such as one of a new version of the host. One that was complete before is needed."""
    [copy] = copies_in(machine.copies)
    (copy / "feeds.db" / "ltx" / "0").mkdir(parents=True)
    shutil.move(copy / "journal.db" / "ltx" / "0", tmp_path / "away")
    with pytest.raises(TakeOverError, match="journal.db"):
        take(machine, tmp_path / "b")
    shutil.move(tmp_path / "away", copies_in(seal(machine.copies, NOW))[0] / "journal.db/ltx/0")
    reports = []
    take(machine, tmp_path / "b", reports=reports)
    assert [text for text in reports if "feeds.db" in text]
    assert "feeds.db" not in files(tmp_path / "b")


def test_a_folder_without_a_copy_is_not_sealed(machine, tmp_path):
    """The old host may live: it would leave, and nothing would take its place."""
    [copy] = copies_in(machine.copies)
    shutil.move(copy, tmp_path / "away")
    (machine.copies / "spool.db" / "ltx" / "0").mkdir(parents=True)
    with pytest.raises(TakeOverError, match="no copy of a host"):
        take(machine, tmp_path / "b")
    assert machine.copies.is_dir()
    machine.copy()  # the old host goes on


def test_a_take_over_can_be_repeated_after_an_error(machine, tmp_path):
    sealed = seal(machine.copies, NOW)
    [copy] = copies_in(sealed)
    shutil.move(copy / "standby.db", tmp_path / "away")
    with pytest.raises(TakeOverError, match="no complete copy"):
        take(machine, tmp_path / "b")
    shutil.move(tmp_path / "away", copy / "standby.db")
    take(machine, tmp_path / "b")
    assert "state.db" in files(tmp_path / "b")
    assert machine.copies.read_text().strip() == str(sealed)


def test_the_automatic_service_is_the_host_also_when_it_is_started_again(machine, tmp_path):
    """The first take-over fails after the seal; later the machine starts again."""
    data, log, config = tmp_path / "b", tmp_path / "b.log", tmp_path / "b.toml"
    config.write_text(f"data_dir = '{data}'\n[http]\nport = {free_port()}\n"
                      f"[mqtt]\nurl = 'mqtt://127.0.0.1:{free_port()}'\n"
                      f"[standby]\nfolder = '{machine.copies}'\n")
    command = [sys.executable, "-m", "idroserra.cli", "standby", "follow", "--config", str(config)]

    def serves():
        with log.open("wb") as output:
            process = subprocess.Popen([*command, "--automatic"], stdout=output, stderr=output)
        try:
            wait_until(lambda: "The page is at" in log.read_text() or process.poll() is not None,
                       6, "it serves")
            assert process.poll() is None, log.read_text()
        finally:
            process.terminate()
            process.wait(30)

    [copy] = copies_in(seal(machine.copies, NOW))
    shutil.move(copy / "standby.db", tmp_path / "away")
    with pytest.raises(TakeOverError):
        take(machine, data)
    shutil.move(tmp_path / "away", copy / "standby.db")
    serves()
    done = marker.read(data)
    assert done is not None
    serves()
    shutil.rmtree(copy.parent)  # to have the disk space back
    serves()
    assert marker.read(data) == done, "it took over once"
    by_hand = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (by_hand.returncode, "has taken over" in by_hand.stderr) == (2, True)


def test_a_restored_host_begins_a_new_copy_and_the_old_one_goes(machine, tmp_path):
    """What Litestream knows of the databases before the restore is not true any more."""
    first = copies_in(machine.copies)
    make_backup(machine.config, tmp_path / "cell.backup", with_keys=True,
                on_file=lambda name, size: None)
    restore(tmp_path / "cell.backup", machine.data, NOW, lambda _text: None)
    machine.copy()
    assert len(copies_in(machine.copies)) == 2
    follower = Follower(machine.copies, work_folder(tmp_path / "b"))
    try:
        wait_until(lambda: follower.step() and len(copies_in(machine.copies)) == 1, 10,
                   "the old copy is deleted")
    finally:
        follower.stop()
    assert copies_in(machine.copies) != first
    take(machine, tmp_path / "b")
    assert "state.db" in files(tmp_path / "b")


@pytest.mark.parametrize("way", ["file", "sftp"])
def test_an_old_host_that_comes_back_leaves_the_new_one_alone(tmp_path, mosquitto, way):
    """The broker would end the connection of the new host if the old one connected."""
    copies = tmp_path / "copies"
    copies.mkdir()
    seal(copies, NOW)
    ends = {"url": copies.as_uri()}
    with ExitStack() as opened:
        if way == "sftp":
            server = opened.enter_context(SshServer(tmp_path / "ssh"))
            ends = {"url": server.url(copies), **server.settings}
        host = Host(tmp_path / "b", mosquitto.port, wait_until)
        opened.callback(host.stop)
        old = Service(load_config(overrides={
            "site": "test", "data_dir": str(tmp_path / "a"), "standby": ends,
            "mqtt": {"url": f"mqtt://127.0.0.1:{mosquitto.port}", "username": "host"}}))
        opened.callback(old.stop)
        old.start()
        assert old.counts()["broker"]["state"] == TAKEN_OVER
        node = host.node(NODE)
        seq = node.live(3)
        wait_until(lambda: max(node.stored_upto.values(), default=0) == seq, 10, "it serves")
        assert host.counts()["broker"]["state"] == "connected"


def test_a_backup_has_no_copies_of_keys(machine, tmp_path):
    manifest = make_backup(machine.config, tmp_path / "cell.backup", with_keys=False,
                           on_file=lambda name, size: None)
    assert not [one.name for one in manifest.files if "standby" in one.name
                or one.name.startswith("litestream")]


def test_the_command_takes_over_and_names_what_is_wrong(machine, tmp_path):
    config = tmp_path / "b.toml"

    def run(*words):
        done = subprocess.run([sys.executable, "-m", "idroserra.cli", "standby", "take-over",
                               "--config", str(config), *words], capture_output=True, text=True,
                              check=False)
        return done.returncode, done.stdout, done.stderr

    head = f"data_dir = '{tmp_path / 'b'}'\n"
    config.write_text(head)
    assert run()[0] == 2
    assert "standby.folder" in run()[2]
    config.write_text(f"{head}[standby]\nfolder = '{machine.copies}'\n")
    with lock_folder(tmp_path / "b"):
        code, _, why = run()
        assert (code, "end it first" in why) == (2, True)
    code, out, why = run("--json")
    assert code == 0, why
    assert set(json.loads(out)["copied_unix_ms"]) >= {"state.db", "store.db", "journal.db"}
    code, _, why = run()
    assert (code, "has taken over before" in why) == (1, True), why
    assert not [*(tmp_path / "b").glob("before-restore-*")], "its data are in place"
