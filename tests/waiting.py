"""Waiting for a condition, on a machine that may be busy with other things."""

import threading
import time
from collections.abc import Callable

import pytest

_POLL_S = 0.02
# Limits are for a machine with nothing else to do; one that is loaded has so many times as long.
_PATIENCE = 5


def wait_until(condition: Callable[[], object], timeout_s: float, what: str) -> None:
    """Return when `condition()` is true; fail, naming `what`, when it is not in time.

    `timeout_s` is what a machine with nothing else to do needs at most."""
    pause = threading.Event()
    deadline_s = time.monotonic() + _PATIENCE * timeout_s
    while not condition():
        if time.monotonic() > deadline_s:
            pytest.fail(f"waited {_PATIENCE * timeout_s} s in vain for: {what}")
        pause.wait(_POLL_S)
