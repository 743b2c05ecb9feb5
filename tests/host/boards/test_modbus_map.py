"""Register maps of Modbus probes: any file compiles to what the driver reads, or is one error."""

import json
import math
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idro.drivers import modbus as driver
from idro.protocol.quantities import QUANTITIES
from idroserra.boards import compiler, modbus_map, netlist, power_budget, warnings
from idroserra.boards.schema import BoardFile, parse
from idroserra.core.errors import BoardError
from idroserra.homeassistant import device_classes
from idrosim.devices import modbus as device

FOLDER = compiler.boards_dir() / modbus_map.FOLDER
BOARD = (compiler.boards_dir() / "esp32s3-rs485.toml").read_text(encoding="utf-8")
PARTS = compiler.read_parts((compiler.boards_dir() / compiler.PARTS_FILE).read_bytes())
PH = (FOLDER / "sup_ph8001.toml").read_text(encoding="utf-8")


def compiled(text, parts=PARTS):
    return compiler.compile_board(text.encode(), "esp32s3-rs485.toml", parts)


def test_maps_cover_what_growers_measure():
    measured = {key for name in modbus_map.read_folder(FOLDER) for key in PARTS[name].measures}
    assert measured >= {"ph", "ec_us_cm", "do_mg_l", "level_mm", "moisture_pct", "temp_c",
                        "ppfd_umol_m2_s"}


def test_every_quantity_of_a_probe_is_shown_in_home_assistant():
    for key in QUANTITIES.keys() - {"float_up"}:
        assert key in device_classes.READINGS


