"""Runs the nodes of a cell in one process, with the session and outbox of the firmware.

cell_fleet.py JSON, with the fields of CellPlan. Each line on stdin is an order, answered by a line
of JSON: `status`, `mark` (what was taken so far is to be stored), `quiet` (no more records).
"""

from __future__ import annotations

import asyncio
import json
import random
import ssl
import sys
from pathlib import Path
from typing import Any, NamedTuple

sys.path.extend([str(Path(__file__).resolve().parents[3] / "bench/nodes"),
                 str(Path(__file__).resolve().parents[2])])

import fleet  # noqa: E402  found there

from campaigns.chaos.reconciliation import EVENT_EVERY, ph_of  # noqa: E402
from idro.app.certificate_trial import CertificateTrial  # noqa: E402

STEP_MS = 10  # between records, as the node counts time


class CellPlan(NamedTuple):
    """Parameters of the nodes of a cell. A node connects to one of `members` by chance, as with a
    name that has an address for each. `first`: the number of the first node."""

    count: int
    every_s: float
    folder: str
    members: list[str]
    port: int
    ca: str
    certificates: str
    first: int = 0


class Nvs:
    """The keys and certificates of a node."""

    def __init__(self, **values: Any) -> None:
        self._values = values

    def blob(self, name: str, _max_bytes: int) -> bytes | None:
        """Return a value of bytes, or None."""
        found: bytes | None = self._values.get(name)
        return found

    def number(self, name: str) -> int | None:
        """Return a number, or None."""
        found: int | None = self._values.get(name)
        return found

    def put(self, **values: Any) -> None:
        """Set values."""
        self._values.update(values)


class CellNode(fleet.Node):
    """A node whose records follow from their numbers."""

    def __init__(self, number: int, plan: CellPlan) -> None:
        self._members = plan.members
        self.stored_upto = self.marked = 0
        actions = {"hold": fleet.hold}
        super().__init__(number, plan.port, Path(plan.folder), plan.every_s,
                         connect=self._connect, has_certificate=True, actions=actions)
        files = [Path(plan.certificates) / f"{self.name}.{end}" for end in ("pem", "key")]
        certificate, self._key = [path.read_bytes() for path in files]
        self._ca, self._folder = plan.ca, Path(plan.folder)
        self._contexts: dict[bytes, ssl.SSLContext] = {}
        self._trial = CertificateTrial(
            Nvs(tls_cert=ssl.PEM_cert_to_DER_cert(certificate.decode())), self._clock,
            lambda _kind, _detail: None)
        actions["certificate"] = self._trial.start(self.publisher)

    def take(self, at_ms: int) -> None:
        """Take the next record, whatever the time is."""
        seq = self.last_seq + 1
        at_ms = seq * STEP_MS
        if seq % EVENT_EVERY:
            self.outbox.append_telemetry(at_ms, {"reservoir.ph": ph_of(seq)}, {})
        else:
            self.outbox.append_event(at_ms, "decided", {"loop": "ph", "n": seq})
        self.last_seq = seq

    def on_stored(self, payload: bytes) -> Any:
        """Take a down/stored."""
        stored = super().on_stored(payload)
        if stored is not None:
            self.stored_upto = max(self.stored_upto, stored.seq_upto)
        return stored

    async def _connect(self, _host: str, port: int) -> Any:
        der = self._trial.certificate()
        if der not in self._contexts:
            self._contexts[der] = self._context(der)
        return await asyncio.open_connection(
            random.choice(self._members), port, ssl=self._contexts[der],
            server_hostname="localhost")

    def _context(self, der: bytes) -> ssl.SSLContext:
        path = self._folder / f"{self.name}.pem"
        path.write_bytes(ssl.DER_cert_to_PEM_cert(der).encode() + self._key)
        context = ssl.create_default_context(cafile=self._ca)
        context.load_cert_chain(path)
        return context


def answer(order: str, nodes: list[CellNode]) -> dict[str, Any]:
    """Carry out an order."""
    if order == "mark":
        for node in nodes:
            node.marked = node.last_seq
    elif order == "quiet":
        fleet.QUIET.set()
    return {
        "taken": {node.name: node.last_seq for node in nodes} if order == "quiet" else {},
        "connected": sum(node.publisher.connected for node in nodes),
        "behind": sum(node.stored_upto < node.marked for node in nodes),
        "made": sum(node.last_seq for node in nodes),
        "errors": sorted({node.publisher.last_error for node in nodes}),
        "commands": sorted(one for node in nodes for one in node.command_ids)
        if order == "quiet" else [],
    }


async def main(plan: CellPlan) -> None:
    """Run until stdin ends."""
    nodes = [CellNode(plan.first + number, plan) for number in range(plan.count)]
    running = [asyncio.create_task(node.publisher.run()) for node in nodes]
    running += [asyncio.create_task(node.measure()) for node in nodes]
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while order := (await reader.readline()).decode().strip():
        print(json.dumps(answer(order, nodes)), flush=True)
    for task in running:
        task.cancel()


if __name__ == "__main__":
    asyncio.run(main(CellPlan(**json.loads(sys.argv[1]))))
