"""A node that is forgotten leaves no alarm to the next board of its name."""

import pytest

from idroserra.core.errors import StoreUnavailable
from support.alarm_rig import MINUTE_MS, AlarmRig

PH, EC = "reservoir.ph", "reservoir.ec_us_cm"
PH_HIGH, EC_HIGH = f"ph_high/idro-0/{PH}", f"ec_high/idro-0/{EC}"
OTHER = f"ph_high/idro-1/{PH}"


@pytest.fixture
def rig(tmp_path):
    """Two nodes; alarms of one are out of service and shelved, of the other out of service."""
    rig = AlarmRig(tmp_path, count=2)
    for node in rig.nodes.values():
        node["values"] |= {PH: 7.0, EC: 3_000}
    rig.step(40 * MINUTE_MS, 10_000)
    for key in (PH_HIGH, OTHER):
        rig.alarms.take_out_of_service(key, "ada", "", rig.now_unix_ms)
    rig.alarms.shelve(EC_HIGH, 86_400_000, "ada", "", rig.now_unix_ms)
    yield rig
    rig.close()


def test_what_was_silenced_of_a_node_that_is_forgotten_is_annunciated_for_the_next(rig):
    rig.alarms.forget("idro-0", "bob", rig.now_unix_ms)
    assert rig.states() == {OTHER: "out_of_service", f"ec_high/idro-1/{EC}": "unacknowledged"}
    ended = {one.key: (one.was, one.state, one.by) for one in
             rig.alarms.history(0, rig.now_unix_ms + 1, 2, node="idro-0")}
    assert ended == {PH_HIGH: ("out_of_service", "normal", "bob"),
                     EC_HIGH: ("shelved", "normal", "bob")}
    rig.restart()
    rig.step(40 * MINUTE_MS, 10_000)  # another board of this name, in the same water
    assert (rig.states()[PH_HIGH], rig.states()[EC_HIGH]) == ("unacknowledged",) * 2


def test_an_alarm_that_is_not_raised_yet_begins_its_delay_again_without_a_row(rig):
    rig.alarms.forget("idro-0", "bob", rig.now_unix_ms)
    rig.step(9 * MINUTE_MS, 10_000)
    rows = rig.alarms.history(0, rig.now_unix_ms + 1, 100, node="idro-0")
    rig.alarms.forget("idro-0", "bob", rig.now_unix_ms)
    assert rig.alarms.history(0, rig.now_unix_ms + 1, 100, node="idro-0") == rows
    rig.step(29 * MINUTE_MS, 10_000)
    assert PH_HIGH not in rig.states()


def test_a_file_that_cannot_be_written_refuses(rig):
    rig.database.close()
    with pytest.raises(StoreUnavailable):
        rig.alarms.forget("idro-0", "bob", rig.now_unix_ms)
    rig.open()
