"""The loops of two threads that send stops again, which nothing else delays."""

from __future__ import annotations

import threading
from collections.abc import Callable

from idroserra.nodes.command_state import CommandState
from idroserra.nodes.pending_stops import PendingStops

REPEAT_S = 0.5  # between two looks for stops that are due


class StopLoops:
    """`publish` receives the stops whose reason has changed."""

    def __init__(self, stops: PendingStops, publish: Callable[[CommandState], None]) -> None:
        self._stops, self._publish = stops, publish
        self._ending, self._look_up = threading.Event(), threading.Event()

    def run(self) -> None:
        """Repeat stops until end(). The loop of one thread."""
        while not self._ending.wait(REPEAT_S):
            self.repeat_stops()

    def run_look_ups(self) -> None:
        """Look up uptimes until end(). The loop of another thread: it may wait for the disk."""
        while not self._ending.is_set():
            self.look_up_boots()
            self._look_up.wait(REPEAT_S)
            self._look_up.clear()

    def wake(self) -> None:
        """Look up uptimes now: there is a new stop."""
        self._look_up.set()

    def end(self) -> None:
        """End both loops. Unanswered stops are repeated after the next start."""
        self._ending.set()
        self._look_up.set()

    def repeat_stops(self) -> None:
        """Send the stops that are due again."""
        for stop in self._stops.repeat():
            self._publish(stop)

    def look_up_boots(self) -> None:
        """Send the stops that waited for the uptime of their node, which is in the spool."""
        for stop in self._stops.look_up_boots():
            self._publish(stop)
