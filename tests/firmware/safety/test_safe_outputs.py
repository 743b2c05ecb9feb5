"""Tests that all actuator pins are driven to their safe level at boot, on any board."""

import sys
from types import SimpleNamespace

import pytest

OUT = 1
BOARD = {
    "expanders": [{"off_pin": 5, "off_level": 1}],
    "actuators": [
        {"pin": 12, "safe_level": 0}, {"pin": 13, "safe_level": 1},
        {"expander": "valves", "pin": 0, "safe_level": 0},
    ],
}


@pytest.fixture
def pins(monkeypatch):
    """Return the (pin, mode, level) that the fake `machine` has driven."""
    driven = []

    def pin(number, mode, value):
        driven.append((number, mode, value))

    pin.OUT = OUT
    monkeypatch.setitem(sys.modules, "machine", SimpleNamespace(Pin=pin))
    monkeypatch.setitem(sys.modules, "idro.board", SimpleNamespace(BOARD=BOARD))
    monkeypatch.delitem(sys.modules, "idro.safety.safe_outputs", raising=False)
    yield driven
    sys.modules.pop("idro.safety.safe_outputs", None)


def test_all_actuators_and_expanders_are_driven_safe(pins):
    from idro.safety.safe_outputs import drive_all_safe

    drive_all_safe()
    assert pins == [(5, OUT, 1), (12, OUT, 0), (13, OUT, 1)]
