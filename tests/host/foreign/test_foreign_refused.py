"""Foreign readings that the store refuses cost no others."""

import pytest

from support.foreign_rig import SHED, T0, Rig


@pytest.fixture
def rig(tmp_path):
    made = Rig(tmp_path)
    yield made
    made.settings.close()
    made.store.close()


def test_a_value_that_the_store_refuses_costs_no_other_one(rig, caplog):
    other = "foreign/other/zigbee2mqtt/shed"
    rig.send(SHED, {"temperature": 21.3})
    rig.send(other, {"temperature": 18})
    rig.adopt()
    rig.adopt("other-air", other)
    rig.send(other, {"temperature": 18.5})
    rig.now_unix_ms = -1_000  # a host without a set clock
    rig.send(SHED, {"temperature": 21.4})
    rig.now_unix_ms = T0 + 60_000
    rig.send(SHED, {"temperature": 21.5})
    rig.send(other, {"temperature": 18.6})
    rig.foreign.store()
    assert rig.history() == [(60_000, 21.5)]
    assert rig.history("foreign:other-air") == [(0, 18.5), (60_000, 18.6)]
    assert len(rig.stored) == 3
    assert [record.message for record in caplog.records] == [
        "1 foreign readings are not stored: foreign.temp_c: -1000 ms is not a valid time"]
    rig.foreign.store()
    assert len(rig.stored) == 3


def test_a_message_with_a_time_before_1970_costs_no_value_of_another_hub(rig):
    other = "foreign/other/zigbee2mqtt/shed"
    rig.send(SHED, {"temperature": 21.3})
    rig.send(other, {"temperature": 18})
    rig.adopt()
    rig.adopt("other-air", other)
    rig.send(other, {"temperature": 18.5})
    rig.send(SHED, {"temperature": 21.4, "last_seen": "0001-01-01T00:00:00Z"})
    rig.foreign.store()
    assert rig.history("foreign:other-air") == [(0, 18.5)]
    assert rig.history() == [(0, 21.4)]
