"""Tests of two pH probes in a board file."""

import pytest

from idroserra.boards import compiler
from idroserra.core.errors import BoardError

NAME = "esp32s3-ezo"
BOARD = (compiler.boards_dir() / f"{NAME}.toml").read_text()
PARTS = compiler.read_parts((compiler.boards_dir() / compiler.PARTS_FILE).read_bytes())
SECOND = """
[[sensor]]
source = "second"
part = "ezo_ph"
measures = ["ph"]
bus = "i2c.main"
address = 0x65
pair = "reservoir"
own_supply = true
"""


def compiled(more, board=BOARD):
    return compiler.compile_board((board + more).encode(), f"{NAME}.toml", PARTS)


def test_a_second_probe_is_a_channel_of_its_own_and_names_the_first():
    sensor = compiled(SECOND)["sensors"][-1]
    assert sensor == {
        "source": "second", "part": "ezo_ph", "measures": ["ph"], "bus": "i2c.main",
        "address": 0x65, "pair": "reservoir"}


def test_it_takes_the_water_temperature_of_the_first():
    with pytest.raises(BoardError, match=r"sensor\[\d+\]: ezo_ph needs second.temp_c"):
        compiled(SECOND.replace('pair = "reservoir"\n', ""))


ANALOG = """
[[adc]]
name = "main"
part = "ads1115"
bus = "i2c.main"
address = 0x48
"""
WRONG = {
    "another quantity": (
        SECOND.replace("ezo_ph", "ezo_ec").replace('"ph"', '"ec_us_cm"'),
        "pair", "only probes of ph"),
    "no first": (
        SECOND.replace('pair = "reservoir"', 'pair = "air"'),
        "pair", "name the source of the first"),
    "itself": (
        SECOND.replace('"second"', '"reservoir"'), "measures", "choose another source"),
    "a third": (
        SECOND + SECOND.replace("second", "third").replace("0x65", "0x66"),
        "pair", "one pair is compared"),
    "calibrated by the settings": (
        ANALOG + SECOND.replace("ezo_ph", "sen0161").replace("i2c.main", "adc.main").replace(
            "address = 0x65", "channel = 0"),
        "part", "holds its own"),
}


@pytest.mark.parametrize("case", WRONG)
def test_refuses_with_key_and_way_out(case):
    more, key, words = WRONG[case]
    with pytest.raises(BoardError) as refused:
        compiled(more)
    assert words in str(refused.value)
    assert key in str(refused.value)
