"""Outputs for the air are refused where the board cannot know that air, or heat too long."""

import pytest

from idroserra.boards import compiler, warnings
from idroserra.core.errors import BoardError

FILE = "esp32-climate.toml"
TEXT = (compiler.boards_dir() / FILE).read_text()
PARTS = compiler.read_parts((compiler.boards_dir() / compiler.PARTS_FILE).read_bytes())
SENSOR = 'measures = ["temp_c", "rh_pct"]'


def test_the_board_of_the_air():
    board = compiler.compile_board(TEXT.encode(), FILE, PARTS)
    outputs = {actuator["name"]: actuator["max_on_ms"] for actuator in board["actuators"]}
    assert outputs == {
        "heater": 120_000, "humidifier": 120_000, "fan": 900_000, "light": 900_000,
    }
    assert warnings.warnings(board) == []


@pytest.mark.parametrize(("old", "new", "key", "words"), [
    (SENSOR, 'measures = ["rh_pct"]', "actuator[0].name", "heater needs air.temp_c"),
    (SENSOR, 'measures = ["temp_c"]', "actuator[1].name", "humidifier needs air.rh_pct"),
    ('source = "air"', 'source = "shed"', "actuator[0].name", 'of source "air"'),
    ("max_on_ms = 120_000", "max_on_ms = 120_001", "actuator[0].max_on_ms", "at most 120000"),
    ('name = "heater"\npart = "switch"', 'name = "heater"\npart = "dimmer"\nfreq_hz = 1_000',
     "actuator[0].part", "heater must be a switch"),
])
def test_what_would_be_blind_is_refused(old, new, key, words):
    assert old in TEXT
    with pytest.raises(BoardError) as caught:
        compiler.compile_board(TEXT.replace(old, new, 1).encode(), FILE, PARTS)
    assert caught.value.key == key
    assert words in str(caught.value)
