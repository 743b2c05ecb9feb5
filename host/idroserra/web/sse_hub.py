"""Creates one live stream for each locale that a page requests.

Messages contain texts, so each language and choice of units needs its own stream. It compares the
state of every node once a second, so it ends KEPT_S after its last reader. A stream that fails
ends its readers, who connect again and get a new one.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from typing import Any

from idroserra.i18n.translate import Locale, current_locale, use_locale
from idroserra.web.context import WebContext
from idroserra.web.sse import EventStream

CHECK_EVERY_S = 30.0
KEPT_S = 120.0  # a rendered page has opened its stream by then

_log = logging.getLogger("idroserra")


class FeedHub:
    """Event streams by locale. run() must be running; of() is thread-safe."""

    def __init__(self, context: WebContext, digest: str) -> None:
        self._context = context
        self._digest = digest
        self._loop = asyncio.get_running_loop()
        self._lock = threading.Lock()
        self._streams: dict[Locale, EventStream] = {}
        self._tasks: dict[Locale, asyncio.Task[None]] = {}
        self._has_ended = False

    def of(self, locale: Locale) -> EventStream:
        """Return the stream of a locale, started if it is not running."""
        with self._lock:
            stream = self._streams.get(locale)
            if stream is None or stream.has_ended:
                stream = self._streams[locale] = EventStream(
                    self._context, self._digest, lambda: len(self._streams))
                self._loop.call_soon_threadsafe(self._start, locale, stream)
            stream.used_s = self._loop.time()
            return stream

    def handed_out(
        self, nodes: list[dict[str, Any]], host: list[dict[str, str]] | None = None
    ) -> None:
        """Tell the stream of the current locale, if there is one, what a page got besides it."""
        with self._lock:
            stream = self._streams.get(current_locale())
        if stream is not None:
            stream.handed_out(nodes, host)

    async def run(self) -> None:
        """End streams without readers, until cancelled; then all."""
        try:
            while True:
                await asyncio.sleep(CHECK_EVERY_S)
                self._end_unread()
        finally:
            self.end()
            for task in self._tasks.values():
                task.cancel()
            await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    def end(self) -> None:
        """End every open stream, so that the server can stop."""
        self._has_ended = True
        with self._lock:
            for stream in self._streams.values():
                stream.end()

    def _start(self, locale: Locale, stream: EventStream) -> None:
        if self._has_ended:
            stream.end()
            return
        with use_locale(locale):  # inherited by the task and its threads
            task = self._tasks[locale] = asyncio.create_task(stream.run())
        task.add_done_callback(_log_failure)

    def _end_unread(self) -> None:
        with self._lock:
            old_s = self._loop.time() - KEPT_S
            unread = [locale for locale, stream in self._streams.items()
                      if not stream.readers and stream.used_s < old_s]
            for locale in unread:
                del self._streams[locale]
        for locale in unread:
            task = self._tasks.pop(locale, None)
            if task is not None:
                task.cancel()


def _log_failure(task: asyncio.Task[None]) -> None:
    error = None if task.cancelled() else task.exception()
    if error is not None:
        _log.error("the live stream failed, pages connect again: %r", error, exc_info=error)
