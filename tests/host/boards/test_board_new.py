"""`board new`: whatever is answered, the file that comes out passes `board check`."""

import tomllib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from idroserra.boards import compiler, power_budget
from idroserra.boards.chips import CHIPS
from idroserra.boards.scaffold import OUTPUTS, Answers, board_text
from idroserra.cli.board.app import app
from idroserra.core.errors import BoardError

PARTS = compiler.read_parts((compiler.boards_dir() / compiler.PARTS_FILE).read_bytes())
SENSORS = [name for name, part in PARTS.items() if part.kind == "sensor"]
WATER = ["ds18b20", "sen0161", "dfr0300", "hydrostatic", "sht4x"]


def run(*arguments: str, asked: str = ""):
    return CliRunner().invoke(app, ["new", *arguments], input=asked)


sensor_answers = st.lists(st.one_of(
    st.sampled_from(SENSORS),
    st.tuples(st.sampled_from(SENSORS), st.sampled_from(["air", "roof", "reservoir"]),
              st.integers(0, 0x80)).map(lambda t: f"{t[0]}:{t[1]}@0x{t[2]:02x}"),
    st.text(max_size=8),
), max_size=6)
output_answers = st.lists(st.one_of(
    st.sampled_from(list(OUTPUTS)),
    st.tuples(st.sampled_from(list(OUTPUTS)), st.integers(0, 50)).map(lambda t: f"{t[0]}@{t[1]}"),
    st.text(max_size=8),
), max_size=5)


def text_or_refusal(answers: Answers) -> str | BoardError:
    try:
        return board_text("mine", answers, PARTS)
    except BoardError as refused:
        return refused


@settings(max_examples=400, deadline=None)
@given(st.builds(
    Answers, chip=st.sampled_from([*CHIPS, "esp8266"]), volume_l=st.integers(0, 3_000),
    sensors=sensor_answers, outputs=output_answers, button=st.booleans(),
    loads_ma=st.integers(-1, 6_000),
))
def test_a_file_that_comes_out_passes_the_check(answers):
    sensors, outputs, volume_l = answers.sensors, answers.outputs, answers.volume_l
    text = text_or_refusal(answers)
    if isinstance(text, BoardError):
        assert (text.file, bool(text.why)) == ("mine.toml", True)
        return
    board = compiler.compile_board(text.encode(), "mine.toml", PARTS)
    assert sorted(sensor["part"] for sensor in board["sensors"]) == sorted(
        answer.partition("@")[0].partition(":")[0] for answer in sensors)
    assert [a["name"] for a in board["actuators"]] == [o.partition("@")[0] for o in outputs]
    for actuator, answer in zip(board["actuators"], outputs, strict=True):
        assert actuator["pin"] == int(answer.partition("@")[2] or actuator["pin"])
    assert board["volume_l"] == volume_l


@settings(max_examples=200, deadline=None)
@given(
    chip=st.sampled_from(["esp32", "esp32s3"]), volume_l=st.integers(5, 2_000),
    more=st.lists(st.sampled_from(["sht4x", "bh1750", "float_switch", "dfr0300", "sen0161",
                                   "hydrostatic"]), unique=True),
    outputs=st.lists(st.sampled_from(["ph_down", "ph_up", "nutrient_a", "nutrient_b",
                                      "circulation", "top_off", "light"]), unique=True),
    button=st.booleans(), first=st.booleans(),
)
def test_a_usual_tank_needs_no_pin_nor_address(chip, volume_l, more, outputs, button, first):
    sensors = ["ds18b20", *more] if first else [*more, "ds18b20"]
    text = board_text("mine", Answers(chip, volume_l, sensors, outputs, button), PARTS)
    board = compiler.compile_board(text.encode(), "mine.toml", PARTS)
    assert len(board["sensors"]) == len(sensors)


@pytest.mark.parametrize("thermometer", ["ds18b20", "ezo_rtd", "linear_analog.temp_c:reservoir"])
@pytest.mark.parametrize("needy", ["ezo_do", "ezo_ph", "sen0161", "linear_analog.ph"])
def test_a_thermometer_of_the_water_serves_those_that_need_it_in_any_order(thermometer, needy):
    for sensors in ([thermometer, needy], [needy, thermometer], [needy, "sht4x", thermometer]):
        text = board_text("mine", Answers("esp32", sensors=sensors), PARTS)
        board = compiler.compile_board(text.encode(), "mine.toml", PARTS)
        channels = [f"{s['source']}.{q}" for s in board["sensors"] for q in s["measures"]]
        [needed] = [at for at, channel in enumerate(channels) if channel == "reservoir.temp_c"]
        wanted = PARTS[needy.partition(".")[0]].measures[0]
        assert needed < channels.index(f"reservoir.{wanted}")


