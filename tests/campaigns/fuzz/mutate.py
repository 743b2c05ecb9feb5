"""Mutates byte strings as a fuzzer without coverage does."""

import random
from collections.abc import Iterator, Sequence

MOST_BYTES = 16_384
_EDGES = (0, 1, 0x7F, 0x80, 0xFF, 0x22, 0x5C, 0x0A, 0x2C, 0x3D, 0x20)


def inputs(
    seeds: Sequence[bytes], words: Sequence[str], rng: random.Random
) -> Iterator[bytes]:
    """Yield seeds mutated in one to six places, endlessly."""
    tokens = [word.encode() for word in words]
    while True:
        data = bytearray(rng.choice(seeds))
        for _ in range(rng.randint(1, 6)):
            _change(data, seeds, tokens, rng)
        yield bytes(data[:MOST_BYTES])


def _change(
    data: bytearray, seeds: Sequence[bytes], tokens: Sequence[bytes], rng: random.Random
) -> None:
    at = rng.randrange(len(data) + 1)
    span = min(len(data) - at, 1 + int(rng.expovariate(0.2)))
    kind = rng.randrange(8)
    if kind == 0:
        del data[at:at + span]
    elif kind == 1:
        data[at:at + span] = rng.randbytes(span)
    elif kind == 2 and tokens:
        data[at:at] = rng.choice(tokens)
    elif kind == 3 and tokens:
        data[at:at + span] = rng.choice(tokens)
    elif kind == 4:
        data[at:at] = bytes(data[at:at + 8 * span])
    elif kind == 5:
        other = rng.choice(seeds)
        start = rng.randrange(len(other) + 1)
        data[at:] = other[start:]
    elif at < len(data):
        data[at] = rng.choice(_EDGES) if kind == 6 else data[at] ^ 1 << rng.randrange(8)
