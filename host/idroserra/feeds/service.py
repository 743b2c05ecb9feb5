"""All feeds of a host: what the store takes is marked for each, and each has a thread."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from idroserra.core.config import Config
from idroserra.core.errors import ConfigError, NotFound, StoreUnavailable
from idroserra.feeds.feeder import Feeder
from idroserra.feeds.pending_spans import PendingSpans, Span, Waiting, is_damage, joined
from idroserra.history.models import EventPoint, Instant, Store

MOST_AHEAD_MS = 31 * 86_400_000  # newer records are implausible and not in the store

_log = logging.getLogger("idroserra")


class UnknownFeed(NotFound):
    """The configuration has no feed of this name."""


class FeedState(NamedTuple):
    """How a feed is. failed_unix_ms, why: since when it takes nothing; None and "" if it does."""

    name: str
    where: str
    failed_unix_ms: int | None
    why: str
    waiting: Waiting


class Feeds:
    """The feeds of the configuration. Any thread may call."""

    def __init__(
        self, config: Config, store: Callable[[], Store], now_unix_ms: Callable[[], int]
    ) -> None:
        """Open feeds.db if there is a feed, or was one. Raises ConfigError, StoreUnavailable."""
        path = config.data_dir / "feeds.db"
        self._store = store
        self._now_unix_ms = now_unix_ms
        self._damage: tuple[int, str] | None = None  # of feeds.db: since when, and what to do
        self._spans: PendingSpans | None = None
        self._feeders: dict[str, Feeder] = {}
        if not config.feed and not path.exists():
            return
        names = [feed.name for feed in config.feed]
        try:
            try:
                self._spans = PendingSpans(path, names)
            except (StoreUnavailable, sqlite3.Error) as error:
                if not is_damage(error):
                    raise
                path.replace(aside := path.with_suffix(".damaged"))
                _log.warning("%s is damaged: it is %s now; `idroserra feed fill` sends each feed"
                             " what it may lack", path, aside.name)
                self._spans = PendingSpans(path, names)
        except (OSError, sqlite3.Error) as error:
            raise ConfigError(str(path), "", str(error)) from error
        for feed in config.feed:
            self._feeders[feed.name] = Feeder(feed, config.site, self._spans, store, now_unix_ms)

    def loops(self) -> list[tuple[str, Callable[[], None]]]:
        """Return the name and the loop of each feed's thread."""
        return [(f"feed {name}", feeder.run) for name, feeder in self._feeders.items()]

    def mark(self, instants: Sequence[Instant], events: Sequence[EventPoint]) -> None:
        """Note that the store has taken these. Raises StoreUnavailable, as on a full disk.

        A damaged file stops the feeds, not the store."""
        if not self._feeders or self._spans is None or self._damage is not None:
            return
        times = [(instant.node, instant.unix_ms) for instant in instants]
        times += [(event.node, event.unix_us // 1_000) for event in events]
        try:
            self._spans.mark(joined(Span(node, unix_ms, unix_ms + 1) for node, unix_ms in times))
        except StoreUnavailable as error:
            if not is_damage(error):
                raise
            self._damage = (self._now_unix_ms(), f"{error.why}: restart the host, then"
                            " `idroserra feed fill`")
        for feeder in self._feeders.values():
            feeder.wake()

    def fill(self, name: str, from_unix_ms: int = 0) -> FeedState:
        """Let a feed take the past since `from_unix_ms` too. Raises UnknownFeed, StoreError."""
        feeder = self.feeder(name)
        assert self._spans is not None
        # Not the years that a wrong clock may have left between.
        end_unix_ms = self._now_unix_ms() + MOST_AHEAD_MS
        self._spans.add(name, [
            Span(node, max(oldest, from_unix_ms), min(newest + 1, end_unix_ms))
            for node, (oldest, newest) in self._store().spans().items()
            if newest >= from_unix_ms and max(oldest, from_unix_ms) < end_unix_ms])
        feeder.wake()
        return self._state(feeder, self._spans)

    def feeder(self, name: str) -> Feeder:
        """Return a feed. Raises UnknownFeed."""
        if name not in self._feeders:
            raise UnknownFeed(f"no feed {name!r} in the configuration")
        return self._feeders[name]

    def states(self) -> list[FeedState]:
        """Return how each feed is. Raises StoreUnavailable."""
        if self._spans is None:
            return []
        return [self._state(feeder, self._spans) for feeder in self._feeders.values()]

    def health(self) -> dict[str, str]:
        """Return {feed: "ok", or why it takes nothing}."""
        return {name: (self._damage or feeder.failure or (0, "ok"))[1]
                for name, feeder in self._feeders.items()}

    def stop(self) -> None:
        """End the loops."""
        for feeder in self._feeders.values():
            feeder.stop()

    def close(self) -> None:
        """Close the connections and the file."""
        for feeder in self._feeders.values():
            feeder.close()
        if self._spans is not None:
            self._spans.close()

    def _state(self, feeder: Feeder, spans: PendingSpans) -> FeedState:
        failed_unix_ms, why = self._damage or feeder.failure or (None, "")
        return FeedState(feeder.name, feeder.where, failed_unix_ms, why,
                         spans.waiting(feeder.name))


def as_json(state: FeedState) -> dict[str, Any]:
    """Return a state as the API gives it."""
    return {"name": state.name, "where": state.where, "failed_unix_ms": state.failed_unix_ms,
            "why": state.why, **state.waiting._asdict()}
