"""Runs many nodes in one process, each with the MQTT session and outbox of the firmware.

fleet.py PORT FIRST COUNT EVERY_S FOLDER. Each line on stdin is an order, answered by a line of
JSON: `status`, `backlog NODES RECORDS` (so many nodes add so many records of the last days),
`quiet` (no more records), `end`.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

from idro.app.commands import CommandHandler
from idro.net.publisher import Broker, Handlers, Publisher
from idro.outbox.outbox import Outbox
from idro.protocol import messages, settings, system_host
from idro.protocol.reason import Reason

CHANNELS = (
    "reservoir.ph", "reservoir.ec_us_cm", "reservoir.temp_c", "reservoir.level_mm",
    "air.temp_c", "air.rh_pct", "light.duty_pct", "circulation.on_pct", "top_off.on_pct",
    "node.heap_free_b", "node.outbox_count", "node.rssi_dbm",
)
UPTIME_MS = 73 * 3_600_000  # of a node at the start, longer than the backlog
DAYS_MS = 3 * 86_400_000
EVENT_EVERY = 60  # records
KEY = b"k" * 32  # of every node
QUIET = asyncio.Event()


class Clock:
    """Uptime of a node that has run for three days."""

    def now_ms(self) -> int:
        """Return ms since boot."""
        return UPTIME_MS + int(asyncio.get_running_loop().time() * 1_000)

    async def sleep_ms(self, duration_ms: int) -> None:
        """Sleep."""
        await asyncio.sleep(duration_ms / 1_000)


class CommandIds(set[str]):
    """The commands that a node has begun."""

    has = set[str].__contains__


class Node:
    """One node: it measures, stores records until the host confirms them, and carries out the
    command `hold`."""

    def __init__(self, number: int, port: int, folder: Path, every_s: float, *,
                 connect: Callable[..., Any] = asyncio.open_connection,
                 has_certificate: bool = False,
                 actions: dict[str, Callable[..., None]] | None = None) -> None:
        """`connect` opens (host, port); `actions` are those of more commands."""
        self.name = f"idro-{number:04}"
        self.boot_id = boot_id_of(number)
        self.records = self.events = 0
        self.last_seq = 0
        self.live: deque[tuple[int, float]] = deque()  # (seq, time of the record)
        self.delays_s: list[float] = []
        self._every_s = every_s
        self._clock = Clock()
        path = folder / self.name
        self.outbox = Outbox(str(path), self.boot_id, CHANNELS, self._clock)
        self.command_ids = CommandIds()
        self._commands = CommandHandler(
            (self.name, KEY, self.boot_id), clock=self._clock, command_ids=self.command_ids,
            actions={"hold": hold} if actions is None else actions, stop=_ignore,
            stop_outcome=_ignore, record_event=_ignore,
            send_ack=lambda *ack: self.publisher.send_ack(*ack))
        handlers = Handlers(self._info, self._report, self._commands.receive, _ignore,
                            self.on_stored, _ignore)
        broker = Broker("127.0.0.1", port, self.name, None, has_certificate, connect)
        self.publisher = Publisher(broker, self.outbox, self._clock, handlers, random.randint)

    async def measure(self) -> None:
        """Take a record every `every_s`, sometimes an event."""
        await asyncio.sleep(random.random() * self._every_s)
        while not QUIET.is_set():
            self.take(self._clock.now_ms())
            self.live.append((self.last_seq, asyncio.get_running_loop().time()))
            await asyncio.sleep(self._every_s)

    def take(self, at_ms: int) -> None:
        """Take one record of `at_ms`."""
        if (self.records + self.events) % EVENT_EVERY == EVENT_EVERY - 1:
            self.last_seq = self.outbox.append_event(
                at_ms, "dosed", {"actuator": "ph_down", "volume_ul": 2_000, "on_ms": 1_330})
            self.events += 1
        else:
            self.last_seq = self.outbox.append_telemetry(at_ms, values(self.records), {})
            self.records += 1

    def backlog(self, count: int) -> None:
        """Add `count` records, evenly over the last three days."""
        end_ms = self._clock.now_ms()
        for i in range(count):
            self.take(end_ms - (count - i) * (DAYS_MS // count))

    def on_stored(self, payload: bytes) -> Any:
        """Take a down/stored; return it, or None if it must be ignored."""
        stored = self._commands.receive_stored(payload)
        if stored is None:
            return None
        now_s = asyncio.get_running_loop().time()
        while self.live and self.live[0][0] <= stored.seq_upto:
            self.delays_s.append(now_s - self.live.popleft()[1])
        return stored

    def _info(self) -> Any:
        return messages.Info(
            "0.1.0", "esp32-reservoir", "esp32", self.boot_id, self._clock.now_ms(), None, "none",
            "power_on", "", CHANNELS, {"ph_down": "doser"}, self.outbox.boots(), False, 100, 0,
            messages.AS_FLASHED, system_host.UNKNOWN_SYSTEM)

    def _report(self) -> Any:
        return messages.ConfigReport(0, None, settings.defaults())


def boot_id_of(number: int) -> str:
    """Return the boot of a node."""
    return f"b{number:07}"


def values(number: int) -> dict[str, float]:
    """Return the readings of a node."""
    return {
        "reservoir.ph": round(5.5 + number % 997 / 1_000, 3),
        "reservoir.ec_us_cm": 1_500 + number % 400, "reservoir.temp_c": 21.25,
        "reservoir.level_mm": 180, "air.temp_c": 23.5, "air.rh_pct": 61.5, "light.duty_pct": 80,
        "circulation.on_pct": 100, "top_off.on_pct": 0, "node.heap_free_b": 61_000,
        "node.outbox_count": number % 50, "node.rssi_dbm": -60,
    }


def hold(args: Any, _by: str, answer: Callable[..., None]) -> None:
    answer("done", Reason("hold_begun", for_ms=args["for_ms"]))


def _ignore(*_: object) -> None:
    return None


def status(nodes: list[Node]) -> dict[str, Any]:
    """Return the numbers of records taken and pending, and the delays until they were stored."""
    delays_s = [delay_s for node in nodes for delay_s in node.delays_s]
    for node in nodes:
        node.delays_s.clear()
    return {
        "records": sum(node.records for node in nodes),
        "events": sum(node.events for node in nodes),
        "kept": sum(node.outbox.count for node in nodes),
        "connected": sum(node.publisher.connected for node in nodes),
        "delays_s": delays_s, "thinned": sum(node.outbox.lost_count for node in nodes),
    }


async def main(port: int, first: int, count: int, every_s: float, folder: Path) -> None:
    """Run until the order `end`."""
    nodes = [Node(first + i, port, folder, every_s) for i in range(count)]
    running = [asyncio.create_task(node.publisher.run()) for node in nodes]
    running += [asyncio.create_task(node.measure()) for node in nodes]
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while (line := await reader.readline()).strip() not in (b"", b"end"):
        order, *numbers = line.split()
        if order == b"quiet":
            QUIET.set()
        elif order == b"backlog":
            for node in nodes[:int(numbers[0])]:
                node.backlog(int(numbers[1]))
                await asyncio.sleep(0)
        print(json.dumps(status(nodes)), flush=True)
    for task in running:
        task.cancel()


if __name__ == "__main__":
    _port, _first, _count = map(int, sys.argv[1:4])
    asyncio.run(main(_port, _first, _count, float(sys.argv[4]), Path(sys.argv[5])))
