"""The most memory that a call takes, for tests of limits."""

import tracemalloc


def peak_bytes(run):
    """Return the most bytes that Python objects of run() take at the same time."""
    tracemalloc.start()
    try:
        run()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
