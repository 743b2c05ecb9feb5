"""A linear_analog on a board: what compiles, what is refused with a way out, `board new`."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idro.drivers import linear_analog
from idroserra.boards import analog_line, compiler, netlist, pinout, scaffold, warnings
from idroserra.boards.scaffold import Answers
from idroserra.boards.schema import BoardFile, parse
from idroserra.core.errors import BoardError
from support import analog_board

PARTS = compiler.read_parts((compiler.boards_dir() / compiler.PARTS_FILE).read_bytes())
TEXT = analog_board.text("analog")
PH = 'point1_mv = 1_667\npoint1_value = 7\npoint2_mv = 2_022\npoint2_value = 4\n'
OWN_ADC = 'name = "main"\npart = "esp32_adc"\npins = [34, 35, 36, 39]\n'
ADS1115 = 'name = "main"\npart = "ads1115"\nbus = "i2c.main"\naddress = 0x48\n'


def compiled(old: str = "", new: str = "") -> compiler.Board:
    assert old in TEXT
    return compiler.compile_board(TEXT.replace(old, new, 1).encode(), "analog.toml", PARTS)


def test_the_board_states_quantity_range_line_and_compensation():
    board = compiled()
    assert board["sensors"][1] == {
        "source": "reservoir", "part": "linear_analog", "measures": ["ph"], "bus": "adc.main",
        "channel": 0, "low_mv": 100, "high_mv": 3_000, "point1_mv": 1_667, "point1_value": 7,
        "point2_mv": 2_022, "point2_value": 4, "self_compensated": 0}
    assert warnings.warnings(board) == []
    said = warnings.to_set(parse(TEXT.encode(), BoardFile, "analog.toml"), PARTS)
    assert said[0] == ("sensor[1]: measure that this linear_analog gives 1667 mV at 7 pH and 2022 "
                       "mV at 4 pH, behind its divider; else trim it or set its points")
    assert len(said) == 4


REFUSED = {
    "no quantity alone": ('measures = ["ph"]', 'measures = ["ph", "do_mg_l"]',
                          "sensor[1].measures", "one quantity"),
    "pH without water temperature": ('source = "reservoir"\npart = "ds18b20"',
                                     'source = "roof"\npart = "ds18b20"', "sensor[1]",
                                     "needs reservoir.temp_c"),
    "no range": ("low_mv = 100\n", "", "sensor[1].low_mv", "below which it is faulty"),
    "no value": ("point2_value = 4\n", "", "sensor[1].point2_value",
                 "missing: -40 to 200000, in the unit of the quantity"),
    "a fraction": ("point2_value = 4\n", "point2_value = 4.01\n", "sensor[1].point2_value",
                   "got `float`: set a whole number"),
    "no point": ("point2_mv = 2_022\n", "", "sensor[1].point2_mv", "at point2_value"),
    "point outside the range": ("high_mv = 3_000", "high_mv = 2_000", "sensor[1].point2_mv",
                                "outside low_mv to high_mv"),
    "range of 5 V": ("high_mv = 3_000", "high_mv = 5_000", "sensor[1].high_mv", "0 to 3200"),
    "one point twice": ("point2_value = 4", "point2_value = 7", "sensor[1].point2_value",
                        "two different points"),
    "points too near": ("point2_mv = 2_022", "point2_mv = 1_700", "sensor[1].point2_mv",
                        "further apart"),
    "beyond the quantity": ("point2_value = 4\n", "point2_value = 400\n",
                            "sensor[1].point2_value", "outside 0 to 14"),
    "a cut cable would be pH": ("low_mv = 100", "low_mv = 0", "sensor[1].low_mv", "cut cable"),
    "a cut cable would be an empty tank": ("low_mv = 540", "low_mv = 0", "sensor[3].low_mv",
                                           "cut cable"),
    "a cut cable would be EC": ("point1_mv = 0\npoint1_value = 0\npoint2_mv = 2_000\n",
                                "point1_mv = 2_000\npoint1_value = 0\npoint2_mv = 1_000\n",
                                "sensor[2].low_mv", "cut cable"),
    "a level that compensates": ("point2_value = 2_000\nself_compensated = 0\n\n[[sensor]]\n"
                                 'source = "bed"',
                                 "point2_value = 2_000\nself_compensated = 1\n\n[[sensor]]\n"
                                 'source = "bed"', "sensor[3].self_compensated", "not compens"),
    "water by a level that falls as it rises": (
        "point1_mv = 600\npoint1_value = 0\npoint2_mv = 3_000\npoint2_value = 2_000",
        "point1_mv = 600\npoint1_value = 2_000\npoint2_mv = 3_000\npoint2_value = 0",
        "sensor[3].point2_mv", "remove top_off"),
    "acid by a divided signal": (PH, PH.replace("1_667", "800").replace("2_022", "1_070"),
                                 "sensor[1].point2_mv", "less than 100 mV per pH"),
    "acid by the chip's converter": (ADS1115, OWN_ADC, "sensor[1].bus",
                                     "error of up to 0.51 pH: too coarse for ph_down and ph_up"),
    "keys of another part": ('part = "ds18b20"\n', 'part = "ds18b20"\nlow_mv = 3\n',
                             "sensor[0].low_mv", "remove it"),
}


def lines(quantity, point1_mv, value1, point2_mv, value2, own_adc=False):
    """Return a board with one linear_analog besides its thermometer, compiled."""
    usual = scaffold.board_text("one", Answers("esp32", sensors=[
        f"linear_analog.{quantity}" + (":air" if quantity == "temp_c" else ":reservoir")]
        + (["ds18b20"] if quantity in ("ph", "ec_us_cm") else [])), PARTS)
    keys = {"low_mv": 150, "high_mv": 2_400, "point1_mv": point1_mv, "point1_value": value1,
            "point2_mv": point2_mv, "point2_value": value2}
    for key, value in keys.items():
        usual = re.sub(rf"^{key} = \S+$", f"{key} = {value}", usual, flags=re.MULTILINE)
    if own_adc:
        usual = usual.replace(ADS1115, 'name = "main"\npart = "esp32_adc"\npins = [34]\n')
    return compiler.compile_board(usual.encode(), "one.toml", PARTS)


# As flat as it may be, and flatter: a few mV of error are another pH, EC, level or temperature.
SLOPES = {
    "ph": ((1_000, 7, 1_100, 3), (1_000, 7, 1_100, 2)),
    "ec_us_cm": ((1_000, 1_000, 1_100, 3_000), (1_000, 1_000, 1_100, 20_000)),
    "level_mm": ((200, 0, 2_200, 5_000), (1_000, 0, 1_100, 4_000)),
    "temp_c": ((500, 0, 1_000, 50), (600, 0, 700, 50)),
    "moisture_pct": ((500, 0, 1_000, 100), (500, 0, 900, 100)),
    "do_mg_l": ((500, 0, 1_500, 20), (500, 0, 1_400, 20)),
    "rh_pct": ((500, 0, 1_500, 100), (500, 0, 1_400, 100)),
    "co2_ppm": ((200, 0, 2_200, 10_000), (200, 0, 1_200, 10_000)),
    "illuminance_lx": ((200, 0, 2_200, 200_000), (200, 0, 1_200, 200_000)),
    "ppfd_umol_m2_s": ((200, 0, 700, 2_500), (200, 0, 600, 2_500)),
}


@pytest.mark.parametrize("quantity", PARTS["linear_analog"].measures)
def test_a_line_too_flat_to_measure_is_refused(quantity):
    enough, too_flat = SLOPES[quantity]
    lines(quantity, *enough)
    with pytest.raises(BoardError, match="at the input: less than") as refused:
        lines(quantity, *too_flat)
    assert refused.value.key.endswith("].point2_mv")


def test_temperature_and_level_by_the_chips_converter_are_warned_of_by_their_error():
    for quantity, close, coarse, said in (
        ("temp_c", (200, 0, 2_200, 30), (500, 0, 1_000, 50), "up to 6.00 C; for indication"),
        ("level_mm", (200, 0, 2_200, 900), (200, 0, 2_200, 5_000), "up to 150.00 mm; for indic"),
    ):
        assert warnings.warnings(lines(quantity, *close, own_adc=True)) == []
        assert warnings.warnings(lines(quantity, *coarse)) == []
        [warning] = warnings.warnings(lines(quantity, *coarse, own_adc=True))
        assert said in warning


@pytest.mark.parametrize("case", REFUSED)
def test_refuses_with_key_and_way_out(case):
    old, new, key, way_out = REFUSED[case]
    with pytest.raises(BoardError) as refused:
        compiled(old, new)
    assert (refused.value.file, refused.value.key) == ("analog.toml", key)
    assert way_out in refused.value.why
    assert "esp32-reservoir" not in refused.value.why  # which has no such part


def test_a_level_and_a_moisture_need_no_temperature():
    text = scaffold.board_text("dry", Answers(
        "esp32s3", sensors=["linear_analog.moisture_pct:bed", "linear_analog.level_mm"]), PARTS)
    board = compiler.compile_board(text.encode(), "dry.toml", PARTS)
    assert [s["measures"] for s in board["sensors"]] == [["moisture_pct"], ["level_mm"]]


def test_the_drawing_shows_the_divider_and_the_clamp():
    board = parse(TEXT.encode(), BoardFile, "analog.toml")
    shown = dict(netlist.adc_inputs(board, PARTS))["ads1115 A0"]
    assert shown.title == "linear_analog of reservoir: ph"
    for words in ("10 k and 20 k divider", "clamp", "isolated supply for pH"):
        assert words in shown.fit
    drawing = pinout.svg(compiler.LoadedBoard(board, PARTS, compiled()))
    assert "10 k and 20 k divider" in drawing


@pytest.mark.parametrize("own_adc", [False, True])
def test_a_loop_of_4_to_20_ma_names_its_shunt_and_the_supply_of_a_probe(own_adc):
    loop = "low_mv = 540\nhigh_mv = 3_150\n"
    text = TEXT.replace("low_mv = 0\nhigh_mv = 3_200\npoint1_mv = 0\n",
                        f"{loop}point1_mv = 600\n")
    text = text.replace(ADS1115, OWN_ADC) if own_adc else text
    board = parse(text.encode(), BoardFile, "x.toml")
    wires = [*netlist.wires(board, PARTS).values(),
             *dict(netlist.adc_inputs(board, PARTS)).values()]
    shown = {wire.title.split(": ")[1]: wire for wire in wires if "linear_analog" in wire.title}
    for quantity, is_loop in (("ph", False), ("ec_us_cm", True), ("level_mm", True),
                              ("moisture_pct", False)):
        wire = shown[quantity]
        assert ("150 ohm to ground" in wire.fit) == is_loop
        assert ("divider" in wire.fit) != is_loop
    assert "isolated supply" in shown["ec_us_cm"].details
    assert "isolated supply" not in shown["level_mm"].details
    drawing = pinout.svg(compiler.LoadedBoard(board, PARTS, compiled()))
    assert "150 ohm to ground" in drawing
    assert "isolated supply" in drawing


@pytest.mark.parametrize("quantity", PARTS["linear_analog"].measures)
def test_board_new_writes_a_usual_line_of_every_quantity(quantity):
    text = scaffold.board_text("mine", Answers(
        "esp32", sensors=[f"linear_analog.{quantity}:bed", "ds18b20:bed"]
        if quantity != "temp_c" else [f"linear_analog.{quantity}"]), PARTS)
    board = compiler.compile_board(text.encode(), "mine.toml", PARTS)
    [sensor] = [s for s in board["sensors"] if s["part"] == "linear_analog"]
    assert sensor["measures"] == [quantity]
    assert {key: sensor[key] for key in analog_line.KEYS} == analog_line.USUAL[quantity]


def test_the_usual_tds_board_that_gives_its_end_of_2300_mv_is_a_fault():
    assert analog_line.USUAL["ec_us_cm"]["high_mv"] < 2_300


def test_board_new_refuses_a_quantity_that_it_does_not_measure():
    with pytest.raises(BoardError, match="linear_analog measures ph, .*, not vpd_pa") as refused:
        scaffold.board_text("mine", Answers("esp32", sensors=["linear_analog.vpd_pa"]), PARTS)
    assert refused.value.key == "sensor[0].measures"
    text = scaffold.board_text("mine", Answers("esp32", sensors=["sht4x.rh_pct"]), PARTS)
    assert 'measures = ["rh_pct"]' in text


millivolts = st.integers(0, 3_300)
values = st.integers(-1, 101)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(PARTS["linear_analog"].measures), st.integers(0, 200),
       st.integers(2_900, 3_300), millivolts, millivolts, values, values)
def test_a_line_that_is_accepted_reads_its_points_and_never_a_cut_cable(
    quantity, low_mv, high_mv, first_mv, second_mv, first, second
):
    keys = dict(zip(analog_line.KEYS, (low_mv, high_mv, first_mv, first, second_mv, second, 0),
                    strict=True))
    sensor = {"source": "x", "part": "linear_analog", "measures": [quantity], "channel": 0} | keys
    try:
        analog_line.check("x.toml", {"sensors": [sensor]})
    except BoardError:
        return
    probe = linear_analog.build(sensor, None, None, {})
    cut = probe._first - probe._from_uv * probe._rise / probe._run_uv
    assert low_mv >= analog_line.LEAST_LOW_MV or cut < linear_analog._IN_AIR_UV
    assert high_mv >= max(first_mv, second_mv)
