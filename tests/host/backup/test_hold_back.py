"""What a restored backup wants: nothing of it acts before a person asks for it."""

import sqlite3
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from cryptography import x509

from idroserra.auth.users import Users
from idroserra.backup.archive import BackupError
from idroserra.backup.create import make_backup
from idroserra.backup.restore import restore
from idroserra.broker import cluster, tls_files
from idroserra.broker.local import free_port
from idroserra.cli.backup import restore as restore_command
from idroserra.core import protocol
from idroserra.core.config import load_config
from idroserra.core.protocol import ConfigReport
from idroserra.core.reasons import Reason
from idroserra.core.sqlite import connect
from idroserra.doctor.nodes import check_restored
from idroserra.nodes.command_state import SCHEMA as COMMANDS
from idroserra.nodes.command_state import CommandState
from idroserra.nodes.command_store import CommandStore
from idroserra.nodes.registry import Nodes
from idroserra.pki.broker_ca import BrokerCA, read_certificate
from idroserra.pki.x509 import write_private
from idroserra.recipes.run_store import HELD, RUNNING, RecipeRun, RecipeRunTable
from idroserra.setpoints.history import SettingsHistory
from idroserra.updates.database import NodeUpdate, Rollout, RolloutDatabase
from support.real_host import KEY, Host
from support.server_process import Mosquitto

NODE, SLOPE = "idro-a", "ph.slope_uv_per_ph"
NOW = datetime(2026, 11, 25, 14, 0, tzinfo=UTC)
MADE = protocol.check_settings({SLOPE: -160_000})
T0 = 1_795_507_200_000
LATER = MADE | {SLOPE: -175_000, "doser.ul_per_s": 700}


def back_up(folder, out, *, with_keys=True):
    return make_backup(load_config(None, {"site": "farm", "data_dir": str(folder)}), out,
                       with_keys=with_keys, on_file=lambda *_: None)


def moved(tmp_path, to="new", report=lambda _: None):
    """Back up the folder `old` and restore it into another; return that and the manifest."""
    manifest = back_up(tmp_path / "old", tmp_path / "a.backup")
    restore(tmp_path / "a.backup", tmp_path / to, NOW, report)
    return tmp_path / to, manifest


@contextmanager
def running(host):
    try:
        yield host
    finally:
        host.stop()


def nodes_of(folder):
    return closing(Nodes(folder / "state.db", "farm"))


def make_node(folder, *, reported_rev=1):
    """Make a registry whose node is wanted to have MADE as revision 1."""
    with nodes_of(folder) as nodes:
        nodes.adopt(NODE, KEY)
        nodes.set_desired_config(NODE, {SLOPE: -160_000}, "anna")
        if reported_rev is not None:
            nodes.set_report(NODE, ConfigReport(reported_rev, None, MADE))


@pytest.mark.parametrize("reported_rev", [1, None])  # confirmed or pending as of the backup
def test_older_settings_wait_for_a_choice(tmp_path, reported_rev):
    make_node(tmp_path / "old", reported_rev=reported_rev)
    new, manifest = moved(tmp_path)
    check, = check_restored(new)
    assert (check.state, NODE in check.found) == ("warn", True)
    with nodes_of(new) as nodes:
        node = nodes.get(NODE)
        assert (node.wanted_rev, node.wanted_values, node.report) == (0, None, None)
        with pytest.raises(protocol.SettingsError) as error:
            nodes.set_desired_config(NODE, {"ph.target": 6.1}, "anna")
        assert error.value.reason == Reason("settings_unreported")
        nodes.set_report(NODE, ConfigReport(1, None, LATER))
    with nodes_of(new) as nodes:  # a restart forgets nothing
        node = nodes.get(NODE)
        assert (node.restored.made_unix_ms, node.restored.rev) == (manifest.made_unix_ms, 1)
        assert node.restored.differences(node.report.values) == {
            SLOPE: (-160_000, -175_000), "doser.ul_per_s": (1_000, 700)}
        changed = nodes.set_desired_config(NODE, {"ph.target": 6.1}, "anna")
        assert (changed.wanted_rev, changed.wanted_values) == (2, LATER | {"ph.target": 6.1})
        assert nodes.keep_own_settings(NODE).restored is None
    with nodes_of(new) as nodes:
        assert nodes.get(NODE).restored is None
    assert not list(check_restored(new))


def test_the_settings_over_time_come_back_with_a_backup(tmp_path):
    make_node(tmp_path / "old")
    with closing(SettingsHistory(tmp_path / "old" / "state.db")) as history:
        for rev, values in enumerate((MADE, LATER)):
            history.on_report(NODE, ConfigReport(rev, None, values), "b0", T0 + rev)
    new, _ = moved(tmp_path)
    with closing(SettingsHistory(new / "state.db")) as history, nodes_of(new) as nodes:
        assert history.of(nodes.get(NODE)) == ([T0, T0 + 1], [MADE, LATER])


