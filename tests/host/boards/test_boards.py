"""Every shipped board compiles; what cannot be wired safely is refused with a way out."""

from pathlib import Path

import pytest

from idroserra.boards import compiler
from idroserra.boards.schema import Draw
from idroserra.core.errors import BoardError

FILE = "esp32-reservoir.toml"
REFERENCE = (compiler.boards_dir() / FILE).read_text()
PARTS = compiler.read_parts((compiler.boards_dir() / compiler.PARTS_FILE).read_bytes())


def compiled(text: str) -> compiler.Board:
    return compiler.compile_board(text.encode(), FILE, PARTS)


def changed(old: str, new: str) -> str:
    assert old in REFERENCE, f"the reference board no longer contains {old!r}"
    return REFERENCE.replace(old, new, 1)


@pytest.mark.parametrize("name", compiler.names())
def test_every_board_compiles(name):
    board = compiler.load(name)
    assert board["name"] == name
    assert board["sensors"]


def test_reference_board_has_the_shape_the_firmware_expects():
    board = compiled(REFERENCE)
    assert list(board) == [
        "name", "chip", "volume_l", "i2c", "onewire", "uart", "rs485", "adcs", "expanders",
        "sensors", "actuators", "button",
    ]
    assert (board["volume_l"], board["button"]) == (100, {"pin": 0})
    assert board["i2c"] == {"main": {"scl_pin": 22, "sda_pin": 21, "freq_hz": 100_000}}
    assert board["onewire"] == {"main": {"pin": 4}}
    assert board["adcs"] == [
        {"name": "main", "part": "ads1115", "bus": "i2c.main", "address": 0x48}
    ]
    assert board["sensors"][1] == {
        "source": "reservoir", "part": "sen0161", "measures": ["ph"], "bus": "adc.main",
        "channel": 0,
    }
    assert board["actuators"][-1] == {
        "name": "light", "part": "dimmer", "pin": 19, "freq_hz": 1_000, "max_on_ms": 900_000,
        "safe_level": 0,
    }


