"""Parts on UARTs and on pins of their own: what compiles, and what is refused with a way out."""

import pytest

from idroserra.boards import compiler, warnings
from idroserra.core.errors import BoardError

FILES = {
    name: (compiler.boards_dir() / f"{name}.toml").read_text()
    for name in compiler.names()
}
PARTS = compiler.read_parts((compiler.boards_dir() / compiler.PARTS_FILE).read_bytes())


def compiled(name: str, old: str = "", new: str = "") -> compiler.Board:
    assert old in FILES[name], f"{name} no longer contains {old!r}"
    text = FILES[name].replace(old, new, 1)
    return compiler.compile_board(text.encode(), f"{name}.toml", PARTS)


def by_part(board: compiler.Board) -> dict[str, dict[str, object]]:
    return {sensor["part"]: sensor for sensor in board["sensors"]}


def test_parts_on_i2c_and_on_pins_of_their_own():
    sensors = by_part(compiled("esp32s3-ezo"))
    assert sensors["ezo_ph"] == {
        "source": "reservoir", "part": "ezo_ph", "measures": ["ph"], "bus": "i2c.main",
        "address": 0x63,
    }
    assert sensors["jsn_sr04t"] == {
        "source": "reservoir", "part": "jsn_sr04t", "measures": ["level_mm"], "trigger_pin": 5,
        "echo_pin": 6, "height_mm": 600,
    }
    assert sensors["float_switch"] == {
        "source": "reservoir", "part": "float_switch", "measures": ["float_up"], "pin": 7,
        "up_level": 0,
    }


def test_parts_on_uarts():
    board = compiled("esp32s3-bench")
    assert board["uart"] == {
        "ph": {"tx_pin": 17, "rx_pin": 16, "baud": 9_600},
        "ec": {"tx_pin": 15, "rx_pin": 14, "baud": 9_600},
    }
    sensors = by_part(board)
    assert sensors["ezo_ec"] == {
        "source": "reservoir", "part": "ezo_ec", "measures": ["ec_us_cm"], "bus": "uart.ec",
    }
    assert sensors["ina219"]["shunt_mohm"] == 100


def test_outputs_on_an_expander():
    board = compiled("esp32s3-bench")
    assert board["expanders"] == [{
        "name": "relays", "part": "mcp23017", "bus": "i2c.main", "address": 0x20,
        "off_pin": 21, "off_level": 0,
    }]
    assert board["actuators"][1] == {
        "name": "circulation", "part": "switch", "expander": "relays", "pin": 8,
        "max_on_ms": 900_000, "safe_level": 0,
    }


