"""The short part of `make chaos`: everything goes wrong in turn, and every record is counted.

The full counts, and what they found, are in bench/RESULTS.md.
"""

import random

import pytest

from campaigns.chaos.faults import all_of_it
from campaigns.chaos.rig import Rig

MINUTE_S = 60


@pytest.mark.parametrize(("store", "faults"), [("influx", 12)])
def test_whatever_dies_each_record_is_stored_once(tmp_path, store, faults):
    with Rig(tmp_path, store, linked=True) as rig:
        rig.flow()
        done = all_of_it(rig, random.Random(5), faults)
        account, books = rig.settle()
    assert (account.lost, account.doubled, account.wrong) == (0, 0, 0)
    assert books["received"] == books["stored"] == account.taken > 0
    assert books["lost"] == books["rejected"] == 0
    assert max(done.recover_s) < MINUTE_S
