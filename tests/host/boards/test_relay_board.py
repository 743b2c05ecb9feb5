"""A board of relay-kit parts: what compiles, what is refused with a way out, and what is drawn."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idroserra.boards import compiler, onewire_rom, pinout
from idroserra.core.errors import BoardError
from idrosim.devices.shared.onewire_bus import crc8
from support.relay_board import NAME, ROMS, TEXT, WHOLE, thermometer

PARTS = compiler.read_parts((compiler.boards_dir() / compiler.PARTS_FILE).read_bytes())


def compiled(text: str) -> compiler.Board:
    return compiler.compile_board(text.encode(), f"{NAME}.toml", PARTS)


def changed(old: str, new: str) -> str:
    assert old in WHOLE, old
    return WHOLE.replace(old, new, 1)


def test_relays_compile_with_the_switch_of_their_supply():
    board = compiled(WHOLE)
    assert board["expanders"] == [{
        "name": "relays", "part": "pcf8574", "bus": "i2c.main", "address": 0x3F,
        "off_pin": 21, "off_level": 0,
    }]
    assert board["actuators"][0] == {
        "name": "ph_down", "part": "doser", "expander": "relays", "pin": 0,
        "max_on_ms": 10_000, "safe_level": 1,
    }


# case: (old text, new text, key of the error, words of the way out)
REFUSED = {
    "no switch of the supply": (
        "supply_pin = 21\n", "", "expander[0].supply_pin",
        "keeps its outputs on when the program stops; fit a switch in the supply of all its "
        "relays or loads and wire it to a GPIO, with 10 k that pulls down"),
    "a switch that floats closed": ('pull = "down"', 'pull = "up"', "expander[0].pull",
                                    'pull = "down"'),
    "a switch on a pin that is high at boot": (
        "supply_pin = 21", "supply_pin = 18", "expander[0].supply_pin", "high during reset"),
    "a reset that it does not have": ("supply_pin = 21", "reset_pin = 21",
                                      "expander[0].reset_pin", "remove it"),
    "a pump that is on at high": (
        'pin = 0\nmax_on_ms = 10_000\nsafe_level = 1\npull = "up"',
        'pin = 0\nmax_on_ms = 10_000\nsafe_level = 0\npull = "down"',
        "actuator[0].safe_level", "are high from power-up, which would run this one"),
    "an output that floats on": ('safe_level = 1\npull = "up"', 'safe_level = 1\npull = "down"',
                                 "actuator[0].pull", "pulls up"),
    "a ninth output": ("pin = 7", "pin = 8", "actuator[2].pin", "relays has pins 0 to 7"),
    "a light": ('part = "switch"\nexpander', 'part = "dimmer"\nexpander',
                "actuator[1].expander", "of type pca9685"),
    "a fast bus": ("freq_hz = 100_000", "freq_hz = 400_000", "expander[0].bus",
                   "pcf8574 supports at most 100000 Hz, i2c.main has 400000: "
                   "set its freq_hz to 100000"),
    "an address of neither": ("address = 0x3F", "address = 0x28", "expander[0].address",
                              "40 is out of range: 32 to 39 or 56 to 63"),
    "an address above": ("address = 0x3F", "address = 0x40", "expander[0].address",
                         "32 to 39 or 56 to 63"),
    "a code without end": ('"280a1b2c3d4e5fac"', '"280a1b2c3d4e5f"', "sensor[0].rom",
                           "is not 16 hex digits, the family 28 first; `idroserra board scan`"),
    "a code of other letters": ('"280a1b2c3d4e5fac"', '"280a1b2c3d4e5fag"', "sensor[0].rom",
                                "16 hex digits"),
    "a wrong digit": ('"280a1b2c3d4e5fac"', '"280a1b2c3d4f5fac"', "sensor[0].rom",
                      "its CRC does not fit"),
    "a code as ESPHome writes it": ('"280a1b2c3d4e5fac"', '"0xac5f4e3d2c1b0a28"',
                                    "sensor[0].rom", "write 280a1b2c3d4e5fac"),
    "a DS18S20": ('"280a1b2c3d4e5fac"', '"1000000000000149"', "sensor[0].rom",
                  "is of the family 10, a DS18B20 has 28"),
    "one code twice": ('"28ff010203040562"', '"280A1B2C3D4E5FAC"', "sensor[1].rom",
                       "sensor[0] has this code"),
    "one of two without a code": ('rom = "280a1b2c3d4e5fac"\n', "", "sensor[0].rom",
                                  "missing: sensor[1] is on onewire.main too"),
    "the other of two": ('rom = "28ff010203040562"\n', "", "sensor[1].rom",
                         "missing: sensor[0] is on onewire.main too"),
    "a code of another part": (
        'rom = "280a1b2c3d4e5fac"\n',
        'rom = "280a1b2c3d4e5fac"\n\n[[sensor]]\nsource = "light"\npart = "bh1750"\n'
        'measures = ["illuminance_lx"]\nbus = "i2c.main"\naddress = 0x23\n'
        'rom = "280a1b2c3d4e5fac"\n', "sensor[1].rom", "bh1750 has none: remove it"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refuses_with_key_and_way_out(case):
    old, new, key, way_out = REFUSED[case]
    with pytest.raises(BoardError) as refused:
        compiled(changed(old, new))
    assert refused.value.key == key
    assert way_out in refused.value.why


def test_thermometers_of_one_line_compile_with_their_codes():
    sensors = compiled(WHOLE.replace("28ff", "28FF"))["sensors"]
    assert {sensor["source"]: sensor["rom"] for sensor in sensors} == ROMS
    assert {sensor["bus"] for sensor in sensors} == {"onewire.main"}


def test_a_thermometer_alone_on_its_line_needs_no_code_and_may_have_one():
    assert "rom" not in compiled(TEXT + thermometer("air"))["sensors"][0]
    [sensor] = compiled(TEXT + thermometer("air", ROMS["air"]))["sensors"]
    assert sensor["rom"] == ROMS["air"]


@given(st.binary(min_size=6, max_size=6), st.integers(0, 63))
def test_a_code_with_one_bit_changed_is_refused(serial, bit):
    body = b"\x28" + serial
    rom = body + bytes((crc8(body),))
    assert onewire_rom.refusal(rom.hex()) is None
    assert onewire_rom.refusal((int.from_bytes(rom, "big") ^ 1 << bit).to_bytes(8, "big").hex())


@given(st.text(max_size=20))
def test_any_text_is_refused_or_a_code(text):
    if onewire_rom.refusal(text) is None:
        assert crc8(bytes.fromhex(text)) == 0


@pytest.mark.parametrize("address", [0x20, 0x27, 0x38, 0x3F])
def test_both_kinds_have_their_addresses(address):
    board = compiled(changed("address = 0x3F", f"address = {address}"))
    assert board["expanders"][0]["address"] == address


def test_the_wiring_is_drawn(tmp_path):
    path = tmp_path / f"{NAME}.toml"
    path.write_text(WHOLE)
    drawn = pinout.svg(compiler.read(path))
    for text in ("supply switch of pcf8574 relays", "low switches its outputs off",
                 "fit: 10 k to ground", "relays P0", "off at high, at most 10 s, load 300 mA",
                 "fit: 10 k to 3.3 V", "0x3f pcf8574 relays",
                 "28ff010203040562 ds18b20 of mixing: temp_c"):
        assert text in drawn, text