THIRD_UART = '[uart.ec]\ntx_pin = 1\nrx_pin = 2\nbaud = 9_600\n[uart.x]'
# board, old text, new text, key named in the refusal, words of the way out
REFUSED = {
    "CO2 on 1-Wire": (
        "ezo", 'part = "ds18b20"\nmeasures = ["temp_c"]', 'part = "scd4x"\nmeasures = ["co2_ppm"]',
        "sensor[0].bus", "i2c",
    ),
    "no temperature": ("ezo", 'source = "reservoir"\npart = "ds18b20"',
                       'source = "roof"\npart = "ds18b20"', "sensor[1]", "needs reservoir.temp_c"),
    "no address on I2C": ("ezo", "address = 0x63\n", "", "sensor[1].address", "0x63 from"),
    "two at one address": ("ezo", "address = 0x64", "address = 0x63", "sensor[2].address",
                           "used by"),
    "address on a UART": ("bench", 'bus = "uart.ph"', 'bus = "uart.ph"\naddress = 0x63',
                          "sensor[1].address", "remove it"),
    "two on one UART": ("bench", 'bus = "uart.ec"', 'bus = "uart.ph"', "sensor[2].bus", "used by"),
    "third UART": ("bench", "[uart.ec]", THIRD_UART, "uart.x", "2 besides the console"),
    "odd speed": ("bench", "baud = 9_600", "baud = 9_601", "uart.ph.baud", "9600"),
    "UART on the console": ("bench", "tx_pin = 17", "tx_pin = 43", "uart.ph.tx_pin", "console"),
    "UART on one pin": ("bench", "rx_pin = 16", "rx_pin = 17", "uart.ph.rx_pin", "used by"),
    "no trigger": ("ezo", "trigger_pin = 5\n", "", "sensor[4].trigger_pin", "free here"),
    "trigger on a strapping pin": ("ezo", "trigger_pin = 5", "trigger_pin = 46",
                                   "sensor[4].trigger_pin", "strapping"),
    "echo on a pump": ("ezo", "echo_pin = 6", "echo_pin = 10", "actuator[0].pin", "used by"),
    "echo on the flash": ("ezo", "echo_pin = 6", "echo_pin = 27", "sensor[4].echo_pin", "flash"),
    "pin of another part": ("ezo", "trigger_pin = 5", "trigger_pin = 5\npin = 2",
                            "sensor[4].pin", "remove it"),
    "lines and a bus": ("ezo", "trigger_pin = 5", 'trigger_pin = 5\nbus = "i2c.main"',
                        "sensor[4].bus", "gpio or uart"),
    "ranger in its blind zone": ("ezo", "height_mm = 600", "height_mm = 250",
                                 "sensor[4].height_mm", "300 to 4500"),
    "no height": ("ezo", "height_mm = 600\n", "", "sensor[4].height_mm", "tank's floor"),
    "no float level": ("ezo", "up_level = 0\n", "", "sensor[5].up_level", "lifts the float"),
    "no pulses": ("bench", "pulses_per_l = 450\n", "", "sensor[5].pulses_per_l", "YF-S201"),
    "five flow meters": (
        "bench", '[[sensor]]\nsource = "light"',
        "".join(f'[[sensor]]\nsource = "line{pin}"\npart = "flow_meter"\npin = {pin}\n'
                'measures = ["flow_ml_per_min"]\npulses_per_l = 450\n'
                for pin in (38, 39, 40, 41))
        + '[[sensor]]\nsource = "light"',
        "sensor[9].part", "the esp32s3 has 4",
    ),
    "no such expander": ("bench", 'expander = "relays"', 'expander = "x"', "actuator[0].bus",
                         "expander.relays"),
    "light on an expander of pins": ("bench", 'part = "switch"', 'part = "dimmer"',
                             "actuator[1].expander", "of type pca9685"),
    "no such expander pin": ("bench", "\npin = 8\n", "\npin = 16\n", "actuator[1].pin", "0 to 15"),
    "expander pin twice": ("bench", "\npin = 9\n", "\npin = 8\n", "actuator[2].pin",
                           "used by"),
    "expander without reset": ("bench", "reset_pin = 21\n", "", "expander[0].reset_pin",
                               "missing"),
    "reset high at boot": ("bench", "reset_pin = 21", "reset_pin = 18", "expander[0].reset_pin",
                           "high during reset"),
    "reset without pull": ("bench", 'reset_pin = 21\npull = "down"', "reset_pin = 21",
                           "expander[0].pull", "resistor"),
    "expander address": ("bench", "address = 0x20", "address = 0x28", "expander[0].address",
                         "32 to 39"),
    "shunt of another part": ("ezo", "up_level = 0", "up_level = 0\nshunt_mohm = 1",
                              "sensor[5].shunt_mohm", "remove it"),
}


OE = 'oe_pin = 38\npull = "up"'
LAMP = 'part = "dimmer"\nexpander = "mosfets"'
ACID = '[[actuator]]\nname = "ph_down"\npart = "doser"\npin = 26\nmax_on_ms = 10_000\n' \
       'safe_level = 0\npull = "down"\n'
PH = 'part = "dfr0300"\nmeasures = ["ec_us_cm"]'
TWO_MORE_BUSES = '[onewire.main]\npin = 10\n' + "".join(
    f'[i2c.{name}]\nscl_pin = {pin}\nsda_pin = {pin + 1}\nfreq_hz = 100_000\n'
    for name, pin in (("second", 11), ("third", 13)))
TWO_UARTS = "".join(f'[uart.{name}]\ntx_pin = {pin}\nrx_pin = {pin + 1}\nbaud = 9_600\n'
                    for name, pin in (("a", 11), ("b", 13))) + "[onewire.main]\n"
