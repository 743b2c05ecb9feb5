"""Stops amid floods, slow and lossy links, a full disk, and restarts of the host, by seed.

Usage: stops.py [COUNT] [FIRST_SEED]; prints a table. Exit code 1 if a stop was unanswered.
"""

import logging
import random
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from support.stop_rig import DOSER, NODE, StopRig  # noqa: E402

LINKS = {
    "good": None,
    "slow": lambda rng: {
        "delay_ms": rng.randint(100, 800), "bytes_per_s": rng.randint(1_000, 8_000)},
    "lossy": lambda rng: {"delay_ms": rng.randint(20, 200), "loss": rng.uniform(0.02, 0.25)},
    "slow and lossy": lambda rng: {
        "delay_ms": rng.randint(100, 500), "bytes_per_s": rng.randint(2_000, 8_000),
        "loss": rng.uniform(0.02, 0.15)},
}
HOSTS = ("runs", "full disk", "restarts")
ANSWER_WITHIN_MS = 600_000
REST_MS = 2_000


class Result(NamedTuple):
    """One stop. Times are from the request; None: not seen. connections: opened meanwhile."""

    seed: int
    link: str
    host: str
    count: int
    rest_ms: int | None  # until the node had stopped its pumps
    answered_ms: int | None
    connections: int


def run_case(seed: int, folder: Path) -> Result:
    """Run one stop while a pump doses. The seed decides everything."""
    rng = random.Random(seed)
    link, host = rng.choice(list(LINKS)), rng.choice(HOSTS)
    count = round(10 ** rng.uniform(1, 3))
    rig = StopRig(folder, seed)
    try:
        assert rig.wait_for(lambda: rig.publisher.connected, 60_000)
        rig.wait(5_000)
        args = LINKS[link]
        if args is not None:
            rig.network.set("slow", args(rng))
        connections = _count_connections(rig)
        rig.wait(rng.randint(0, 3_000))
        rig.dose()
        if "full" in host:
            rig.host.fill_disk()
        before = rng.randint(0, count)
        rig.flood(before, rng)
        rig.wait(rng.choice((0, rng.randint(0, 1_000))))
        began_ms = rig.now_ms()
        stop_id = rig.host.commands.send(NODE, "stop", {}, "ann")
        rig.flood(count - before, rng)
        if host == "restarts":
            rig.wait(rng.randint(0, 50))
            rig.host.close()
            rig.wait(rng.randint(100, 20_000))
            rig.host.open()
        is_answered = rig.wait_for(
            lambda: rig.host.commands.state(stop_id).state == "done", ANSWER_WITHIN_MS, 50)
        answered_ms = rig.now_ms() - began_ms if is_answered else None
        if "full" in host:
            assert rig.host.audit.failure, "the full disk is shown"
        rest_ms = None if rig.stopped_ms is None else rig.stopped_ms - began_ms
        rig.wait(20_000)
        assert rig.rig.level(DOSER) == 0
        return Result(seed, link, host, count, rest_ms, answered_ms, connections[0])
    finally:
        rig.close()


def _count_connections(rig: StopRig) -> list[int]:
    count, accept = [0], rig.network.broker.accept

    def counted(socket):
        count[0] += 1
        return accept(socket)

    rig.network.broker.accept = counted
    return count


def is_late(one: Result) -> bool:
    """True if the pumps of a node with a good link ran on for too long."""
    return one.link == "good" and (one.rest_ms is None or one.rest_ms > REST_MS)


def print_table(results: list[Result]) -> None:
    """Print, by link and host, the number of stops and the slowest."""
    print("link            host                 stops  unanswered  slowest rest  slowest answer")
    for link in LINKS:
        for host in HOSTS:
            found = [one for one in results if (one.link, one.host) == (link, host)]
            if found:
                answered = [one.answered_ms for one in found if one.answered_ms is not None]
                print(f"{link:15} {host:20} {len(found):5}  {len(found) - len(answered):10}  "
                      f"{max(one.rest_ms or 0 for one in found) / 1_000:10.1f} s  "
                      f"{max(answered, default=0) / 1_000:12.1f} s")


def main(count: int, first_seed: int) -> int:
    """Run `count` seeds; return the exit code."""
    logging.getLogger("idroserra").setLevel(logging.CRITICAL)  # the full disk, hundreds of times
    results = []
    for seed in range(first_seed, first_seed + count):
        with tempfile.TemporaryDirectory() as folder:
            results.append(run_case(seed, Path(folder)))
        if len(results) % 50 == 0:
            print(f"{len(results)} of {count}", file=sys.stderr, flush=True)
    print_table(results)
    lost = [one for one in results if one.answered_ms is None]
    late = [one for one in results if is_late(one)]
    broken = [one for one in results if one.connections]
    print(f"{len(results)} stops, {len(lost)} unanswered; {len(late)} at a good link rested later "
          f"than {REST_MS} ms; {len(broken)} saw the node reconnect")
    for one in (lost + late + broken)[:10]:
        print(one)
    return 1 if lost or late else 0


if __name__ == "__main__":
    words = [int(word) for word in sys.argv[1:]]
    sys.exit(main(*(words + [1_000, 1][len(words):])))