@pytest.mark.parametrize("name", ["..", "a/b", "Big", "x", "-a", "a" * 40, "parts.toml"])
def test_a_name_is_a_file_name_and_no_path(name, tmp_path):
    done = run(name, "--chip", "esp32", "--sensor", "ds18b20", "--out", str(tmp_path))
    assert done.exit_code != 0
    assert list(tmp_path.iterdir()) == []


def test_flags_make_a_board_and_say_what_to_wire(tmp_path):
    sensors = [flag for part in reversed(WATER) for flag in ("--sensor", part)]
    done = run("my-tank", "--chip", "esp32", "--volume-l", "60", *sensors, "--output", "ph_down",
               "--output", "circulation@32", "--out", str(tmp_path))
    assert done.exit_code == 0, done.output
    assert "circulation (switch); off at low, at most 15 min, load 2000 mA; fit 10 k to ground" \
        in done.stdout
    assert "fit 4.7 k to 3.3 V" in done.stdout
    wired = compiler.read(tmp_path / "my-tank.toml")
    assert wired.compiled["volume_l"] == 60
    assert power_budget.warnings(wired.file) == []
    check = CliRunner().invoke(app, ["check", str(tmp_path / "my-tank.toml")])
    assert check.exit_code == 0
    # It takes the place of no other.
    done = run("my-tank", "--chip", "esp32", "--sensor", "ds18b20", "--out", str(tmp_path))
    assert done.exit_code == 1
    assert "already exists" in str(done.exception)


def test_a_file_of_answers(tmp_path):
    answers = tmp_path / "answers.toml"
    answers.write_text('chip = "esp32s2"\nsensors = ["ds18b20", "bh1750@0x5c"]\n'
                       'outputs = ["light"]\nbutton = false\n')
    done = run("bench-two", "--answers", str(answers), "--out", str(tmp_path))
    assert done.exit_code == 0, done.output
    table = tomllib.loads((tmp_path / "bench-two.toml").read_text())
    assert table["sensor"][1]["address"] == 0x5C
    assert "button" not in table
    for line, why in (("sensors = 5", "sensors: expected `array`"),
                      ("volum_l = 20", "volum_l: unknown key, did you mean volume_l?"),
                      ("sensors = [", "not TOML")):
        answers.write_text(f'chip = "esp32s2"\n{line}\n')
        done = run("bench-three", "--answers", str(answers), "--out", str(tmp_path))
        assert done.exit_code == 1
        assert str(done.exception).startswith("answers.toml: ")
        assert why in str(done.exception)


def test_asks_and_refuses_at_once(tmp_path):
    asked = ["esp32c3", "esp32s2", "3000", "40", "", "", "sen0161", "ds18b20", "barometer",
             "sen0161", "", "light", "fan", "circulation@45", "circulation", ""]
    done = run("asked-for", "--out", str(tmp_path), asked="\n".join(asked) + "\n")
    assert done.exit_code == 0, done.output
    for words in ("esp32c3 is not supported: it has no PSRAM", "3000: outside 5 to 2000",
                  "sen0161 needs reservoir.temp_c",
                  "'barometer' is not part", "Free and safe pins: 2, 3, 4, 5",
                  "fan needs air.temp_c", "GPIO 45 is a strapping pin"):
        assert words in done.output
    board = compiler.read(tmp_path / "asked-for.toml").compiled
    assert [sensor["part"] for sensor in board["sensors"]] == ["ds18b20", "sen0161"]
    assert [actuator["name"] for actuator in board["actuators"]] == ["light", "circulation"]
    assert board["volume_l"] == 40


def test_refuses_what_does_not_fit_on_the_chip(tmp_path):
    done = run("too-much", "--chip", "esp32", "--sensor", "ds18b20", "--output", "light@16",
               "--out", str(tmp_path))
    assert done.exit_code == 1
    assert "GPIO 16 belongs to the PSRAM" in str(done.exception)
    assert not (tmp_path / "too-much.toml").exists()
