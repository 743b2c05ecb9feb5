"""Some of the stops of stops.py; `make campaign-stops` runs 1,000."""

import pytest

from campaigns.stops.stops import REST_MS, is_late, run_case
from support.stop_rig import DOSER, NODE, StopRig


@pytest.mark.parametrize("seed", range(1, 31))
def test_a_stop_is_answered_and_the_pumps_rest(tmp_path, seed):
    result = run_case(seed, tmp_path)
    assert result.answered_ms is not None
    assert not is_late(result)


@pytest.mark.parametrize("before", [0, 500, 1_000])
def test_the_pumps_rest_amid_1000_forged_stops(tmp_path, before):
    rig = StopRig(tmp_path, 1)
    try:
        assert rig.wait_for(lambda: rig.publisher.connected, 60_000)
        rig.wait(5_000)
        rig.dose()
        rig.forge(before)
        began_ms = rig.now_ms()
        stop_id = rig.host.commands.send(NODE, "stop", {}, "ann")
        rig.forge(1_000 - before)
        assert rig.wait_for(lambda: rig.host.commands.state(stop_id).state == "done", REST_MS, 50)
        assert rig.stopped_ms - began_ms <= REST_MS
        assert rig.rig.level(DOSER) == 0
    finally:
        rig.close()
