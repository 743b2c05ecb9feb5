"""Runs blocking calls of requests in threads: those of stops in threads of their own."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TypeVar

import anyio
from anyio.to_thread import run_sync
from starlette.types import Scope

URGENT_THREADS = 8
_STOPPING = ("/commands", "/stop")
_Result = TypeVar("_Result")


async def run_in_thread(call: Callable[[], _Result], *, is_urgent: bool) -> _Result:
    """Return the result of `call`. An urgent one does not wait for the threads of other requests,
    which may all wait for a slow store or disk."""
    return await run_sync(call, limiter=_urgent() if is_urgent else None)


def may_stop(scope: Scope) -> bool:
    """Return whether a request may be a stop: its log-in is checked in an urgent thread."""
    return scope.get("method") == "POST" and str(scope["path"]).endswith(_STOPPING)


@cache
def _urgent() -> anyio.CapacityLimiter:
    return anyio.CapacityLimiter(URGENT_THREADS)
