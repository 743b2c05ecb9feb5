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
_LOG_INS = ("/api/session", "/api/session/link", "/api/session/confirm", "/api/session/openid",
            "/api/session/openid/return", "/api/setup")
_Result = TypeVar("_Result")


async def run_in_thread(
    call: Callable[[], _Result], threads: CapacityLimiter | None = None
) -> _Result:
    """Return the result of `call`, run in one of `threads`. Without them it may wait for the
    threads of other requests, all of which may wait for a slow store or disk."""
    return await run_sync(call, limiter=threads)


async def stop_and_record(stop: Callable[[], Callable[[], _Result]]) -> _Result:
    """Send stops with `stop` in the threads of stops; return the result of what it returns, which
    records them in other threads: any number may wait for a slow disk and delay no stop."""
    record = await run_in_thread(stop, urgent_threads())
    return await run_in_thread(record, record_threads())


def threads_of(scope: Scope) -> CapacityLimiter | None:
    """Return the threads in which a request is checked; None: those of all."""
    if _may_stop(scope):
        return urgent_threads()
    is_log_in = scope.get("method") == "POST" and scope["path"] in _LOG_INS
    return log_in_threads() if is_log_in else None


def audit_threads_of(scope: Scope) -> CapacityLimiter | None:
    """Return the threads in which a request is audited; None: those of all.

    No row is written where stops are checked and sent: it may wait for a slow disk."""
    return audit_threads() if _may_stop(scope) else threads_of(scope)


def _may_stop(scope: Scope) -> bool:
    return scope.get("method") == "POST" and str(scope["path"]).endswith(_STOPPING)


@cache
def urgent_threads() -> CapacityLimiter:
    """The threads of stops."""
    return CapacityLimiter(URGENT_THREADS)


@cache
def record_threads() -> CapacityLimiter:
    """The threads that record stops."""
    return CapacityLimiter(URGENT_THREADS)


@cache
def audit_threads() -> CapacityLimiter:
    """The threads of the audit rows of stops and other commands."""
    return CapacityLimiter(URGENT_THREADS)


@cache
def log_in_threads() -> CapacityLimiter:
    """The threads of log-ins, which take none of a stop while passwords are hashed."""
    return CapacityLimiter(LOG_IN_THREADS)


@cache
def provider_threads() -> CapacityLimiter:
    """The threads of log-ins at an OpenID provider: one that hangs holds up no password."""
    return CapacityLimiter(LOG_IN_THREADS)


@cache
def photo_threads() -> CapacityLimiter:
    """The thread of photos, which are decoded one at a time: those that wait hold none."""
    return CapacityLimiter(1)
