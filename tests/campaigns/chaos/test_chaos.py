"""The short variant of `make chaos`. bench/RESULTS.md has the full counts."""

import random

import pytest

from campaigns.chaos.faults import all_faults
from campaigns.chaos.rig import Rig

MINUTE_S = 60


@pytest.mark.parametrize(("store", "faults"), [("influx", 12)])
def test_each_record_is_stored_once_under_every_fault(tmp_path, store, faults):
    with Rig(tmp_path, store, linked=True) as rig:
        rig.flow()
        done = all_faults(rig, random.Random(5), faults)
        counts, spool = rig.finish()
    assert (counts.lost, counts.doubled, counts.wrong) == (0, 0, 0)
    assert spool["received"] == spool["stored"] == counts.taken > 0
    assert spool["lost"] == spool["rejected"] == 0
    assert max(done.recover_s) < MINUTE_S
