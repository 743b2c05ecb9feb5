"""The short variant of `make chaos ARGS="--only cluster"`."""

import random

from campaigns.chaos import cell_faults
from campaigns.chaos.cells import CellRig

MINUTE_S = 60


def test_three_cells_lose_nothing_at_three_brokers_under_every_fault(tmp_path):
    chance = random.Random(3)
    with CellRig(tmp_path, "influx", nodes=2) as rig:
        rig.flow()
        cell_faults.kill_broker(rig.brokers.members[1], 0)
        cell_faults.kill_server(rig.cells[0].host, 0)
        cell_faults.kill_server(rig.database, 1)
        cell_faults.part(rig, rig.brokers.members[2].address, 3)
        cell_faults.fill_disk(rig, chance)
        recovered_s = rig.recover()
        counts, books = rig.finish()
    assert (counts.lost, counts.doubled, counts.wrong) == (0, 0, 0)
    assert books["received"] == books["stored"] == counts.taken > 0
    assert books["lost"] == books["rejected"] == 0
    assert recovered_s < MINUTE_S
    assert rig.report["commands"]["done"] > 0
