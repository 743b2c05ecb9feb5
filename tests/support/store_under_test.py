"""Writes to a store until it is killed: store_under_test.py FILE FIRST_BLOCK.

The blocks are the same in each run, and some are late. Prints the number of each durable block.
"""

import random
import sys
from pathlib import Path

from idroserra.history.models import Instant, SamplePoint
from idroserra.history.sqlite.store import SqliteStore

NODE = "idro-a1"
T0 = 1_795_507_200_000
HOUR_MS = 3_600_000
BLOCKS = 80
CHANNELS = ("reservoir.ph", "air.temp_c")


def block(number: int) -> list[SamplePoint]:
    """Return the points of a block of 10 minutes; every fifth is late and already packed."""
    rng = random.Random(number)
    start = T0 + number * 600_000
    if number % 5 == 4:
        start -= 4 * HOUR_MS + 5_000
    return [SamplePoint(NODE, channel, start + at * 10_000, rng.randrange(40, 80) / 10)
            for at in range(60) for channel in CHANNELS]


def expected() -> dict[tuple[str, int], float]:
    """Return {(channel, unix_ms): value} of all blocks."""
    return {(point.channel, point.unix_ms): point.value
            for number in range(BLOCKS) for point in block(number)}


def main() -> None:
    store = SqliteStore(Path(sys.argv[1]))
    for number in range(int(sys.argv[2]), BLOCKS):
        store.write([Instant(point.node, point.unix_ms, {point.channel: point.value})
                     for point in block(number)], [])
        print(number, flush=True)
        while store.maintain(T0 + (number + 12) * 600_000):
            pass
    store.close()
    print("done", flush=True)


if __name__ == "__main__":
    main()