def test_without_a_difference_there_is_no_choice(tmp_path):
    make_node(tmp_path / "old")
    new, _ = moved(tmp_path)
    with nodes_of(new) as nodes:
        # A retained copy may be older than what the node runs, after a crash of the broker.
        assert nodes.set_report(NODE, ConfigReport(1, None, MADE)).restored is not None
        assert not nodes.get(NODE).open_choice
    assert not list(check_restored(new))
    with nodes_of(new) as nodes:
        assert nodes.set_report(NODE, ConfigReport(2, None, LATER), T0).open_choice
        assert nodes.set_report(NODE, ConfigReport(9, None, MADE), T0).restored is None


def test_a_change_without_a_difference_begins_no_choice(tmp_path):
    make_node(tmp_path / "old")
    new, _ = moved(tmp_path)
    with nodes_of(new) as nodes:
        nodes.set_report(NODE, ConfigReport(1, None, MADE))
        changed = nodes.set_desired_config(NODE, {"ph.target": 6.1}, "anna")
        after = ConfigReport(changed.wanted_rev, None, changed.wanted_values)
        assert not nodes.set_report(NODE, after, T0).open_choice


def test_an_open_choice_is_in_the_next_backup_too(tmp_path):
    make_node(tmp_path / "old")
    new, _ = moved(tmp_path)
    new.rename(tmp_path / "first")
    (tmp_path / "old").rename(tmp_path / "gone")
    (tmp_path / "first").rename(tmp_path / "old")
    again, _ = moved(tmp_path)
    with nodes_of(again) as nodes:
        assert nodes.get(NODE).restored.values == MADE


def test_recipes_rollouts_commands_and_sessions_do_not_go_on(tmp_path):
    old = tmp_path / "old"
    make_node(old)
    with closing(RecipeRunTable(old / "state.db")) as table:
        table.save(RecipeRun(NODE, "lettuce", "", "anna", 1, 1, RUNNING, "anna", 1, told_rev=1))
    with closing(RolloutDatabase(old / "state.db")) as database:
        database.save_rollout(
            Rollout("r", "ab" * 32, "2.0", "esp32/reservoir", (NODE,), 2, 1, 1, "anna", 1,
                    "running", 1), {NODE: NodeUpdate("r", NODE, "waiting", 1)})
    with closing(connect(old / "state.db", COMMANDS)) as database:
        database.execute(
            "INSERT INTO commands VALUES (1, 'c', ?, 'stop', '{}', 'anna', 1, 2, 'pending', '')",
            (NODE,))
    users = Users(old / "users.db", lambda: 1, lambda: 1)
    with closing(users), users._changing() as database:
        database.execute("INSERT INTO sessions VALUES (x'00', 'anna', 1, 1, 1, '', '')")
    new, _ = moved(tmp_path)
    with closing(RecipeRunTable(new / "state.db")) as table:
        run = table.all()[NODE]
        assert (run.state, run.reason, run.told_rev) == (HELD, Reason("backup_restored"), 0)
    with closing(RolloutDatabase(new / "state.db")) as database:
        assert [one.state for one in database.rollouts()] == ["cancelled"]
        assert database.nodes("r")[NODE].state == "cancelled"
    with closing(sqlite3.connect(new / "state.db")) as database:
        assert database.execute("SELECT state FROM commands").fetchall() == [("timeout",)]
    with closing(sqlite3.connect(new / "users.db")) as database:
        assert database.execute("SELECT count(*) FROM sessions").fetchone() == (0,)


def test_a_stop_that_waits_now_still_waits(tmp_path):
    folder, archive = tmp_path / "old", tmp_path / "a.backup"
    make_node(folder)
    ended = CommandState("c", NODE, "stop", {}, "anna", 1, 2, "pending", None)
    waits = [replace(ended, id="d", reason=Reason("node_offline")),
             replace(ended, id="e", by="bob")]
    for one in (ended, waits[1]):
        put(folder, one)
    back_up(folder, archive)
    for one in (replace(ended, state="done"), *waits, replace(ended, id="f", verb="hold")):
        put(folder, one)
    said = []
    restore(archive, folder, NOW, said.append)
    with closing(CommandStore(folder / "state.db")) as store:
        assert store.pending() == [replace(one, reason=None) for one in reversed(waits)]
        assert store.find("c").state == "timeout"
    # Damage in what is replaced does not stop the restore.
    (folder / "state.db").write_text("damaged")
    restore(archive, folder, NOW.replace(minute=1), said.append)
    assert "stop them again" in " ".join(said)


