"""One live feed for each way of speaking that somebody at a page has, made when it is asked for.

What a feed tells is in words, so two people who read different languages or units read different
feeds. That of the terminal, English and metric, is always there; another ends a while after its
last reader.
"""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress

from idroserra.i18n.translate import DEFAULT_LOCALE, Locale, use_locale
from idroserra.server.service import Service
from idroserra.web.node_view import NodeViews
from idroserra.web.sse import EventStream

LOOK_EVERY_S = 30.0
KEPT_S = 120.0  # a page that was shown opens its stream by then


class FeedHub:
    """The feeds. run() must be going; any thread may call of()."""

    def __init__(self, service: Service, views: NodeViews, digest: str) -> None:
        self._service = service
        self._views = views
        self._digest = digest
        self._loop = asyncio.get_running_loop()
        self._lock = threading.Lock()
        self._feeds: dict[Locale, EventStream] = {}
        self._tasks: dict[Locale, asyncio.Task[None]] = {}
        self._is_ended = False

    def of(self, speech: Locale) -> EventStream:
        """Return the feed in this language and these units; it goes on from this moment."""
        with self._lock:
            feed = self._feeds.get(speech)
            if feed is None:
                feed = self._feeds[speech] = EventStream(self._service, self._views, self._digest)
                self._loop.call_soon_threadsafe(self._begin, speech, feed)
            feed.used_s = self._loop.time()
            return feed

    async def run(self) -> None:
        """Keep the plain feed going, and end those that nobody reads, until cancelled."""
        self.of(DEFAULT_LOCALE)
        try:
            while True:
                await asyncio.sleep(LOOK_EVERY_S)
                self._end_unread()
        finally:
            self.end()
            for task in self._tasks.values():
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task

    def end(self) -> None:
        """Let every open stream finish, so that the server can stop."""
        self._is_ended = True
        with self._lock:
            for feed in self._feeds.values():
                feed.end()

    def _begin(self, speech: Locale, feed: EventStream) -> None:
        if self._is_ended:
            feed.end()
            return
        with use_locale(speech):  # the task and its threads inherit it
            self._tasks[speech] = asyncio.create_task(feed.run())

    def _end_unread(self) -> None:
        with self._lock:
            old_s = self._loop.time() - KEPT_S
            unread = [speech for speech, feed in self._feeds.items()
                      if speech != DEFAULT_LOCALE and not feed.readers and feed.used_s < old_s]
            for speech in unread:
                del self._feeds[speech]
        for speech in unread:
            task = self._tasks.pop(speech, None)
            if task is not None:
                task.cancel()