# old text, new text, key named in the refusal, words of the way out
REFUSED = {
    "unknown key": (
        "address = 0x44", "addressx = 0x44", "sensor[4].addressx", "did you mean address",
    ),
    "unknown table": ("[i2c.main]", "[spi.main]\nx = 1\n[i2c.main]", "spi", "known here"),
    "unknown chip": ('chip = "esp32"', 'chip = "esp8266"', "board.chip", "esp32s3"),
    "name is not the file's": ('"esp32-reservoir"', '"other"', "board.name", "esp32-reservoir"),
    "unknown part": ('"sht4x"', '"sht31"', "sensor[4].part", "sht4x"),
    "actuator as sensor": ('"sht4x"', '"doser"', "sensor[4].part", "is not of kind sensor"),
    "unknown quantity": ('["ph"]', '["acidity"]', "sensor[1].measures", "known: ph"),
    "quantity of another part": ('["ph"]', '["rh_pct"]', "sensor[1].measures", "measures ph"),
    "nothing measured": ('["ph"]', "[]", "sensor[1].measures", "measures"),
    "channel twice": ('source = "air"', 'source = "reservoir"', "sensor[4].measures", "another"),
    "pin twice": ("pin = 26", "pin = 25", "actuator[1].pin", "free here: 13"),
    "pin of a bus": ("pin = 26", "pin = 21", "actuator[1].pin", "i2c.main.sda_pin"),
    "strapping pin": ("pin = 25", "pin = 12", "actuator[0].pin", "strapping"),
    "input-only pin": ("pin = 25", "pin = 35", "actuator[0].pin", "input-only"),
    "flash pin": ("pin = 25", "pin = 6", "actuator[0].pin", "flash"),
    "console pin": ("pin = 25", "pin = 1", "actuator[0].pin", "console"),
    "no such pin": ("pin = 25", "pin = 24", "actuator[0].pin", "no GPIO 24"),
    "negative pin": ("pin = 25", "pin = -1", "actuator[0].pin", "no GPIO -1"),
    "pin high at reset": ("pin = 25", "pin = 14", "actuator[0].pin", "high during reset"),
    "bus on a strapping pin": ("scl_pin = 22", "scl_pin = 5", "i2c.main.scl_pin", "free here"),
    "1-Wire on an input": ("pin = 4", "pin = 34", "onewire.main.pin", "input-only"),
    "no maximum run": ("max_on_ms = 10_000\n", "", "actuator[0].max_on_ms", "maximum run"),
    "run too long": ("max_on_ms = 10_000", "max_on_ms = 60_000", "actuator[0].max_on_ms", "10000"),
    "no safe level": ("safe_level = 0\n", "", "actuator[0].safe_level", "level that is off"),
    "no pull": ('pull = "down"\n', "", "actuator[0].pull", "resistor"),
    "pull against safe level": ('pull = "down"', 'pull = "up"', "actuator[0].pull", '"down"'),
    "switched output with PWM": (
        'part = "switch"\npin = 32', 'part = "switch"\npin = 32\nfreq_hz = 100',
        "actuator[4].freq_hz", "remove it",
    ),
    "dimmer without PWM": ("freq_hz = 1_000\n", "", "actuator[6].freq_hz", "PWM frequency"),
    "output named twice": ('"ph_up"', '"ph_down"', "actuator[1].name", "choose another"),
    "bad name": ('"ph_up"', '"pH Up"', "actuator[1].name", "a-z, 0-9 and _"),
    "address taken": (
        'source = "air"\npart = "sht4x"\nmeasures = ["temp_c", "rh_pct"]',
        'source = "leaf"\npart = "sht4x"\nmeasures = ["temp_c"]\nbus = "i2c.main"\n'
        'address = 0x44\n[[sensor]]\nsource = "air"\npart = "sht4x"\n'
        'measures = ["temp_c", "rh_pct"]',
        "sensor[5].address", "used by",
    ),
    "address out of range": ("address = 0x44", "address = 0x48", "sensor[4].address", "68 to 70"),
    "no address": ("address = 0x44\n", "", "sensor[4].address", "68 to 70"),
    "input taken": ("channel = 1", "channel = 0", "sensor[2].channel", "used by"),
    "no such input": ("channel = 1", "channel = 4", "sensor[2].channel", "0 to 3"),
    "two on one 1-Wire line": (
        'source = "reservoir"\npart = "ds18b20"',
        'source = "air"\npart = "ds18b20"\nmeasures = ["temp_c"]\nbus = "onewire.main"\n'
        '[[sensor]]\nsource = "reservoir"\npart = "ds18b20"',
        "sensor[1].rom", "sensor[0] is on onewire.main too, so each needs its ROM code",
    ),
    "no such bus": ('bus = "onewire.main"', 'bus = "onewire.x"', "sensor[0].bus", "onewire.main"),
    "wrong kind of bus": ('bus = "onewire.main"', 'bus = "i2c.main"', "sensor[0].bus", "onewire"),
    "no bus": ('bus = "onewire.main"\n', "", "sensor[0].bus", "onewire.main"),
    "I2C too fast": ("freq_hz = 100_000", "freq_hz = 1_000_000", "i2c.main.freq_hz", "400000"),
    "text for a number": ("pin = 25", 'pin = "25"', "actuator[0].pin", "set a whole number"),
    "true for a number": ("pin = 25", "pin = true", "actuator[0].pin", "set a whole number"),
    "broken TOML": ("[board]", "[board", "", "fix the syntax"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refuses_with_file_key_and_way_out(case):
    old, new, key, way_out = REFUSED[case]
    with pytest.raises(BoardError) as refused:
        compiled(changed(old, new))
    assert refused.value.file == FILE
    assert refused.value.key == key
    assert way_out in refused.value.why
    assert "\n" not in str(refused.value)


NOTHING = Draw(rail="3v3", current_ma=0)
ANALOG_PARTS = PARTS | {
    "ldr": compiler.Part(
        kind="sensor", buses=["pin"], measures=["rh_pct", "temp_c"], text="any analog sensor",
        datasheet="", parameters={}, draw=NOTHING,
    )
}


@pytest.mark.parametrize(
    ("pin", "words"),
    [(13, "ADC2, which cannot be read while Wi-Fi runs"), (18, "no ADC"), (2, "strapping")],
)
def test_refuses_a_pin_whose_converter_wifi_takes(pin, words):
    text = f'{REFERENCE}\n[[sensor]]\nsource = "roof"\npart = "ldr"\nmeasures = ["rh_pct"]\n'
    with pytest.raises(BoardError, match=words) as refused:
        compiler.compile_board(f"{text}pin = {pin}\n".encode(), FILE, ANALOG_PARTS)
    assert refused.value.key == "sensor[5].pin"
    good = compiler.compile_board(f"{text}pin = 34\n".encode(), FILE, ANALOG_PARTS)
    assert good["sensors"][5]["pin"] == 34


def test_refuses_a_probe_without_the_temperature_it_needs():
    parts = PARTS | {"sen0161": compiler.Part(
        kind="sensor", buses=["adc"], measures=["ph"], text="", datasheet="",
        parameters=PARTS["sen0161"].parameters, needs=["temp_c"], draw=NOTHING,
    )}
    text = changed('source = "reservoir"\npart = "ds18b20"', 'source = "air"\npart = "ds18b20"')
    with pytest.raises(BoardError, match=r"needs reservoir\.temp_c") as refused:
        compiler.compile_board(text.encode(), FILE, parts)
    assert refused.value.key == "sensor[1]"


def test_refuses_more_channels_than_a_message_holds():
    sensors = "".join(
        f'[[sensor]]\nsource = "leaf{i}"\npart = "ldr"\nmeasures = ["rh_pct", "temp_c"]\n'
        f"pin = {pin}\n"
        for i, pin in enumerate((34, 35, 36, 37, 38))
    )
    with pytest.raises(BoardError, match="split the board"):
        compiler.compile_board(f"{REFERENCE}\n{sensors}".encode(), FILE, ANALOG_PARTS)


def test_outputs_are_limited_by_pins_alone():
    more = "".join(
        f'[[actuator]]\nname = "{name}"\npart = "switch"\npin = {pin}\nmax_on_ms = 1_000\n'
        'safe_level = 0\npull = "down"\nload_ma = 500\n'
        for name, pin in (("fan", 18), ("heater", 13)))
    names = [actuator["name"] for actuator in compiled(f"{REFERENCE}\n{more}")["actuators"]]
    assert names[-2:] == ["fan", "heater"]
    assert len(names) == 9


def test_refuses_a_board_that_measures_nothing():
    with pytest.raises(BoardError, match="measures nothing"):
        compiled('[board]\nname = "esp32-reservoir"\nchip = "esp32"\n')


def test_refuses_a_huge_file_and_one_that_is_not_text():
    with pytest.raises(BoardError, match="keep it under"):
        compiled("#" * 100_000)
    with pytest.raises(BoardError, match="UTF-8"):
        compiler.compile_board(b"\xff\xfe", FILE, PARTS)


def test_refuses_a_key_that_takes_a_minute_to_parse():
    with pytest.raises(BoardError, match="line 2: a key has at most 4 dots"):
        compiler.compile_board(b"# A key of as many parts as fit.\n" + b"a." * 32_000 + b"a = 1",
                               FILE, PARTS)


def test_unknown_board_names_those_there_are(tmp_path: Path):
    with pytest.raises(BoardError, match="esp32-reservoir"):
        compiler.load("nowhere")
    with pytest.raises(BoardError, match="check the path"):
        compiler.load_file(tmp_path / "absent.toml")


@pytest.mark.parametrize("litres", [4, 2_001, -1])
def test_a_senseless_volume_is_refused(litres):
    with pytest.raises(BoardError) as refused:
        compiled(changed("volume_l = 100", f"volume_l = {litres}"))
    assert refused.value.key == "reservoir.volume_l"
    assert f"{litres} is outside 5..2000" in str(refused.value)


def test_another_volume_is_another_image():
    assert compiled(changed("volume_l = 100", "volume_l = 1_000"))["volume_l"] == 1_000


def test_a_button_needs_a_pull_up_and_a_pin_of_its_own():
    button = "[button]\npin = 0"
    for pin, why in ((35, "input-only"), (25, "actuator[0].pin"), (6, "flash"), (99, "no GPIO")):
        with pytest.raises(BoardError) as refused:
            compiled(changed(button, f"[button]\npin = {pin}"))
        assert why in str(refused.value)
    assert compiled(changed(button, ""))["button"] is None


@pytest.mark.parametrize(("line", "key"), [
    ("pin = 13", "sensor[4].pin"), ("pin = 18", "sensor[5].pin"),
])
def test_a_contact_needs_a_pull_up(line, key):
    data = (compiler.boards_dir() / "esp32-nft.toml").read_text("utf-8")
    parts = compiler.read_parts((compiler.boards_dir() / compiler.PARTS_FILE).read_bytes())
    with pytest.raises(BoardError) as refused:
        compiler.compile_board(data.replace(line, "pin = 35").encode(), "esp32-nft.toml", parts)
    assert refused.value.key == key
    assert "pull-up is required" in str(refused.value)


@pytest.mark.parametrize("name", ["My Tank", "my_tank", "a" * 41, "-", "é"])
def test_refuses_a_name_that_the_host_or_an_update_would_not_take(name):
    text = REFERENCE.replace("esp32-reservoir", name)
    with pytest.raises(BoardError, match="3 to 32 of a-z, 0-9 and -") as caught:
        compiler.compile_board(text.encode(), f"{name}.toml", PARTS)
    assert caught.value.key == "board.name"