@pytest.mark.parametrize(("language", "line"), [
    ("en", "idro-a: a stop requested 2 h ago still waits: it is sent again when the host starts"),
    ("it", "idro-a: un arresto richiesto 2 h fa attende ancora: viene inviato di nuovo all'avvio "
           "dell'host"),
    ("zh", "idro-a：2小时前请求的停止命令仍在等待：主机启动时会再次发送"),
])
def test_a_restore_says_how_old_a_waiting_stop_is(tmp_path, monkeypatch, capsys, language, line):
    folder, archive = tmp_path / "old", tmp_path / "a.backup"
    make_node(folder)
    back_up(folder, archive)
    now_unix_ms = int(datetime.now(UTC).timestamp() * 1_000)
    for number, age_h in enumerate((30, 2)):  # the newest is the one that is repeated
        put(folder, CommandState(f"c{number}", NODE, "stop", {}, "anna",
                                 now_unix_ms - age_h * 3_600_000, 2, "pending", None))
    monkeypatch.setenv("IDROSERRA_DATA_DIR", str(folder))
    monkeypatch.setenv("LC_ALL", f"{language}.UTF-8")
    restore_command(archive)
    assert f"  {line}\n" in capsys.readouterr().err


def put(folder, command):
    with closing(CommandStore(folder / "state.db")) as store:
        store.store(command)


def revoked_in(line):
    crl = x509.load_pem_x509_crl((line / "revoked.pem").read_bytes())
    return {one.serial_number for one in crl}


def test_a_node_that_was_revoked_since_stays_revoked(tmp_path):
    folder, line = tmp_path / "old", tmp_path / "old" / "line"
    make_node(folder)
    (line / "nodes").mkdir(parents=True)
    authority = BrokerCA.make(line)
    for name in (NODE, "idro-b"):
        paths = [line / "nodes" / f"{name}.{kind}" for kind in ("pem", "key")]
        authority.issue_client(name, *paths)
    write_private(line / "revoked.pem", authority.revocations(()))
    back_up(folder, tmp_path / "a.backup")
    serial = read_certificate(line / "nodes" / f"{NODE}.pem").serial_number
    write_private(line / "revoked.pem", authority.revocations([serial]))
    restore(tmp_path / "a.backup", folder, NOW, lambda _: None)
    assert revoked_in(line) == {serial}
    assert sorted(path.name for path in (line / "nodes").iterdir()) == ["idro-b.key", "idro-b.pem"]
    # Damage in what is replaced does not stop the restore.
    (line / "revoked.pem").write_text("damaged")
    said = []
    restore(tmp_path / "a.backup", folder, NOW.replace(minute=1), said.append)
    assert revoked_in(line) == set()
    assert "may connect again" in " ".join(said)


def test_certificates_that_were_issued_since_can_still_be_revoked(tmp_path):
    folder = tmp_path / "old"
    make_node(folder)
    tls_files.init(folder, ["localhost"], node_port=free_port(), host_port=free_port())
    certificates = tls_files.BrokerCertificates(folder)
    for name in (NODE, "idro-b"):
        certificates.issue(name)
    back_up(folder, tmp_path / "a.backup")
    certificates.rotate(NODE)
    certificates.issue("idro-c")
    before, said = certificates.nodes, []
    certificates.files("idro-d")[0].write_text("damaged")
    restore(tmp_path / "a.backup", folder, NOW, said.append)
    assert "not kept: issue a certificate to the node again" in " ".join(said)
    assert certificates.nodes == before
    assert all(key.exists() for _, key in map(certificates.files, (NODE, "idro-b", "idro-c")))
    certificates.revoke("idro-c")
    certificates.revoke(NODE)
    assert {before[0].serial, before[2].serial} < certificates.revoked


def test_a_newer_certificate_of_the_backup_is_not_lost(tmp_path):
    folder, name = tmp_path / "old", f"nodes/{NODE}.pem"
    make_node(folder)
    tls_files.init(folder, ["localhost"], node_port=free_port(), host_port=free_port())
    certificates = tls_files.BrokerCertificates(folder)
    certificates.issue(NODE)
    back_up(folder, tmp_path / "older.backup")
    certificates.rotate(NODE)
    back_up(folder, tmp_path / "newer.backup")
    new = tmp_path / "new"
    for minute, archive in enumerate(("older.backup", "newer.backup")):
        restore(tmp_path / archive, new, NOW.replace(minute=minute), lambda _: None)
    serial = certificates.nodes[0].serial
    assert read_certificate(new / "line" / name).serial_number == serial
    assert (new / "line" / name).with_suffix(".key").exists()
    assert revoked_in(new / "line") == certificates.revoked


