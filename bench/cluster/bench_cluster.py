"""Measures what messages cost at a cluster of brokers and beside mosquitto: `make bench-cluster`.

The nodes run the outbox and session of the firmware over TLS. First one cell at mosquitto, then
one at three RabbitMQ, then three cells at the same brokers. The CPU time is that of the processes,
with what they take when nothing is sent.
"""

from __future__ import annotations

import os
import sys
import tempfile
import threading
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
sys.path.extend([str(HERE.parent), str(HERE.parents[1] / "tests")])

from results import parameters, write_section  # noqa: E402

from campaigns.chaos.cell_fleet import CellPlan, fleet  # noqa: E402
from campaigns.chaos.cells import Cell, CellRig, HostServer  # noqa: E402
from campaigns.chaos.reconciliation import spool_counts  # noqa: E402
from support.adopted_nodes import adopt_nodes  # noqa: E402
from support.databases import Influxd  # noqa: E402
from support.line_rig import Rig  # noqa: E402
from support.wait import wait_until  # noqa: E402

TICKS, PAGE_BYTES = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")
CELLS = 3
CONNECTED_S = 120


class Plan(NamedTuple):
    """Parameters of a run."""

    nodes: int = 100  # of a cell
    every_s: float = 1.0
    for_s: float = 60.0


class Cost(NamedTuple):
    """CPU time in µs a message, and memory (RSS), of all brokers and of the first cell's host."""

    name: str
    messages_per_s: float
    brokers_us: float
    host_us: float
    brokers_mib: float
    host_mib: float


def used(pid: int, *, is_group: bool = False) -> tuple[float, float]:
    """Return CPU time in s and memory in MiB of a process and its children, or of all processes of
    its group."""
    stats = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rsplit(")", 1)[1].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        stats[int(path.parent.name)] = [int(field) for field in fields[1:22]]
    if is_group:
        found = {one for one, fields in stats.items() if fields[1] == pid}
    else:
        found, last = {pid}, set()
        while found != last:
            last = set(found)
            found |= {one for one, fields in stats.items() if fields[0] in last}
    return (sum(sum(stats[one][10:12]) for one in found) / TICKS,
            sum(stats[one][20] for one in found) * PAGE_BYTES / 1_048_576)


def at_mosquitto(plan: Plan, folder: Path, opened: ExitStack) -> tuple[Cell, Rig]:
    """Start one cell at a mosquitto."""
    database = opened.enter_context(Influxd(folder / "influx"))
    names = tuple(f"idro-{number:04}" for number in range(plan.nodes))
    broker = opened.enter_context(Rig(folder / "data", names, folder / "mosquitto"))
    own, here = broker.line, "127.0.0.1"
    host = HostServer(folder / "host", 0, own, broker.host_port, database.url, (here,))
    adopt_nodes(host.data_dir, names, fleet.KEY)
    cell = opened.enter_context(Cell(host, list(names), CellPlan(
        plan.nodes, plan.every_s, str(host.folder), [here], broker.node_port,
        str(own.server_ca), str(own.folder / "nodes"))))
    return cell, broker


def measure(name: str, plan: Plan, cells: list[Cell], brokers: Iterable[tuple[int, bool]]) -> Cost:
    """Measure while all nodes of `cells` send. `brokers` are the arguments of used()."""
    brokers, first = list(brokers), cells[0].host
    wait_until(lambda: all(cell.ask()["connected"] == plan.nodes for cell in cells), CONNECTED_S,
               "every node is connected")
    threading.Event().wait(plan.every_s)

    def now() -> list[float]:
        received = [spool_counts(cell.host.data_dir)["received"] for cell in cells]
        of_brokers = [used(pid, is_group=is_group) for pid, is_group in brokers]
        of_host = used(first.pid)
        return [sum(received), received[0], sum(cpu_s for cpu_s, _ in of_brokers), of_host[0],
                sum(mib for _, mib in of_brokers), of_host[1]]

    before = now()
    threading.Event().wait(plan.for_s)
    after = now()
    messages, own, brokers_s, host_s = (
        later - earlier for later, earlier in zip(after[:4], before[:4], strict=True))
    return Cost(name, messages / plan.for_s, 1e6 * brokers_s / messages, 1e6 * host_s / own,
                *after[4:])


def run(plan: Plan, folder: Path) -> Iterator[Cost]:
    """Yield the cost of each set-up."""
    with ExitStack() as opened:
        cell, broker = at_mosquitto(plan, folder / "alone", opened)
        yield measure("mosquitto, 1 cell", plan, [cell], [(broker.pid, False)])
    with CellRig(folder / "cluster", "influx", cells=CELLS, nodes=plan.nodes,
                 every_s=plan.every_s) as rig:
        brokers = [(member.pid, True) for member in rig.brokers.members]
        for count, cell in enumerate(rig.cells, 1):
            rig.begin(cell)
            if count in (1, CELLS):
                name = f"3 RabbitMQ, {count} cell{'s' if count > 1 else ''}"
                yield measure(name, plan, rig.cells[:count], brokers)


def table(costs: list[Cost]) -> Iterator[str]:
    """Yield the rows of the table, in Markdown; ratios are to the row above."""
    yield ("| brokers | messages a second | brokers, µs a message | host, µs a message |"
           " brokers, MiB | host, MiB |")
    yield "|---|---|---|---|---|---|"
    above = None
    for one in costs:
        figures = [f"{now:,.0f}" if above is None else f"{now:,.0f} ({now / then:.2f} times)"
                   for now, then in zip(one[2:4], (above or one)[2:4], strict=True)]
        yield (f"| {one.name} | {one.messages_per_s:.0f} | {' | '.join(figures)} |"
               f" {one.brokers_mib:,.0f} | {one.host_mib:,.0f} |")
        above = one


def main() -> None:
    """Run and print."""
    asked, is_recorded = parameters("Messages at mosquitto and at a cluster.", Plan()._asdict())
    plan = Plan(**asked)
    with tempfile.TemporaryDirectory(prefix="idroserra-cluster-") as name:
        rows = list(table(list(run(plan, Path(name)))))
    print("\n".join(rows))
    if is_recorded:
        write_section("cluster", "make bench-cluster", rows)


if __name__ == "__main__":
    main()
