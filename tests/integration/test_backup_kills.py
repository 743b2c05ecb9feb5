"""Backup and restore beside everything that a site may run, with SIGKILL in between.

Rounds: IDROSERRA_BACKUP_ROUNDS, `make campaign-backups` for 50; in turn with SQLite and with
InfluxDB as the store. All else runs in each: broker with TLS, two nodes, a feed, Home Assistant
(support.whole_stack). Of each round: a backup is killed, one succeeds, the node gets newer
settings, certificates are revoked, replaced and issued, host or broker are killed, the restore is
killed twice and repeated. Then the host opens, the node keeps its newer settings until a person
chooses, the broker lets in those it did before, and store and feed have what they should.
"""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from idroserra.backup.restore import JOURNAL, STAGING
from idroserra.broker.access import HOST
from idroserra.broker.listener import NodeListener
from idroserra.client.http import HostClient, HostRefused, HostUnreachable
from idroserra.pki.broker_ca import read_certificate
from support.wait import wait_until
from support.whole_stack import FEED, STORE, WholeStack

NODES = ("idro-a", "idro-b")
# Of a node and of users with a certificate, after the backup: revoked, replaced, issued.
GONE, ROTATED, NEW = "idro-gone", "foreign.rotated", "foreign.new"
NODE, SETTING, SLIDER = NODES[0], "ph.slope_uv_per_ph", "ph.target"
ROUNDS = int(os.environ.get("IDROSERRA_BACKUP_ROUNDS", "2"))
SEED = int(os.environ.get("IDROSERRA_SEED", "1"))
KILLED = str(Path(__file__).parents[1] / "support" / "killed_command.py")
# Steps on files of a restore: it unpacks, then replaces.
REPLACES_AT, MOST_STEPS = 185, 250
WAIT_S = 60


def run(stack, *words, kill_at=0):
    """Run `idroserra` on the data folder of the stack; return whether it was killed at the
    `kill_at`th step on a file."""
    done = subprocess.run(
        [sys.executable, KILLED, str(stack.folder), str(kill_at), *words],
        env=os.environ | stack.environment, capture_output=True, text=True, timeout=10 * WAIT_S)
    assert done.returncode == 0 or (kill_at and done.returncode == -signal.SIGKILL), done.stderr
    return done.returncode != 0


def config(client, node=NODE):
    return client.node(node)["config"]


def change(client, values):
    """Change settings of the node and wait until it reports them."""
    rev = client.send("PUT", f"/api/nodes/{NODE}/config", {"values": values})["rev"]
    wait_until(lambda: config(client)["reported_rev"] == rev, WAIT_S, f"revision {rev}")
    assert values.items() <= config(client)["values"].items()
    return rev


def serve(stack, client):
    """Start the host and wait until it has heard the nodes that run."""
    stack.start_host()
    wait_until(lambda: have_reported(client), WAIT_S, "both nodes have reported")


def have_reported(client):
    try:
        nodes = client.nodes()
    except (HostUnreachable, HostRefused):  # it is about to listen, or to write its local token
        return False
    return sum(one["online"] and one["config"]["reported_rev"] is not None
               for one in nodes) == len(NODES)


def back_up(stack, archive, chance, counts):
    """Kill a backup, then make one; each leaves a whole archive or the one of before."""
    before = archive.read_bytes() if archive.exists() else None
    if run(stack, "backup", str(archive), "--with-keys", kill_at=chance.randint(1, 60)):
        assert (archive.read_bytes() if archive.exists() else None) == before
        counts["backups killed"] += 1
    run(stack, "backup", str(archive), "--with-keys")
    assert [path.name for path in archive.parent.iterdir()] == [archive.name]
    counts["backups"] += 1


def kill_host(stack, unsaved, counts):
    """Kill the host; add to `unsaved` what it has not yet moved to the store."""
    stack.kill_host()
    counts["hosts killed"] += 1
    for node in NODES:
        for kept, lost in zip(unsaved[node], stack.in_spool(node), strict=True):
            kept.update(lost)


def kill_broker(stack, counts):
    stack.kill_broker()
    stack.broker.start()
    counts["brokers killed"] += 1


def put_back(stack, archive, chance, unsaved, counts):
    """Kill restores, then make one. What was there is in the folder or beside it."""
    folder = stack.folder / "host"
    for least in (1, REPLACES_AT):
        if run(stack, "restore", str(archive), kill_at=chance.randint(least, MOST_STEPS)):
            phase = "replacing" if (folder / JOURNAL).exists() else "unpacking"
            counts[f"restores killed {phase}"] += 1
        assert (folder / "state.db").exists() or list(folder.glob("before-restore-*/state.db"))
        if chance.random() < 0.3:  # the next start of the host completes it, or removes the rest
            stack.start_host()
            wait_until(stack.answers, WAIT_S, "the host answers")
            kill_host(stack, unsaved, counts)
    run(stack, "restore", str(archive))
    assert not (folder / JOURNAL).exists()
    assert not (folder / STAGING).exists()
    counts["restores"] += 1


def change_certificates(stack, client):
    """Revoke, replace and issue certificates; return the files of those that are revoked."""
    line, old = stack.broker.line, {}
    for name in (GONE, ROTATED):
        old[name] = [Path(shutil.copy(path, stack.folder)) for path in line.files(name)]
    client.send("DELETE", f"/api/nodes/{GONE}", {})
    line.rotate(ROTATED)
    line.issue(NEW)
    return old


