"""An output whose part does not suit its name is refused: its limits go by the name, and by the
litres of the tank."""

import pytest

from idroserra.boards import compiler
from idroserra.boards.proposal import OUTPUTS
from idroserra.boards.summary import warnings_of
from idroserra.core.errors import BoardError

FILE = "esp32-reservoir.toml"
TEXT = (compiler.boards_dir() / FILE).read_text()
PARTS = compiler.read_parts((compiler.boards_dir() / compiler.PARTS_FILE).read_bytes())
LIGHT = 'name = "light"\npart = "{}"\npin = 19\n{}max_on_ms'


@pytest.mark.parametrize(("old", "new", "key", "words"), [
    # As a switch it would run for minutes by hand, past every budget of acid.
    ('name = "ph_down"\npart = "doser"', 'name = "ph_down"\npart = "switch"', "actuator[0].part",
     "ph_down must be a doser, not a switch"),
    ('name = "top_off"\npart = "switch"', 'name = "top_off"\npart = "dimmer"\nfreq_hz = 1_000',
     "actuator[5].part", "top_off must be a switch, not a dimmer"),
    (LIGHT.format("dimmer", "freq_hz = 1_000\n"), LIGHT.format("switch", ""),
     "actuator[6].part", "light must be a dimmer"),
    # The node would not start.
    ('name = "nutrient_b"', 'name = "nutrient_c"', "actuator[3].name",
     "must be one of ph_down, ph_up, nutrient_a, nutrient_b"),
])
def test_a_part_that_does_not_suit_the_name_is_refused(old, new, key, words):
    assert old in TEXT
    with pytest.raises(BoardError) as caught:
        compiler.compile_board(TEXT.replace(old, new, 1).encode(), FILE, PARTS)
    assert (caught.value.file, caught.value.key) == (FILE, key)
    assert words in str(caught.value)


def test_an_output_of_another_name_is_a_switch_or_a_dimmer():
    assert "lamp" not in OUTPUTS
    text = TEXT.replace('name = "light"', 'name = "lamp"')
    outputs = compiler.compile_board(text.encode(), FILE, PARTS)["actuators"]
    assert ("lamp", "dimmer") in [(one["name"], one["part"]) for one in outputs]


def test_a_board_that_doses_is_asked_for_its_litres():
    silent = TEXT.replace("[reservoir]\nvolume_l = 100\n", "")
    assert silent != TEXT
    read = compiler.read_data(silent.encode(), FILE, PARTS)
    assert read.compiled["volume_l"] == 100
    assert "volume_l is missing: the limits of acid and base" in " ".join(warnings_of(read))
    for other in (TEXT, silent.split("[[actuator]]")[0]):
        read = compiler.read_data(other.encode(), FILE, PARTS)
        assert "volume_l" not in " ".join(warnings_of(read))
