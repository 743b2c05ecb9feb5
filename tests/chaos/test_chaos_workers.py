"""Workers that share one subscription with the host, any of them killed at any instant."""

import os
import random
import sqlite3
from contextlib import closing

from faults import pause
from rig import Rig

# More of it: IDROSERRA_WORKER_KILLS=500 .venv/bin/pytest -n 0 tests/chaos/test_chaos_workers.py
KILLS = int(os.environ.get("IDROSERRA_WORKER_KILLS", "10"))
AWAY_S = 0.3


def kill_any(rig, chance):
    """Kill one or two of the host and its workers at the same instant and start them again."""
    away_s = chance.uniform(0, AWAY_S)
    victims = chance.sample([rig.host, *rig.workers], chance.choice((1, 1, 2)))
    for victim in victims:
        victim.kill()
    pause(away_s)
    for victim in victims:
        victim.start()


def test_whoever_of_three_dies_each_record_is_stored_once(tmp_path):
    chance = random.Random(6)
    with Rig(tmp_path, nodes=12, per_s=40, workers=2) as rig:
        rig.flow()
        for number in range(1, KILLS + 1):
            pause(chance.uniform(0, AWAY_S))
            kill_any(rig, chance)
            if number % 5 == 0:
                rig.recover()
        account, books = rig.settle()
    assert (account.lost, account.doubled, account.wrong) == (0, 0, 0)
    assert books["received"] == books["stored"] == account.taken > 0
    assert books["lost"] == books["rejected"] == 0
    with closing(sqlite3.connect(rig.data_dir / "spool.db")) as spool:
        (by_workers,) = spool.execute("SELECT max(id) FROM news").fetchone()
    assert by_workers > KILLS
    print(f"{KILLS} kills, {account.taken} records, {books} {by_workers} by workers")
