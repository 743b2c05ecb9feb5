"""The short variant of `make bench-nodes`: fifty nodes with the firmware's outbox and session."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[2] / "bench/nodes"))

from bench_nodes import Plan, run  # noqa: E402  found there

NODES = 50
MAX_MIB = 110  # Usually 80 to 90; more indicates an unintended import.


def test_fifty_nodes_lose_nothing_and_the_host_stays_small(tmp_path):
    came = run(Plan(nodes=NODES, every_s=1.0, live_s=3.0, backlog_nodes=0), tmp_path)
    (live,) = came.phases
    assert came.stored == came.taken >= NODES
    assert (came.lost, came.doubled, came.thinned) == (0, 0, 0)
    assert live.records > 0
    assert live.rss_mib < MAX_MIB
