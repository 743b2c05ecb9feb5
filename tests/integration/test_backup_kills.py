"""Backup and restore beside a serving host, a broker and sending nodes, with SIGKILL in between.

Rounds: IDROSERRA_BACKUP_ROUNDS, `make campaign-backups` for 50. Of each round: a backup is killed,
one succeeds, the node gets newer settings, host or broker are killed, the restore is killed twice
and repeated. Then the host opens, and the node keeps its newer settings until a person chooses.
"""

import os
import random
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

from idroserra.backup.restore import JOURNAL, STAGING
from idroserra.client.http import HostClient, HostRefused, HostUnreachable
from support.e2e_stack import EndToEndStack
from support.wait import wait_until

NODES = ("idro-a", "idro-b")
NODE, SETTING = NODES[0], "ph.slope_uv_per_ph"
ROUNDS = int(os.environ.get("IDROSERRA_BACKUP_ROUNDS", "2"))
SEED = int(os.environ.get("IDROSERRA_SEED", "1"))
KILLED = str(Path(__file__).parents[1] / "support" / "killed_command.py")
MOST_STEPS = 200  # on files, of a restore
WAIT_S = 60


def run(stack, *words, kill_at=0):
    """Run `idroserra` on the data folder of the stack; return whether it was killed at the
    `kill_at`th step on a file."""
    done = subprocess.run(
        [sys.executable, KILLED, str(stack.folder), str(kill_at), *words],
        env=os.environ | {"IDROSERRA_DATA_DIR": str(stack.folder / "host")},
        capture_output=True, text=True, timeout=10 * WAIT_S)
    assert done.returncode == 0 or (kill_at and done.returncode == -signal.SIGKILL), done.stderr
    return done.returncode != 0


def config(client, node=NODE):
    return client.node(node)["config"]


def change(client, value):
    """Change the setting of the node and wait until it reports it."""
    rev = client.send("PUT", f"/api/nodes/{NODE}/config", {"values": {SETTING: value}})["rev"]
    wait_until(lambda: config(client)["reported_rev"] == rev, WAIT_S, f"revision {rev}")
    assert config(client)["values"][SETTING] == value
    return rev


def serve(stack, client):
    """Start the host and wait until it has heard both nodes."""
    stack.start_host()
    wait_until(lambda: have_reported(client), WAIT_S, "both nodes have reported")


def have_reported(client):
    try:
        nodes = client.nodes()
    except (HostUnreachable, HostRefused):  # it is about to listen, or to write its local token
        return False
    return len(nodes) == len(NODES) and all(
        one["online"] and one["config"]["reported_rev"] is not None for one in nodes)


def back_up(stack, archive, chance, counts):
    """Kill a backup, then make one; each leaves a whole archive or the one of before."""
    before = archive.read_bytes() if archive.exists() else None
    if run(stack, "backup", str(archive), "--with-keys", kill_at=chance.randint(1, 60)):
        assert (archive.read_bytes() if archive.exists() else None) == before
        counts["backups killed"] += 1
    run(stack, "backup", str(archive), "--with-keys")
    assert [path.name for path in archive.parent.iterdir()] == [archive.name]
    counts["backups"] += 1


def put_back(stack, archive, chance, counts):
    """Kill restores, then make one. What was there is in the folder or beside it."""
    folder = stack.folder / "host"
    for _ in range(2):
        if run(stack, "restore", str(archive), kill_at=chance.randint(1, MOST_STEPS)):
            phase = "replacing" if (folder / JOURNAL).exists() else "unpacking"
            counts[f"restores killed {phase}"] += 1
        assert (folder / "state.db").exists() or list(folder.glob("before-restore-*/state.db"))
        if chance.random() < 0.3:  # the next start of the host completes it, or removes the rest
            stack.start_host()
            wait_until(stack.answers, WAIT_S, "the host answers")
            stack.kill_host()
            counts["hosts killed"] += 1
    run(stack, "restore", str(archive))
    assert not (folder / JOURNAL).exists()
    assert not (folder / STAGING).exists()
    counts["restores"] += 1


def one_round(stack, client, number, counts):
    chance = random.Random(1_000 * SEED + number)
    archive = stack.folder / "backups" / "a.backup"
    old = -150_000 - 10 * number
    change(client, old)
    back_up(stack, archive, chance, counts)
    rev = change(client, old - 5)
    stack.kill_host()
    counts["hosts killed"] += 1
    if chance.random() < 0.5:
        stack.kill_broker()
        stack.broker.start()
        counts["brokers killed"] += 1
    put_back(stack, archive, chance, counts)
    serve(stack, client)
    # A killed broker may have an older report than the node sends when it is back.
    wait_until(lambda: (config(client)["restored"] or {}).get("differences") == {
        SETTING: {"backup": old, "node": old - 5}}, WAIT_S, "the differences")
    wait_until(lambda: config(client, NODES[1])["restored"] is None, WAIT_S, "no difference")
    # A later message has arrived at the node: nothing of the backup came before it.
    command = client.send("POST", f"/api/nodes/{NODE}/commands", {"verb": "stop", "args": {}})
    wait_until(lambda: client.get(f"/api/commands/{command['id']}")["state"] == "done", WAIT_S,
               "the stop")
    now = config(client)
    assert (now["reported_rev"], now["values"][SETTING]) == (rev, old - 5)
    if chance.random() < 0.5:
        client.send("DELETE", f"/api/nodes/{NODE}/config/restored", {})
        counts["kept"] += 1
    else:
        change(client, old)
        counts["sent"] += 1
    wait_until(lambda: config(client)["restored"] is None, WAIT_S, "the choice")


def test_killed_backups_and_restores_beside_a_running_greenhouse(tmp_path):
    counts = Counter()
    with EndToEndStack(tmp_path / "stack", NODES) as stack:
        (stack.folder / "backups").mkdir()
        client = HostClient(stack.url)
        wait_until(lambda: have_reported(client), WAIT_S, "both nodes have reported")
        for number in range(ROUNDS):
            one_round(stack, client, number, counts)
            print(number + 1, dict(counts), flush=True)
        assert counts["restores"] == ROUNDS
