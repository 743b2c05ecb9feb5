"""One simulated greenhouse of the demo: its last day, then its live node, then the time before.

The live node continues the run of the last day, with its plant, probes, bottles, flash and clock.
To simulate weeks takes minutes, so the time before the last day is a run of its own, which a
change of water ended.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from idroserra.core import protocol
from idroserra.core.errors import HostError
from idroserra.demo.history import HistorySender
from idrosim.runner import process

DAY_MS = 86_400_000
STOP_DEADLINE_S = 20.0
_TRACE_EVERY_MS = 3_600_000
# Added to the seed for the time before the last day: the seed decides the ids of boots, and the
# host takes two boots of one id for one.
_EARLIER_SEED = 1_000_000

MakeJob = Callable[..., dict[str, Any]]  # of one run of a greenhouse, with the image installed


class Greenhouse(threading.Thread):
    """One simulated node: identity, settings, environment, and the thread of its history.

    `error`: why the history ended early, None if it did not.
    """

    def __init__(
        self, node: str, key: bytes, settings: Mapping[str, Any], plant: Mapping[str, Any],
        seed: int, now_unix_ms: int, history_ms: int,
    ) -> None:
        super().__init__(name=f"greenhouse-{node}", daemon=True)
        self.node = node
        self.key = key
        self.settings = dict(settings)
        self.plant = dict(plant)
        self.seed = seed
        self.history_ms = history_ms
        self.history_done_ms = 0
        self.live: process.LiveNode | None = None
        self.error: str | None = None
        self._now_unix_ms = now_unix_ms
        self._last_day_ms = min(history_ms, DAY_MS)
        self._senders: list[HistorySender] = []
        self._stopping = threading.Event()

    @property
    def water_change_unix_ms(self) -> int | None:
        """Time of the change of water before the last day; None if the history is shorter."""
        return self._now_unix_ms - DAY_MS if self.history_ms > DAY_MS else None

    def power_up(self, make_job: MakeJob, broker_port: int) -> None:
        """Start the live node, after its last day if it has a history."""
        self._make_job = make_job
        self._broker_port = broker_port
        if self.history_ms:
            self.start()
        else:
            self._go_live(self._job("node", self._now_unix_ms, self.seed))

    def run(self) -> None:
        """Thread body: ends with the history or its failure, or after stop()."""
        try:
            last_day = self._job("node", self._now_unix_ms - self._last_day_ms, self.seed)
            self._simulate(last_day, self._last_day_ms)
            self._go_live(last_day)
            earlier_ms = self.history_ms - self._last_day_ms
            if earlier_ms:
                earlier = self._job(
                    "earlier", self._now_unix_ms - self.history_ms, self.seed + _EARLIER_SEED)
                self._simulate(earlier, earlier_ms)
        except _Stopped:
            return
        except (HostError, process.SimulatorError, protocol.ProtocolError, OSError) as error:
            if not self._stopping.is_set():  # Ctrl-C stops the broker, too
                self.error = str(error)

    def request_stop(self) -> None:
        """End the history soon."""
        self._stopping.set()

    def stop(self) -> None:
        """End the history and the live node."""
        self.request_stop()
        if self.is_alive():
            self.join(STOP_DEADLINE_S)
        if self.live is not None:
            self.live.stop()

    def sent(self) -> dict[str, dict[str, int]]:
        """Return {"live" | "history": {boot_id: highest seq sent}}."""
        live = self.live.sent() if self.live is not None else {}
        history = {boot: seq for sender in self._senders for boot, seq in sender.sent.items()}
        return {"live": {boot: seq for boot, (seq, _) in live.items()}, "history": history}

    def _job(self, run: str, start_unix_ms: int, seed: int) -> dict[str, Any]:
        wall = datetime.fromtimestamp(start_unix_ms / 1_000).astimezone()
        plant = self.plant | {"start.hour": wall.hour + wall.minute / 60}
        return self._make_job(
            self, run, seed=seed, start_unix_ms=start_unix_ms, plant=plant,
            settings=self.settings, trace_every_ms=_TRACE_EVERY_MS)

    def _simulate(self, job: dict[str, Any], duration_ms: int) -> None:
        """Run `job` in lockstep and send what the node published."""
        sender = HistorySender(
            self.node, job["start_unix_ms"], "127.0.0.1", self._broker_port)
        self._senders.append(sender)
        before_ms = self.history_done_ms

        def on_line(line: dict[str, Any]) -> None:
            if self._stopping.is_set():
                raise _Stopped
            sender.take(line)
            if "at_ms" in line:
                self.history_done_ms = max(before_ms + line["at_ms"], self.history_done_ms)

        try:
            process.run_lockstep(job | {"duration_ms": duration_ms}, on_line)
        finally:
            sender.close()

    def _go_live(self, job: dict[str, Any]) -> None:
        """Start the live node at the end of the run of `job`, or new if that has not run."""
        if self._stopping.is_set():
            raise _Stopped
        now_ms = time.time_ns() // 1_000_000 - job["start_unix_ms"]
        self.live = process.LiveNode(self._make_job(
            self, "node", seed=self.seed, mode="live", start_unix_ms=job["start_unix_ms"],
            plant=job["plant"], resume_at_ms=now_ms if self.history_ms else 0))
        self.live.start()


class _Stopped(Exception):  # noqa: N818 - not an error: ends a run
    pass
