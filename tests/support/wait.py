"""Waiting for a condition, on a machine that may be busy with other things."""

import threading
import time
from collections.abc import Callable

import pytest

# A look may cost a request or more, so who has waited long looks less often.
_POLL_S = 0.02, 0.25
_POLL_SHARE = 0.1
# Limits are for a machine with nothing else to do. One that is loaded has so many times as long,
# and never less than a minute: only a test that fails waits for it.
_PATIENCE = 10
_LEAST_S = 60


def wait_until(condition: Callable[[], object], timeout_s: float, what: str) -> None:
    """Return when `condition()` is true; fail, naming `what`, when it is not in time.

    `timeout_s` is what a machine with nothing else to do needs at most."""
    pause = threading.Event()
    patience_s = max(_LEAST_S, _PATIENCE * timeout_s)
    begun_s = time.monotonic()
    while not condition():
        waited_s = time.monotonic() - begun_s
        if waited_s > patience_s:
            pytest.fail(f"waited {patience_s} s in vain for: {what}")
        pause.wait(min(max(_POLL_SHARE * waited_s, _POLL_S[0]), _POLL_S[1]))