def test_a_backup_without_keys_leaves_the_certificates_of_the_broker(tmp_path):
    folder, line = tmp_path / "old", tmp_path / "old" / "line"
    make_node(folder)
    tls_files.init(folder, ["localhost"], node_port=free_port(), host_port=free_port())
    certificates = tls_files.BrokerCertificates(folder)
    for name in (NODE, "idro-b"):
        certificates.issue(name)
    back_up(folder, tmp_path / "a.backup", with_keys=False)
    certificates.revoke("idro-b")
    before = {path: path.read_bytes() for path in line.rglob("*") if path.is_file()}
    restore(tmp_path / "a.backup", folder, NOW, lambda _: None)
    after = {path: path.read_bytes() for path in line.rglob("*") if path.is_file()}
    assert after == before
    assert {path.stat().st_mode & 0o77 for path in (line, *line.rglob("*"))} == {0}


def init_cluster(folder):
    """Do what `broker init --engine rabbitmq` does, and return the files of the cluster."""
    cluster.init(folder, "farm", ["a.lan"], ["a.lan"], node_port=8883, management_port=15671)
    line = folder / "line"
    return {line / name: (line / name).read_bytes() for name in cluster.FILES}


@pytest.mark.parametrize("with_keys", [False, True])
def test_only_a_backup_with_keys_has_the_secrets_of_a_cluster(tmp_path, with_keys):
    folder = tmp_path / "old"
    make_node(folder)
    init_cluster(folder)
    settings = cluster.read_cluster(folder / "line")
    back_up(folder, tmp_path / "a.backup", with_keys=with_keys)
    whole = (tmp_path / "a.backup").read_bytes()
    assert [secret.encode() in whole for secret in (settings.password, settings.cookie)] == (
        [with_keys] * 2)


def test_the_kind_of_broker_stays_as_it_is_now(tmp_path):
    folder = tmp_path / "old"
    make_node(folder)
    tls_files.init(folder, ["localhost"], node_port=free_port(), host_port=free_port())
    back_up(folder, tmp_path / "mosquitto.backup")
    files = init_cluster(folder)
    back_up(folder, tmp_path / "cluster.backup")
    restore(tmp_path / "mosquitto.backup", folder, NOW, lambda _: None)
    assert {path: path.read_bytes() for path in files} == files
    for path in files:
        path.unlink()  # back to mosquitto
    restore(tmp_path / "cluster.backup", folder, NOW.replace(minute=1), lambda _: None)
    assert not any(path.exists() for path in files)


def test_a_state_of_a_newer_version_is_not_restored(tmp_path):
    make_node(tmp_path / "old")
    with closing(RecipeRunTable(tmp_path / "old" / "state.db")):
        pass
    with closing(sqlite3.connect(tmp_path / "old" / "state.db")) as database, database:
        database.execute("UPDATE versions SET version=99 WHERE name='recipe_runs'")
    make_node(tmp_path / "new")
    before = (tmp_path / "new" / "state.db").read_bytes()
    with pytest.raises(BackupError, match="version 99 of recipe_runs is of a newer Idroserra"):
        moved(tmp_path)
    assert (tmp_path / "new" / "state.db").read_bytes() == before


@pytest.mark.parametrize("choice", ["keep", "send"])
def test_on_a_new_machine_the_grower_chooses(tmp_path, mosquitto, eventually, choice):
    with running(Host(tmp_path / "old", mosquitto.port, eventually)) as old:
        old.node(NODE).withholds_config = True
        for slope in (-165_000, -160_000):  # revision 2, which the node has not confirmed
            answer = old.client.put(f"/api/nodes/{NODE}/config", json={"values": {SLOPE: slope}})
        assert answer.json()["rev"] == 2
        back_up(tmp_path / "old", tmp_path / "a.backup")
    restore(tmp_path / "a.backup", tmp_path / "new", NOW, lambda _: None)
    with (Mosquitto(tmp_path / "other") as broker,
          running(Host(tmp_path / "new", broker.port, eventually)) as host):
        node = host.node(NODE, adopt=False)
        node.values = node.values | {SLOPE: -175_000}
        node.report(1)
        node.read()
        eventually(lambda: host.view(NODE)["config"]["reported_rev"] == 1, 30, "the report")
        config = host.view(NODE)["config"]
        differences = config["restored"]["differences"]
        assert differences == {SLOPE: {"backup": -160_000, "node": -175_000}}
        state = host.view(NODE)["state"]
        assert "backup_differs" in [one["code"] for one in (state, *state["others"])]
        host.client.post(f"/api/nodes/{NODE}/commands", json={"verb": "stop", "args": {}})
        eventually(lambda: node.commands, 30, "the stop, which follows what was sent before")
        assert node._config_rev == 0
        if choice == "keep":
            answer = host.client.request(
                "DELETE", f"/api/nodes/{NODE}/config/restored", json={})
            assert answer.json()["restored"] is None, answer.text
        else:
            host.client.put(f"/api/nodes/{NODE}/config", json={"values": {SLOPE: -160_000}})
            eventually(lambda: host.view(NODE)["config"]["restored"] is None, 30, "the report")
            assert node.values[SLOPE] == -160_000
