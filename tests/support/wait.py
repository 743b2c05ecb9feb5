"""Waits for a condition, with time limits for a loaded machine."""

import threading
import time
from collections.abc import Callable

import pytest

# A check may need a request, so the interval grows with the waiting time.
_POLL_S = 0.02, 0.25
_POLL_SHARE = 0.1
# Callers give the time of an idle machine. A loaded one gets a multiple, at least a minute.
_PATIENCE = 10
_MIN_S = 60


def wait_until(condition: Callable[[], object], timeout_s: float, what: str) -> None:
    """Wait until `condition()` is true; fail with `what` after a time-out.

    `timeout_s` is the longest time that an idle machine needs."""
    pause = threading.Event()
    patience_s = max(_MIN_S, _PATIENCE * timeout_s)
    begun_s = time.monotonic()
    while not condition():
        waited_s = time.monotonic() - begun_s
        if waited_s > patience_s:
            pytest.fail(f"waited {patience_s} s in vain for: {what}")
        pause.wait(min(max(_POLL_SHARE * waited_s, _POLL_S[0]), _POLL_S[1]))
