"""Injected faults, one function per kind of episode."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from campaigns.chaos.disk import SmallDisk
from campaigns.chaos.rig import Rig
from support.tcp_link import FAULTS
from support.wait import wait_until

WAIT_EVERY = 10  # Kills between complete recoveries; the others interrupt a recovery.
DOWN_S = 1.5
DAY_S = 86_400
OUTAGE_STEP_MS = 10_000


class EpisodeResult(NamedTuple):
    """Number of faults and, for complete recoveries, seconds until all records were stored."""

    faults: int
    recover_s: list[float]
    more: dict[str, Any] = {}


def pause(seconds: float) -> None:
    """Wait in real time, so that faults occur at arbitrary moments."""
    threading.Event().wait(seconds)


def kills(what: str) -> Callable[[Rig, random.Random, int], EpisodeResult]:
    """Return the episode of `count` kills of "host", "broker" or "database"."""

    def episode(rig: Rig, chance: random.Random, count: int) -> EpisodeResult:
        recover_s: list[float] = []
        for number in range(1, count + 1):
            pause(chance.random())
            # A database that restarts at once is hardly missed: some stay down for a while.
            rig.kill(what, 0.0 if what == "host" else DOWN_S * max(0, chance.uniform(-1, 1)))
            if number % WAIT_EVERY == 0 or number == count:
                recover_s.append(rig.recover())
        return EpisodeResult(count, recover_s)

    return episode


def link_faults(rig: Rig, chance: random.Random, count: int) -> EpisodeResult:
    """Inject `count` faults of up to three seconds into a random link."""
    recover_s: list[float] = []
    for _ in range(count):
        link = rig.links[chance.choice(sorted(rig.links))]
        link.inject(chance.choice(FAULTS))
        pause(3 * chance.random())
        link.heal()
        recover_s.append(rig.recover())
    return EpisodeResult(count, recover_s)


def full_disk(disk: SmallDisk) -> Callable[[Rig, random.Random, int], EpisodeResult]:
    """Return the episode that fills the host's disk `count` times and kills every second host."""

    def episode(rig: Rig, chance: random.Random, count: int) -> EpisodeResult:
        recover_s: list[float] = []
        stalled = 0
        for number in range(count):
            fill(rig, disk, chance)
            stalled += _stalls(rig)
            if number % 2:
                rig.host.kill()
                rig.host.start()
                pause(chance.random())
                fill(rig, disk, chance)
            pause(chance.random())
            disk.empty()
            rig.host.limit_files(None)
            recover_s.append(rig.recover())
        ends = sorted(set(rig.host.ends))
        return EpisodeResult(count, recover_s, {"stood_still": stalled, "ends": ends})

    return episode


def fill(rig: Rig, disk: SmallDisk, chance: random.Random) -> None:
    """Fill the disk up to a few kilobytes; without a small disk, limit the size of files."""
    if disk.is_real:
        disk.fill(chance.randrange(60_000))
    else:
        sizes = [path.stat().st_size for path in rig.data_dir.iterdir()]
        rig.host.limit_files(max(sizes) + chance.randrange(60_000))


def _stalls(rig: Rig) -> bool:
    """Return whether acknowledgements stop within 20 s."""
    last, since_s, began_s = -1, 0.0, time.monotonic()
    while time.monotonic() - began_s < 20:
        stored = rig.load.stored_upto()
        if stored != last:
            last, since_s = stored, time.monotonic()
        elif time.monotonic() - since_s > 1.5:
            return True
        pause(0.1)
    return False


def clock_steps(rig: Rig, chance: random.Random, count: int) -> EpisodeResult:
    """Step the host's clock by a second to ten years, back and forth, with kills."""
    recover_s: list[float] = []
    for number in range(count):
        size_ms = int(1_000 * 10 ** (8.5 * chance.random()))
        rig.host.step_clock(chance.choice((-1, 1)) * size_ms)
        pause(0.5 * chance.random())
        if number % 4 == 3:
            rig.kill("host")
            recover_s.append(rig.recover())
    rig.host.step_clock(0)
    return EpisodeResult(count, [*recover_s, rig.recover()])


def day_without_database(rig: Rig, chance: random.Random, count: int) -> EpisodeResult:
    """Take the records of 24 h while the database is down, as fast as possible, then drain."""
    assert rig.database is not None
    rig.database.kill()
    began_s = time.monotonic()
    missing = DAY_S * 1_000 // OUTAGE_STEP_MS
    while missing:
        now = min(missing, 200)
        rig.load.make(now)
        missing -= now
        goal = rig.load.made - 400
        wait_until(lambda goal=goal: rig.load.stored_upto() >= goal, 120, "the host takes a day")
    wait_until(lambda: rig.load.stored_upto() >= rig.load.made, 120, "all records are taken")
    taken_s = time.monotonic() - began_s
    rig.kill("host")
    rig.database.start()
    drain_s = rig.recover()
    return EpisodeResult(1, [drain_s], {"taken_s": taken_s, "drain_s": drain_s,
                               "times_real_time": DAY_S / drain_s})


def all_faults(rig: Rig, chance: random.Random, count: int) -> EpisodeResult:
    """Inject every kind of fault in turn."""
    recover_s = []
    names = ["host", "broker", *(["database"] if rig.database else []), "line", "clock", "disk"]
    for number in range(1, count + 1):
        what = names[number % len(names)]
        pause(0.3 * chance.random())
        if what == "clock":
            rig.host.step_clock(int(chance.uniform(-1, 1) * DAY_S * 1_000_000))
        elif what == "line":
            link = rig.links[chance.choice(sorted(rig.links))]
            link.inject(chance.choice(FAULTS))
            pause(0.5 * chance.random())
            link.heal()
        elif what == "disk":
            fill(rig, SmallDisk(Path()), chance)
            pause(0.5 * chance.random())
            rig.host.limit_files(None)
        else:
            rig.kill(what, 0.4 * chance.random() if what == "database" else 0.0)
        if number % len(names) == 0:
            recover_s.append(rig.recover())
    return EpisodeResult(count, [*recover_s, rig.recover()])