REFUSED = {
    "address of a broadcast": ("address = 1\nb", "address = 0\nb", "address", "1 to 247"),
    "no manual": ('manual = "Supmea', 'manual = " "\n#', "manual", "which manual"),
    "unknown key": ("settle_ms", "settling_ms", "settling_ms", "did you mean settle_ms"),
    "unknown key of a register": ("scale", "factor", "register[0].factor", "quantity"),
    "no such rate": ("[9_600]", "[9_601]", "bauds", "4800"),
    "no registers": (PH[PH.index("[[register]]"):], "register = []", "register", "quantity"),
    "unknown quantity": ('"ph"', '"acid"', "register[1].quantity", "ec_us_cm"),
    "two meanings": ("signal = true", 'signal = true\nquantity = "ph"', "register[2]", "one of"),
    "no meaning": ("signal = true", "", "register[2]", "one of"),
    "no type": ('type = "int16"', 'type = "int8"', "register[0].type", "sup_ph8001.toml"),
    "order of four bytes": ('type = "uint16"', 'type = "uint16"\norder = "cdab"',
                            "register[1].order", "ab, ba"),
    "scale 0": ("scale = 0.01", "scale = 0.0", "register[1].scale", "not 0"),
    "offset of no number": ("scale = 0.01", "offset = nan", "register[1].offset", "out of range"),
    "endless offset": ("scale = 0.01", "offset = inf", "register[1].offset", "out of range"),
    "no range": ("high = 14", "", "register[1].high", "valid range"),
    "impossible range": ("high = 14", "high = 15", "register[1].high", "0 to 14"),
    "empty range": ("low = 0\nhigh = 14", "low = 14\nhigh = 14", "register[1].low", "below"),
    "same register": ("address = 2", "address = 1", "register[2].address", "register[1]"),
    "same quantity": ("signal = true", 'quantity = "ph"\nlow = 1\nhigh = 2', "register[2]",
                      "register[1]"),
    "write function": ("address = 2", "address = 2\nfunction = 6", "register[2].function", ""),
    "long wait": ("settle_ms = 10_000", "timeout_ms = 5_000", "timeout_ms", "2000"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refuses_a_wrong_map_with_file_key_and_way_out(case):
    old, new, key, way_out = REFUSED[case]
    assert old in PH
    with pytest.raises(BoardError) as refused:
        modbus_map.part_of("sup_ph8001", PH.replace(old, new, 1).encode(), "modbus/x.toml")
    assert refused.value.file == "modbus/x.toml"
    assert refused.value.key == key
    assert way_out in refused.value.why


BOARDS_REFUSED = {
    "one address twice": ("address = 2", "address = 1", "sensor[1].address", "sensor[0]"),
    "no such address": ("address = 2", "address = 248", "sensor[0].address", "1 to 247"),
    "no address": ("address = 2\n", "", "sensor[0].address", "missing"),
    "another rate": ("baud = 9_600", "baud = 38_400", "sensor[0].bus", "9600"),
    "slow rate": ("baud = 9_600", "baud = 1_200", "rs485.main.baud", "4800"),
    "another parity": ("baud = 9_600", 'baud = 9_600\nparity = "odd"', "sensor[0].bus", "parity"),
    "driver pin of the flash": ("de_pin = 15", "de_pin = 27", "rs485.main.de_pin", "flash"),
    "driver pin twice": ("de_pin = 15", "de_pin = 16", "rs485.main.de_pin", "rx_pin"),
    "no such line": ('bus = "rs485.main"', 'bus = "rs485.x"', "sensor[0].bus", "rs485.main"),
    "coarse pH that doses acid": ('"sup_ph8001"', '"sen0604"', "sensor[1].part", "ph_down"),
}


@pytest.mark.parametrize("case", BOARDS_REFUSED)
def test_refuses_a_wrong_line_with_key_and_way_out(case):
    old, new, key, way_out = BOARDS_REFUSED[case]
    assert old in BOARD
    with pytest.raises(BoardError) as refused:
        compiled(BOARD.replace(old, new, 1))
    assert refused.value.key == key
    assert way_out in refused.value.why


def test_uarts_and_lines_share_the_controllers():
    more = '[uart.a]\ntx_pin = 4\nrx_pin = 5\nbaud = 9_600\n\n'
    assert compiled(BOARD.replace("[rs485", more + "[rs485", 1))["uart"]
    more += more.replace(".a]", ".b]").replace("4\n", "6\n").replace("5\n", "7\n")
    with pytest.raises(BoardError, match="2 besides the console"):
        compiled(BOARD.replace("[rs485", more + "[rs485", 1))


def test_neighbours_are_read_in_one_request():
    reads = {name: modbus_map.compiled(part.probe, part.measures)["reads"]
             for name, part in modbus_map.read_folder(FOLDER).items()}
    assert [read[:3] for read in reads["jxbs_3001"]] == [(3, 6, 1), (3, 0x12, 2), (3, 0x15, 1)]
    assert [read[:3] for read in reads["s_ec_01"]] == [(3, 0, 3)]
    assert [read[:3] for read in reads["sq_422x"]] == [(3, 0, 12)]
    ec = modbus_map.compiled(PARTS["s_ec_01"].probe, ["ec_us_cm"])["reads"]
    assert [read[:3] for read in ec] == [(3, 2, 1)]


def test_a_line_is_drawn_and_its_current_counted():
    board = parse(BOARD.encode(), BoardFile, "x")
    wires = netlist.wires(board, PARTS)
    assert wires[15].fit == "10 k to ground"
    assert "2 s_ec_01 of reservoir: temp_c, ec_us_cm" in wires[17].details
    loads = power_budget.rails(board, PARTS)[2]
    assert ("s_ec_01 of reservoir", 80) in loads.draws


def test_says_what_to_set_in_a_probe_before_it_joins():
    board = parse(BOARD.encode(), BoardFile, "x")
    said = warnings.to_set(board, PARTS)
    assert [line.partition(" before")[0] for line in said] == [
        "sensor[0]: set s_ec_01 to address 2", "sensor[2]: set qdy30a to address 3"]
    par = BOARD.replace('"qdy30a"', '"sq_422x"').replace('"level_mm"', '"ppfd_umol_m2_s"')
    said = warnings.to_set(parse(par.encode(), BoardFile, "x"), PARTS)
    assert "set sq_422x to address 3, 9600 baud, parity none before" in said[1]
    assert "factory it has address 1, 19200 baud, parity even" in said[1]


def test_a_probe_may_not_take_the_name_of_another_part(tmp_path):
    (tmp_path / "modbus").mkdir()
    (tmp_path / "modbus" / "sht4x.toml").write_text(PH)
    (tmp_path / "esp32s3-rs485.toml").write_text(BOARD)
    with pytest.raises(BoardError, match="another part") as refused:
        compiler.load_file(tmp_path / "esp32s3-rs485.toml")
    assert refused.value.file == "modbus/sht4x.toml"


@st.composite
def registers(draw):
    """Draw the registers of a file: any types, orders, scales and ranges that fit."""
    found, at = [], draw(st.integers(0, 40))
    for key in draw(st.lists(st.sampled_from(sorted(QUANTITIES)), min_size=1, max_size=6,
                             unique=True)):
        kind = draw(st.sampled_from(["int16", "uint16", "int32", "uint32", "float32"]))
        words = 1 if kind.endswith("16") else 2
        orders = ["", "ab", "ba"] if words == 1 else ["", "abcd", "cdab", "badc", "dcba"]
        quantity = QUANTITIES[key]
        at += draw(st.integers(0, 3))
        found.append({
            "quantity": key, "address": at, "type": kind, "order": draw(st.sampled_from(orders)),
            "function": draw(st.sampled_from([3, 4])),
            "scale": draw(st.sampled_from([1.0, 0.1, 0.01, 0.001, 10.0, -0.1, 0.5])),
            "offset": draw(st.sampled_from([0.0, -40.0, 273.15])),
            "low": quantity.low, "high": quantity.high})
        at += words
    return found


@settings(max_examples=150, deadline=None)
@given(registers(), st.data())
def test_the_driver_reads_what_a_slave_with_the_same_map_holds(found, data):
    head = PH[:PH.index("[[register]]")]
    rows = "".join("[[register]]\n" + "".join(
        f"{key} = {json.dumps(value)}\n" for key, value in one.items()) for one in found)
    part = modbus_map.part_of("probe", (head + rows).encode(), "probe.toml")
    reads = modbus_map.compiled(part.probe, part.measures)["reads"]
    wanted = {one["quantity"]: data.draw(st.floats(one["low"], one["high"])) for one in found}
    signals = {key: lambda key=key: wanted[key] for key in wanted}
    by_key = {one["quantity"]: one for one in found}
    for function, start, count, fields in reads:
        held = device.words(reads, signals, function)
        content = b"".join(held[n].to_bytes(2, "big") for n in range(start, start + count))
        for field in fields:
            if field[0] not in wanted:
                continue
            one = by_key[field[0]]
            raw = (Fraction(wanted[field[0]]) - Fraction(repr(one["offset"]))) \
                / Fraction(repr(one["scale"]))
            low, high = {"int16": (-2**15, 2**15 - 1), "uint16": (0, 2**16 - 1),
                         "int32": (-2**31, 2**31 - 1), "uint32": (0, 2**32 - 1),
                         "float32": (-math.inf, math.inf)}[one["type"]]
            if not low <= raw <= high:
                continue
            wide = field[:7] + (-math.inf, math.inf)
            key, value = driver._value("probe", content, wide)
            step = abs(one["scale"]) if one["type"] != "float32" else \
                2e-7 * (abs(wanted[key]) + 300)
            assert abs(value - wanted[key]) <= step * 0.51 + 1e-6, (one, wanted[key])


@settings(max_examples=150, deadline=None)
@given(st.integers(0, len(PH) - 1), st.integers(0, 40), st.text(max_size=12))
def test_a_damaged_file_is_a_part_or_one_error(at, gone, junk):
    text = PH[:at] + junk + PH[at + gone:]
    try:
        part = modbus_map.part_of("probe", text.encode(), "probe.toml")
    except BoardError as error:
        refused = error
    else:
        assert modbus_map.compiled(part.probe, part.measures)["reads"]
        return
    assert refused.file == "probe.toml"
    assert refused.why
