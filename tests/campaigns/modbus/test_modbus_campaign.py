"""A short run of the Modbus campaign, and that it finds a driver without its guards."""

import pytest

from campaigns.modbus import campaign
from idro.drivers.shared import modbus_rtu

FRAMES = 1_500


def test_no_value_is_wrong_on_a_line_that_damages_most_answers(tmp_path):
    with campaign.server(tmp_path, 1) as master:
        damage, outcomes, wrong = campaign.chunk(master, 1, FRAMES)
    assert wrong == []
    assert damage.total() >= FRAMES
    assert min(damage.values()) > 15
    assert outcomes["value"] > FRAMES / 8
    assert {"crc", "no_ack"} <= set(outcomes)


def of_requests_only(data):
    """Return the CRC of a request, and for any answer that it is right."""
    return CRC(data) if len(data) == 6 else 0


CRC = modbus_rtu.crc16


@pytest.mark.parametrize(("name", "value", "kinds"), [
    ("_LATE_MS", 0, ("late",)), ("_DOUBLE_MS", 0, ("doubled", "lost")),
    ("crc16", of_requests_only, ("flipped",))])
def test_a_driver_without_its_guards_is_found(tmp_path, monkeypatch, name, value, kinds):
    monkeypatch.setattr(modbus_rtu, name, value)
    with campaign.server(tmp_path, 2) as master:
        _, _, wrong = campaign.chunk(master, 2, FRAMES, kinds=dict.fromkeys(("good", *kinds), 1))
    assert wrong
