"""Seeded 32-bit xorshift random numbers, the same on CPython and MicroPython.

The `random` modules of the two interpreters differ, and a simulation must be reproducible from
its seed. Marsaglia, "Xorshift RNGs", J. Stat. Soft. 8 (2003), triple 13, 17, 5.
"""

from math import cos, log, pi, sqrt

_MASK = 0xFFFFFFFF
_TWO_PI = 2.0 * pi


class Rng:
    """A stream of random numbers; its whole state is the integer `state`."""

    def __init__(self, seed):
        mixed = (int(seed) * 2654435761 + 0x9E3779B9) & _MASK
        self.state = mixed or 1
        for _ in range(4):
            self.next_u32()

    def next_u32(self):
        """Return the next integer in 1..2^32-1."""
        x = self.state
        x ^= (x << 13) & _MASK
        x ^= x >> 17
        x ^= (x << 5) & _MASK
        self.state = x
        return x

    def uniform(self, low, high):
        """Return a number between `low` and `high`."""
        return low + (high - low) * (self.next_u32() / 4294967296.0)

    def gauss(self, sigma):
        """Return a normal deviate of mean 0 and standard deviation `sigma` (Box and Muller)."""
        # Two next_u32() calls inlined: each ADC sample of a probe draws one.
        x = self.state
        x ^= (x << 13) & _MASK
        x ^= x >> 17
        x ^= (x << 5) & _MASK
        y = x ^ (x << 13) & _MASK
        y ^= y >> 17
        y ^= (y << 5) & _MASK
        self.state = y
        radius = sqrt(-2.0 * log(x / 4294967296.0))
        return sigma * radius * cos(_TWO_PI * (y / 4294967296.0))