REFUSED_ON_NEW_BOARDS = {
    "outputs that nothing stops": ("s3-expanders", OE, 'pull = "up"', "expander[1].oe_pin",
                                   "10 k that pulls up"),
    "OE that floats low": ("s3-expanders", OE, 'oe_pin = 38\npull = "down"', "expander[1].pull",
                           'pull = "up"'),
    "reset of a part that has none": ("s3-expanders", OE, 'reset_pin = 38\npull = "up"',
                                      "expander[1].reset_pin", "remove it"),
    "no frequency": ("s3-expanders", "freq_hz = 1_000", "", "expander[1].freq_hz", "24 to 1526"),
    "frequency of a lamp of many": ("s3-expanders", LAMP, LAMP + "\nfreq_hz = 500",
                                    "actuator[6].freq_hz", "remove it"),
    "an output that is off when high": (
        "s3-expanders", 'pin = 15\nmax_on_ms = 900_000\nsafe_level = 0\npull = "down"',
        'pin = 15\nmax_on_ms = 900_000\nsafe_level = 1\npull = "up"',
        "actuator[6].safe_level", "active-high",
    ),
    "address of all parts": ("s3-expanders", "address = 0x40", "address = 0x70",
                             "expander[1].address", "64 to 111"),
    "input that is not there": ("s3-expanders", "channel = 0", "channel = 1",
                                "sensor[3].channel", "inputs 0 to 0"),
    "converter in the chip at an address": ("s3-expanders", "pins = [1]",
                                            "pins = [1]\naddress = 0x48", "adc[0].address",
                                            "remove it"),
    "converter without pins": ("s3-expanders", "pins = [1]", "", "adc[0].pins",
                               "free ADC pins: 1, 2"),
    "converter that Wi-Fi takes": ("-classroom", "pins = [34, 35]", "pins = [34, 25]",
                                   "adc[0].pins", "cannot be read while Wi-Fi runs"),
    "input of two": ("-classroom", "pins = [34, 35]", "pins = [34, 34]", "adc[0].pins",
                     "used by"),
    "pump at an input": ("-classroom", "pins = [34, 35]", "pins = [34, 33]", "actuator[1].pin",
                         "used by adc[0].pins"),
    "S2: strapping pin": ("s2-nursery", "pin = 7", "pin = 45", "actuator[1].pin", "strapping"),
    "S2: flash": ("s2-nursery", "pin = 7", "pin = 27", "actuator[1].pin", "flash"),
    "S2: PSRAM": ("s2-nursery", "pin = 7", "pin = 26", "actuator[1].pin", "PSRAM"),
    "S2: USB": ("s2-nursery", "pin = 7", "pin = 19", "actuator[1].pin", "console"),
    "S2: UART 0": ("s2-nursery", "pin = 7", "pin = 43", "actuator[1].pin", "console"),
    "S2: pulled up while it resets": ("s2-nursery", "pin = 7", "pin = 39", "actuator[1].pin",
                                      "high during reset"),
    "S2: no such pin": ("s2-nursery", "pin = 7", "pin = 22", "actuator[1].pin", "no GPIO 22"),
    "S2: converter that Wi-Fi takes": ("s2-nursery", "pins = [3]", "pins = [11]", "adc[0].pins",
                                       "ADC2"),
    "S2: third controller": ("s2-nursery", "[onewire.main]\npin = 10\n", TWO_MORE_BUSES,
                             "i2c.third", "soft = true"),
    "S2: second UART": ("s2-nursery", "[onewire.main]\n", TWO_UARTS, "uart.b",
                        "1 besides the console"),
    "WROVER: flow meter on the PSRAM": ("-nft", "pin = 13\npulses", "pin = 16\npulses",
                                        "sensor[4].pin", "GPIO 16 belongs to the PSRAM"),
    "WROVER: pump on the PSRAM": ("-nft", "pin = 25", "pin = 17", "actuator[0].pin",
                                  "GPIO 17 belongs to the PSRAM"),
    "N16R8: pump on the octal PSRAM": ("s3-ezo", "pin = 10", "pin = 35", "actuator[0].pin",
                                       "GPIO 35 belongs to the PSRAM"),
}


@pytest.mark.parametrize("case", REFUSED_ON_NEW_BOARDS)
def test_refuses_what_expanders_converters_and_chips_cannot_do(case):
    name, old, new, key, way_out = REFUSED_ON_NEW_BOARDS[case]
    with pytest.raises(BoardError) as refused:
        compiled(f"esp32{name}", old, new)
    assert refused.value.key == key
    assert way_out in refused.value.why


def test_a_second_controller_is_not_needed_where_the_program_drives_the_bus():
    board = compiled("esp32s2-nursery", "[onewire.main]\npin = 10\n",
                     TWO_MORE_BUSES + "soft = true\n")
    assert board["i2c"]["third"]["soft"] is True


def test_refuses_acid_and_base_by_a_coarse_ph():
    text = FILES["esp32-classroom"].replace(PH, 'part = "sen0161"\nmeasures = ["ph"]')
    with pytest.raises(BoardError, match=r"0\.34 pH: too coarse for ph_down") as refused:
        compiler.compile_board((text + ACID).encode(), "esp32-classroom.toml", PARTS)
    assert refused.value.key == "sensor[1].bus"


