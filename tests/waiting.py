"""Waiting for a condition, on a machine that may be busy with other things."""

import threading
import time
from collections.abc import Callable

import pytest

_POLL_S = 0.02
# Limits are for a machine with nothing else to do. One that is loaded has so many times as long,
# and never less than a minute: only a test that fails waits for it.
_PATIENCE = 10
_LEAST_S = 60


def wait_until(condition: Callable[[], object], timeout_s: float, what: str) -> None:
    """Return when `condition()` is true; fail, naming `what`, when it is not in time.

    `timeout_s` is what a machine with nothing else to do needs at most."""
    pause = threading.Event()
    patience_s = max(_LEAST_S, _PATIENCE * timeout_s)
    deadline_s = time.monotonic() + patience_s
    while not condition():
        if time.monotonic() > deadline_s:
            pytest.fail(f"waited {patience_s} s in vain for: {what}")
        pause.wait(_POLL_S)
