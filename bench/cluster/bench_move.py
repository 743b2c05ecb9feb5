"""Moves a site and a cell under load: `make bench-move`.

Three cells with the outbox and session of the firmware at three RabbitMQ, each node with a record
every few seconds. A site of the first cell moves to the second (`idroserra move`), then the third
cell to another folder by backup and restore, as to another machine. Every record is looked for in
the database; the pages of the cells that do not move are opened all the while. Exit code 3: a
record was lost or is there twice, or a page took more than twice its usual time.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
sys.path.extend([str(HERE.parent), str(HERE.parents[1] / "tests")])

import httpx  # noqa: E402
from results import parameters, write_section  # noqa: E402

from campaigns.chaos import reconciliation  # noqa: E402
from campaigns.chaos.cell_fleet import STEP_MS, fleet  # noqa: E402
from campaigns.chaos.cells import Cell, CellRig  # noqa: E402
from campaigns.chaos.load_generator import ExpectedNode  # noqa: E402
from idroserra.auth.local_token import token_for  # noqa: E402

SITE = "Hall 2"
MOST_TIMES = 2.0


class Plan(NamedTuple):
    """Parameters of a run."""

    nodes: int = 100  # of a cell
    moving: int = 20  # of them at the site that moves
    every_s: float = 5.0
    usual_s: float = 60.0


class Move(NamedTuple):
    """One move: how long it took, and the overview of the other cells, before and meanwhile."""

    name: str
    nodes: int
    took_s: float
    usual_s: list[float]
    meanwhile_s: list[float]


class Pages:
    """Opens the overview of hosts in turn, twice a second."""

    def __init__(self, cells: list[Cell]) -> None:
        self._cells = cells

    @contextmanager
    def opened(self) -> Iterator[list[float]]:
        """Yield the times it takes, a list that grows meanwhile."""
        took_s: list[float] = []
        ended = threading.Event()

        def run() -> None:
            while not ended.wait(0.5):
                for cell in self._cells:
                    began_s = time.monotonic()
                    httpx.get(f"{cell.host.url}/", headers=_headers(cell), timeout=60,
                              trust_env=False).raise_for_status()
                    took_s.append(time.monotonic() - began_s)

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield took_s
        finally:
            ended.set()
            thread.join()


def _headers(cell: Cell) -> dict[str, str]:
    return {"Authorization": f"Bearer {token_for(cell.host.url)}"}


def cli(cell: Cell, *words: object) -> None:
    """Run a command of a host."""
    subprocess.run([sys.executable, "-m", "idroserra.cli", *map(str, words)], check=True,
                   stdout=subprocess.DEVNULL, cwd=cell.host.folder)


def move_site(folder: Path, old: Cell, new: Cell) -> None:
    """Do the steps of docs/cluster.md."""
    package, arguments = folder / "site.move", {
        cell: ("--config", cell.host.folder / "host.toml") for cell in (old, new)}
    cli(old, "move", "pack", SITE, package, *arguments[old], "--url", old.host.url)
    new.host.stop()
    cli(new, "move", "take", package, *arguments[new])
    new.host.start()
    cli(old, "move", "send", f"{package}.certificates", "--url", old.host.url)
    cli(new, "move", "finish", package, *arguments[new], "--url", new.host.url)
    cli(old, "move", "forget", f"{package}.arrived", "--url", old.host.url)


def move_cell(folder: Path, cell: Cell) -> None:
    """Stop a host, and start it from its backup in another folder."""
    cell.host.stop()
    config = cell.host.folder / "host.toml"
    cli(cell, "backup", folder / "cell.backup", "--with-keys", "--config", config)
    elsewhere = folder / "elsewhere"
    text = config.read_text().replace(str(cell.host.data_dir), str(elsewhere))
    (folder / "elsewhere.toml").write_text(text)
    cli(cell, "restore", folder / "cell.backup", "--config", folder / "elsewhere.toml")
    cell.host.data_dir = elsewhere
    cell.host.start()


def timed(
    name: str, nodes: int, others: list[Cell], plan: Plan, move: Callable[[], None]
) -> Move:
    """Move something while the pages of the other cells are opened."""
    pages = Pages(others)
    with pages.opened() as usual_s:
        threading.Event().wait(plan.usual_s)
    began_s = time.monotonic()
    with pages.opened() as meanwhile_s:
        move()
        took_s = time.monotonic() - began_s
    return Move(name, nodes, took_s, usual_s, meanwhile_s)


def run(plan: Plan, folder: Path) -> tuple[list[Move], reconciliation.Counts]:
    """Move, and look for every record."""
    with CellRig(folder, "influx", nodes=plan.nodes, every_s=plan.every_s, own_names=True) as rig:
        rig.flow()
        old, new, third = rig.cells
        moving = old.nodes[:plan.moving]
        for node in moving:
            httpx.put(f"{old.host.url}/api/nodes/{node}/site", headers=_headers(old),
                      json={"site": SITE}, trust_env=False).raise_for_status()
        moves = [
            timed("site", len(moving), [third], plan, lambda: move_site(folder, old, new)),
            timed("cell", plan.nodes, [old, new], plan, lambda: move_cell(folder, third))]
        rig.commands.end()
        taken = {node: count for cell in rig.cells for node, count in
                 cell.ask("quiet")["taken"].items()}
        rig.recover()
        homes = {old: old.nodes[plan.moving:], new: [*new.nodes, *moving], third: third.nodes}
        return moves, _counts(rig, homes, taken)


def _counts(
    rig: CellRig, homes: dict[Cell, list[str]], taken: dict[str, int]
) -> reconciliation.Counts:
    """Compare what the nodes have taken with the database of the cell where each is now."""
    counts = []
    for cell, nodes in homes.items():
        cell.host.stop()
        expected = [ExpectedNode(node, fleet.boot_id_of(int(node.removeprefix("idro-"))), STEP_MS,
                                 taken[node], None) for node in nodes]
        counts.append(reconciliation.reconcile(
            cell.host.data_dir, expected,
            reconciliation.influx_reader(rig.database, cell.host.store)))
    return reconciliation.Counts(*map(sum, zip(*counts, strict=True)))


def table(moves: list[Move]) -> Iterator[str]:
    """Yield the rows of the table, in Markdown."""
    yield "| moved | nodes | took, s | overview of the other cells, usual, s | meanwhile, s |"
    yield "|---|---|---|---|---|"
    for one in moves:
        figures = [f"{statistics.median(found):.2f}, at most {max(found):.2f}"
                   for found in (one.usual_s, one.meanwhile_s)]
        yield f"| {one.name} | {one.nodes} | {one.took_s:.0f} | {' | '.join(figures)} |"


def main() -> int:
    """Run and print."""
    asked, is_recorded = parameters("A site and a cell move under load.", Plan()._asdict())
    with tempfile.TemporaryDirectory(prefix="idroserra-move-") as name:
        moves, counts = run(Plan(**asked), Path(name))
    rows = [*table(moves), "", f"{counts.taken:,} records taken: {counts.lost} lost, "
            f"{counts.doubled} twice, {counts.wrong} wrong."]
    print("\n".join(rows))
    if is_recorded:
        write_section("move", "make bench-move", rows)
    is_slow = any(max(one.meanwhile_s) > MOST_TIMES * max(one.usual_s) for one in moves)
    return 3 if is_slow or counts.lost or counts.doubled or counts.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
