"""Runs blocking calls of requests in threads: some in threads of their own."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TypeVar

from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from starlette.types import Scope

URGENT_THREADS = 8
LOG_IN_THREADS = 4  # one password is hashed at a time
_STOPPING = ("/commands", "/stop")
_LOG_INS = ("/api/session", "/api/session/link", "/api/session/confirm", "/api/setup")
_Result = TypeVar("_Result")


async def run_in_thread(
    call: Callable[[], _Result], threads: CapacityLimiter | None = None
) -> _Result:
    """Return the result of `call`, run in one of `threads`. Without them it may wait for the
    threads of other requests, all of which may wait for a slow store or disk."""
    return await run_sync(call, limiter=threads)


def threads_of(scope: Scope) -> CapacityLimiter | None:
    """Return the threads in which a request is checked and audited; None: those of all."""
    if scope.get("method") != "POST":
        return None
    if str(scope["path"]).endswith(_STOPPING):  # it may be a stop
        return urgent_threads()
    return log_in_threads() if scope["path"] in _LOG_INS else None


@cache
def urgent_threads() -> CapacityLimiter:
    """The threads of stops."""
    return CapacityLimiter(URGENT_THREADS)


@cache
def log_in_threads() -> CapacityLimiter:
    """The threads of log-ins, which take none of a stop while passwords are hashed."""
    return CapacityLimiter(LOG_IN_THREADS)


@cache
def photo_threads() -> CapacityLimiter:
    """The thread of photos, which are decoded one at a time: those that wait hold none."""
    return CapacityLimiter(1)
