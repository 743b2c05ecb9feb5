"""Parts on UARTs and on pins of their own: what compiles, and what is refused with a way out."""

import pytest

from idroserra import boards
from idroserra.errors import BoardError

FILES = {
    name: (boards.boards_dir() / f"{name}.toml").read_text()
    for name in ("esp32s3-ezo", "esp32s3-bench")
}
PARTS = boards.read_parts((boards.boards_dir() / boards.PARTS_FILE).read_bytes())


def compiled(name: str, old: str = "", new: str = "") -> boards.Board:
    assert old in FILES[name], f"{name} no longer contains {old!r}"
    text = FILES[name].replace(old, new, 1)
    return boards.compile_board(text.encode(), f"{name}.toml", PARTS)


def by_part(board: boards.Board) -> dict[str, dict[str, object]]:
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
        "reset_pin": 21,
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
                           "already"),
    "address on a UART": ("bench", 'bus = "uart.ph"', 'bus = "uart.ph"\naddress = 0x63',
                          "sensor[1].address", "remove it"),
    "two on one UART": ("bench", 'bus = "uart.ec"', 'bus = "uart.ph"', "sensor[2].bus", "already"),
    "third UART": ("bench", "[uart.ec]", THIRD_UART, "uart.x", "2 besides the console"),
    "odd speed": ("bench", "baud = 9_600", "baud = 9_601", "uart.ph.baud", "9600"),
    "UART on the console": ("bench", "tx_pin = 17", "tx_pin = 43", "uart.ph.tx_pin", "console"),
    "UART on one pin": ("bench", "rx_pin = 16", "rx_pin = 17", "uart.ph.rx_pin", "taken by"),
    "no trigger": ("ezo", "trigger_pin = 5\n", "", "sensor[4].trigger_pin", "free here"),
    "trigger on a strapping pin": ("ezo", "trigger_pin = 5", "trigger_pin = 46",
                                   "sensor[4].trigger_pin", "strapping"),
    "echo on a pump": ("ezo", "echo_pin = 6", "echo_pin = 10", "actuator[0].pin", "taken by"),
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
    "no such expander": ("bench", 'expander = "relays"', 'expander = "x"', "actuator[0].bus",
                         "expander.relays"),
    "light on an expander": ("bench", 'part = "switch"', 'part = "dimmer"\nfreq_hz = 1_000',
                             "actuator[1].bus", "hangs on pin"),
    "no such expander pin": ("bench", "\npin = 8\n", "\npin = 16\n", "actuator[1].pin", "0 to 15"),
    "expander pin twice": ("bench", "\npin = 9\n", "\npin = 8\n", "actuator[2].pin",
                           "already"),
    "expander without reset": ("bench", "reset_pin = 21\n", "", "expander[0].reset_pin",
                               "missing"),
    "reset high at boot": ("bench", "reset_pin = 21", "reset_pin = 18", "expander[0].reset_pin",
                           "high during reset"),
    "reset without pull": ("bench", 'reset_pin = 21\npull = "down"', "reset_pin = 21",
                           "expander[0].pull", "resistor"),
    "expander address": ("bench", "address = 0x20", "address = 0x28", "expander[0].address",
                         "32 to 39"),
    "no timer behind an expander": (
        "bench", '[[actuator]]\nname = "top_off"',
        "".join(f'[[actuator]]\nname = "fan{i}"\npart = "switch"\nexpander = "relays"\n'
                f'pin = 1{i}\nmax_on_ms = 1_000\nsafe_level = 0\npull = "down"\n'
                for i in (0, 1)) + '[[actuator]]\nname = "top_off"',
        "actuator[4].part", "can cut off 3 outputs",
    ),
    "shunt of another part": ("ezo", "up_level = 0", "up_level = 0\nshunt_mohm = 1",
                              "sensor[5].shunt_mohm", "remove it"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refuses_with_key_and_way_out(case):
    name, old, new, key, way_out = REFUSED[case]
    with pytest.raises(BoardError) as refused:
        compiled(f"esp32s3-{name}", old, new)
    assert refused.value.key == key
    assert way_out in refused.value.why