def test_refuses_a_pin_that_would_switch_on_what_is_off_when_high():
    lamp = 'freq_hz = 1_000\nmax_on_ms = 900_000\nsafe_level = {}\npull = "{}"'
    off_when_high = lamp.format(1, "up")
    assert compiled("esp32s3-ezo", lamp.format(0, "down"), off_when_high)["actuators"][6]["pin"]
    with pytest.raises(BoardError, match="GPIO 2 goes low for a moment during reset; free") as no:
        compiled("esp32s3-ezo", "pin = 38\n" + lamp.format(0, "down"), f"pin = 2\n{off_when_high}")
    assert no.value.key == "actuator[6].pin"
    with pytest.raises(BoardError, match="GPIO 2 goes low for a moment during reset") as no:
        compiled("esp32s3-expanders", OE, 'oe_pin = 2\npull = "up"')
    assert no.value.key == "expander[1].oe_pin"


@pytest.mark.parametrize("case", REFUSED)
def test_refuses_with_key_and_way_out(case):
    name, old, new, key, way_out = REFUSED[case]
    with pytest.raises(BoardError) as refused:
        compiled(f"esp32s3-{name}", old, new)
    assert refused.value.key == key
    assert way_out in refused.value.why


def test_refuses_a_top_off_by_a_laser_that_sees_through_water():
    laser = 'part = "vl53l0x"\nmeasures = ["level_mm"]\nbus = "i2c.main"\naddress = 0x29\n' \
        "height_mm = 500\n"
    text = FILES["esp32-reservoir"]
    start = text.index('part = "hydrostatic"')
    end = text.index("channel = 2\n") + len("channel = 2\n")
    text = text[:start] + laser + text[end:]
    with pytest.raises(BoardError, match="lost its float sees the bottom") as refused:
        compiler.compile_board(text.encode(), "esp32-reservoir.toml", PARTS)
    assert refused.value.key == "sensor[3].part"
    place = text.index('[[actuator]]\nname = "top_off"')
    text = text[:place] + text[text.index("[[actuator]]", place + 1):]
    assert compiler.compile_board(text.encode(), "esp32-reservoir.toml", PARTS)


def test_outputs_that_dim_on_an_expander():
    board = compiled("esp32s3-expanders")
    assert board["expanders"][1] == {
        "name": "mosfets", "part": "pca9685", "bus": "i2c.main", "address": 0x40,
        "freq_hz": 1_000, "off_pin": 38, "off_level": 1,
    }
    assert board["actuators"][-1] == {
        "name": "light", "part": "dimmer", "expander": "mosfets", "pin": 15,
        "max_on_ms": 900_000, "safe_level": 0,
    }


def test_a_bus_that_the_program_drives():
    board = compiled("esp32s3-expanders")
    assert board["i2c"]["probes"] == {
        "scl_pin": 17, "sda_pin": 16, "freq_hz": 100_000, "soft": True,
    }
    assert "soft" not in board["i2c"]["main"]


def test_inputs_of_the_chips_own_converter():
    board = compiled("esp32-classroom")
    assert board["adcs"] == [{
        "name": "own", "part": "esp32_adc", "pins": [34, 35], "low_uv": 150_000,
        "high_uv": 2_450_000,
    }]
    assert board["sensors"][1]["bus"] == "adc.own"
    assert compiled("esp32s2-nursery")["adcs"][0]["low_uv"] == 35_000


def test_says_how_wrong_a_probe_on_the_chips_own_converter_is():
    [warning] = warnings.warnings(compiled("esp32-classroom"))
    for figure in ("sensor[1]", "0.37 mS/cm", "below 0.9", "above 14.9"):
        assert figure in warning
    assert warnings.warnings(compiled("esp32-reservoir")) == []
    ph_only = compiled("esp32-classroom", 'part = "dfr0300"\nmeasures = ["ec_us_cm"]',
                       'part = "sen0161"\nmeasures = ["ph"]')
    assert "error of up to 0.34 pH" in warnings.warnings(ph_only)[0]


@pytest.mark.parametrize("chip", ["esp32c3", "esp32c6", "esp8266"])
def test_refuses_a_chip_without_psram_and_says_what_to_buy(chip):
    with pytest.raises(BoardError, match="known: esp32, esp32s2, esp32s3") as refused:
        compiled("esp32s2-nursery", 'chip = "esp32s2"', f'chip = "{chip}"')
    assert refused.value.key == "board.chip"
    for words in (f"{chip} is not supported: it has no PSRAM, buy", "ESP32-S3 N16R8",
                  "ESP32-WROVER", "LOLIN S2 mini"):
        assert words in refused.value.why


@pytest.mark.parametrize("chip", ["esp32-s3", "ESP32", "esp32c5", "esp 32"])
def test_refuses_a_mistyped_chip_without_advice_to_buy_another(chip):
    with pytest.raises(BoardError) as refused:
        compiled("esp32s2-nursery", 'chip = "esp32s2"', f'chip = "{chip}"')
    assert refused.value.key == "board.chip"
    assert refused.value.why == f"unknown chip {chip}; known: esp32, esp32s2, esp32s3"
