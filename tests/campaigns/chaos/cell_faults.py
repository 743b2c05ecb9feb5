"""Faults of a cluster of brokers, its cells and their database."""

from __future__ import annotations

import random
import time

from campaigns.chaos.cells import CellRig
from campaigns.chaos.faults import EpisodeResult, pause
from support.rabbitmq_cluster import MEMBERS, Member
from support.server_process import Server

ROUND = 33  # faults: 30 kills, two partitions, one full disk
RECOVER_EVERY = 11
ROLL_EVERY_S = 300
BETWEEN_S = {"broker": 20.0, "host": 2.0, "database": 2.0}  # at most, until the next fault
DOWN_S = 3.0
PARTED_S = 60.0
FULL_S = 10.0
NO_SPACE, SPACE = "1000GB", "1GB"  # that a broker demands


def all_faults(rig: CellRig, chance: random.Random, count: int) -> EpisodeResult:
    """Inject `count` faults, and restart everything in turn every five minutes."""
    recover_s = []
    rolls, rolled_s = 0, time.monotonic()
    for number in range(1, count + 1):
        place = number % ROUND
        if place in (5, 20):
            part(rig, chance.choice(MEMBERS), chance.uniform(1, PARTED_S))
        elif place == 12:
            fill_disk(rig, chance)
        else:
            kill(rig, chance)
        rig.keep_alive()
        if time.monotonic() - rolled_s > ROLL_EVERY_S:
            roll(rig)
            rolls, rolled_s = rolls + 1, time.monotonic()
        if number % RECOVER_EVERY == 0 or number == count:
            recover_s.append(rig.recover())
    rig.report["rolling_restarts"] = rolls
    return EpisodeResult(count, recover_s or [rig.recover()], rig.report)


def kill(rig: CellRig, chance: random.Random) -> None:
    """Kill a broker, a host or the database by chance, and start it again."""
    what = chance.choice(sorted(BETWEEN_S))
    down_s = max(0.0, chance.uniform(-DOWN_S, DOWN_S))
    if what == "broker":
        kill_broker(chance.choice(rig.brokers.members), down_s)
    else:
        kill_server(rig.database if what == "database" else chance.choice(rig.cells).host, down_s)
    pause(chance.uniform(0, BETWEEN_S[what]))


def kill_broker(member: Member, down_s: float) -> None:
    """Kill a broker. It takes a while until it answers again."""
    member.kill()
    pause(down_s)
    member.start()


def kill_server(server: Server, down_s: float) -> None:
    """Kill a host or the database, and wait until it answers again."""
    server.kill()
    pause(down_s)
    server.start()


def part(rig: CellRig, member: str, for_s: float) -> None:
    """Part a broker from the others. Nodes and hosts still reach it."""
    assert rig.brokers.network is not None
    rig.brokers.network.part(member)
    pause(for_s)
    rig.brokers.network.heal(member)


def fill_disk(rig: CellRig, chance: random.Random) -> None:
    """Fill the disk of the first broker, down to nothing or below what it demands.

    After a log that could not be written a broker refuses everybody until it is restarted."""
    member = rig.brokers.members[0]
    if rig.disk.is_real:
        rig.disk.fill(chance.choice((0, chance.randrange(900_000_000))))
    else:
        member.wait()
        member.control("set_disk_free_limit", NO_SPACE)
    pause(chance.uniform(1, FULL_S))
    if rig.disk.is_real:
        rig.disk.empty()
        kill_broker(member, 0)
    else:
        member.control("set_disk_free_limit", SPACE)


def roll(rig: CellRig) -> None:
    """Restart each broker and each host in turn, as an upgrade does."""
    for member in rig.brokers.members:
        member.wait()
        member.shut_down()
        member.start()
        member.wait()
    for cell in rig.cells:
        cell.host.stop()
        cell.host.start()
