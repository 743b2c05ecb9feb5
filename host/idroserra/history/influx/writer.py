"""Writes points and events as line protocol. The same point twice is one point."""

from __future__ import annotations

import logging
import re
import threading
from collections import Counter
from collections.abc import Sequence

from idroserra.core.config import DatabaseConfig
from idroserra.core.errors import StoreRejected
from idroserra.history.influx.lines import BareLines, Lines
from idroserra.history.line_protocol import event_line, instant_lines
from idroserra.history.models import EventPoint, Instant

MAX_TEXTS = 1_500  # instants and events in one body: about 5,000 lines

# The other points of the body are written. 1.x, then 2.x.
_TOO_OLD = re.compile(r"points beyond retention policy dropped=(\d+)"
                      r"|dropped (\d+) points outside retention policy")

_log = logging.getLogger("idroserra")


class LineWriter:
    """Writes to one database over one connection. Connects on demand; thread-safe."""

    def __init__(self, config: DatabaseConfig, site: str) -> None:
        self._config = config
        self._site = site
        self._lock = threading.Lock()
        self._lines = open_lines(config)

    def write(
        self, instants: Sequence[Instant], events: Sequence[EventPoint]
    ) -> Counter[str]:
        """Write data of nodes; return {node: number of instants and events} that the database
        dropped, because they are older than it keeps. Raises StoreUnavailable, StoreRejected."""
        texts = instant_lines(self._site, instants)
        texts += [event_line(self._site, event) for event in events]
        times = [(instant.unix_ms * 1_000, instant.node) for instant in instants]
        times += [(event.unix_us, event.node) for event in events]
        too_old: Counter[str] = Counter()
        with self._lock:
            for at in range(0, len(texts), MAX_TEXTS):
                body = texts[at : at + MAX_TEXTS]
                dropped = self._send_lines(body)
                # The lines that were dropped are the oldest ones.
                for (_, node), text in sorted(zip(times[at:], body, strict=False)):
                    if dropped <= 0:
                        break
                    dropped -= text.count("\n") + 1
                    too_old[node] += 1
        if too_old:
            _log.warning("%s: %d records are older than the database keeps and were dropped",
                         self._config.url, too_old.total())
        return too_old

    def write_lines(self, texts: Sequence[str]) -> None:
        """Write lines of other measurements. Raises StoreUnavailable, StoreRejected."""
        with self._lock:
            self._send_lines(texts)

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            self._lines.close()

    def _send_lines(self, texts: Sequence[str]) -> int:
        """Write lines; return how many were dropped because they are older than the retention."""
        try:
            self._lines.send("\n".join(texts).encode())
        except StoreRejected as error:
            found = _TOO_OLD.search(error.why)
            if found is None:
                raise
            return int(found[1] or found[2])
        return 0


def open_lines(config: DatabaseConfig) -> Lines:
    """Return the sender of a database; it connects on demand."""
    if config.write_api == "v1":
        return BareLines(config)
    from idroserra.history.influx.client import ClientLines

    return ClientLines(config)