def check_broker(stack, client, old, listed):
    """Check that the broker lets in those that it let in before the restore, and no other."""
    line = stack.broker.line
    door = NodeListener(line.broker.configuration, line.authority)
    for name, files in old.items():
        assert read_certificate(files[0]).serial_number in line.revoked
        assert not door.accepts(name, *files), f"{name} is let in again"
    assert line.nodes == listed
    for name in (ROTATED, NEW):
        assert door.accepts(name, *line.files(name)), f"{name} is put out"
    allowed = {one["username"] for one in json.loads(line.broker.access.read_bytes())["clients"]}
    assert allowed == {HOST, *(one.node for one in listed)}
    # As in the backup: the node is adopted again, and gets a certificate when a person issues one.
    assert GONE in [one["node"] for one in client.nodes()]
    assert line.issue(GONE)
    line.revoke(NEW)


def check_home_assistant(home, since, values, rev, client, older):
    """Check that Home Assistant was shown the node's settings, before them none but `older`, and
    stops the node."""
    topic = f"idro/v1/host/ha/{NODE}/settings"

    def shown():
        return [one[1][SLIDER] for one in home.every[since:] if one[0] == topic]

    wait_until(lambda: values[SLIDER] in shown(), WAIT_S, topic)
    assert set(shown()) - older == {shown()[-1]} == {values[SLIDER]}
    home.payloads.pop(f"idro/v1/host/ha/{NODE}/command", None)
    home.set(NODE, "stop", b"PRESS")
    wait_until(lambda: home.of(NODE, "command").get("text", "").startswith("stop: done"), WAIT_S,
               "the stop")
    # A later message has arrived at the node: nothing of the backup came before it.
    now = config(client)
    assert now["reported_rev"] == rev
    assert values.items() <= now["values"].items()


def check_feed(stack, client, restored):
    """Check that the feed has what the restored store has; InfluxDB is newer than `feeds.db`, so
    there the past is sent again."""
    if not restored:
        restored = {node: stack.in_influx(STORE, node) for node in NODES}
        client.send("POST", f"/api/feeds/{FEED}/fill", {"from_unix_ms": 0})
    wait_until(lambda: all(wanted <= found for node in NODES for wanted, found in zip(
        restored[node], stack.in_influx(FEED, node), strict=True)), WAIT_S, "the feed")


def one_round(stack, client, number, unsaved, counts):
    chance = random.Random(1_000 * SEED + number)
    archive, home = stack.folder / "backups" / "a.backup", stack.home_assistant
    old = {SETTING: -150_000 - 10 * number, SLIDER: 5 + number / 100}
    new = {SETTING: old[SETTING] - 5, SLIDER: 5.005 + number / 100}
    change(client, old)
    back_up(stack, archive, chance, counts)
    rev = change(client, new)
    revoked = change_certificates(stack, client)
    listed = stack.broker.line.nodes
    kill_host(stack, unsaved, counts)
    brokers_killed = counts["brokers killed"]
    if chance.random() < 0.5:
        kill_broker(stack, counts)
    wait_until(home.is_connected, WAIT_S, "Home Assistant is connected")
    home.set(NODE, "ph_target", b"6.9")  # while no host runs: never carried out
    put_back(stack, archive, chance, unsaved, counts)
    since = len(home.every)
    restored = {node: stack.in_sqlite(node) for node in NODES} if not stack.is_influx else {}
    if chance.random() < 0.5:
        stack.broker.init()
        kill_broker(stack, counts)
        counts["brokers set up again"] += 1
    serve(stack, client)
    # A killed broker may have an older report than the node sends when it is back.
    older = {old[SLIDER]} if counts["brokers killed"] > brokers_killed else set()
    wait_until(lambda: (config(client)["restored"] or {}).get("differences") == {
        key: {"backup": old[key], "node": new[key]} for key in old}, WAIT_S, "the differences")
    wait_until(lambda: config(client, NODES[1])["restored"] is None, WAIT_S, "no difference")
    check_home_assistant(home, since, new, rev, client, older)
    if chance.random() < 0.5:
        client.send("DELETE", f"/api/nodes/{NODE}/config/restored", {})
        counts["kept"] += 1
    else:
        change(client, old)
        counts["sent"] += 1
    wait_until(lambda: config(client)["restored"] is None, WAIT_S, "the choice")
    check_broker(stack, client, revoked, listed)
    check_feed(stack, client, restored)


def check_records(stack, client, unsaved):
    """Check that InfluxDB lacks only what the restores took from the spool."""
    for node in stack.nodes.values():
        node.stop()
    wait_until(lambda: not any(one["online"] for one in client.nodes()), WAIT_S, "the last wills")
    stack.stop_nodes()
    check_feed(stack, client, {})
    for node in NODES:
        sent = stack.highest_seqs(node)
        found, fed = (stack.in_influx(one, node) for one in (STORE, FEED))
        lost = sum(len(ones - there) for ones, there in zip(unsaved[node], found, strict=True))
        assert sum(map(len, found)) == sent - lost
        assert fed == found


@pytest.mark.parametrize("store", ["sqlite", "influx"])
def test_killed_backups_and_restores_beside_a_running_greenhouse(tmp_path, store):
    counts, unsaved = Counter(), {node: (set(), set()) for node in NODES}
    with WholeStack(tmp_path / "stack", store, NODES, (GONE,), (ROTATED,)) as stack:
        (stack.folder / "backups").mkdir()
        client = HostClient(stack.url)
        wait_until(lambda: have_reported(client), WAIT_S, "both nodes have reported")
        rounds = range(store == "influx", ROUNDS, 2)
        for number in rounds:
            began_s = time.monotonic()
            one_round(stack, client, number, unsaved, counts)
            print(number + 1, f"{time.monotonic() - began_s:.0f} s", dict(counts), flush=True)
        assert counts["restores"] == len(rounds)
        if stack.is_influx:
            check_records(stack, client, unsaved)
