"""A board that is put together by choices: valid for `board check`, or an error with its key."""

import copy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idroserra.boards import compiler, draft, pinout
from idroserra.boards.chips import CHIPS
from idroserra.boards.draft import Change
from idroserra.boards.proposal import OUTPUTS, blank_table
from idroserra.boards.summary import shopping_of, warnings_of, wires_of
from idroserra.core.errors import BoardError

PARTS = compiler.known_parts(compiler.boards_dir())
KINDS = {kind: [name for name, part in PARTS.items() if part.kind == kind]
         for kind in ("sensor", "adc", "expander", "actuator")}
# Measures what other parts need.
FIRST = ["ds18b20", "sht4x"]


def blank(chip="esp32s3"):
    return blank_table("mine", chip, 100, 5_000)


def after(table, *changes):
    for change in changes:
        table = draft.changed(table, change, PARTS)
    return table


def board_check(table, folder):
    """Return the board that `board check` reads from the file of a valid table."""
    found = draft.check(table, PARTS)
    path = folder / "mine.toml"
    path.write_text(found.text, encoding="utf-8")
    read = compiler.read(path)
    assert read.compiled == found.wired.compiled
    return read


@pytest.mark.parametrize("chip", CHIPS)
@pytest.mark.parametrize("name", KINDS["sensor"])
def test_every_sensor_is_wired_by_choosing_it(name, chip, tmp_path):
    before = [part for part in FIRST if PARTS[name].needs and part != name]
    table = after(blank(chip), *(Change("sensor", part) for part in (name, *before)))
    read = board_check(table, tmp_path)
    assert name in [sensor["part"] for sensor in read.compiled["sensors"]]
    assert name in pinout.svg(read)
    assert name in [one.name for one in shopping_of(read).parts]


@pytest.mark.parametrize("name", [*KINDS["adc"], *KINDS["expander"], *KINDS["actuator"]])
def test_every_other_part_is_wired_by_choosing_it(name, tmp_path):
    op = {"actuator": "output"}.get(PARTS[name].kind, PARTS[name].kind)
    title = "ph_down" if name == "doser" else name
    table = after(blank(), Change("sensor", "ds18b20"), Change(op, name, name=title))
    read = board_check(table, tmp_path)
    entries = [*read.file.adc, *read.file.expander, *read.file.actuator]
    assert name in [entry.part for entry in entries]


def test_outputs_move_to_an_expander_and_back(tmp_path):
    table = after(blank(), Change("sensor", "ds18b20"), Change("output", name="ph_down"),
                  Change("output", name="circulation"), Change("expander", "mcp23017"))
    moved = after(table, *(Change("rewire_output", where="mcp23017", index=place)
                           for place in (0, 1)))
    assert [(one["expander"], one["pin"]) for one in moved["actuator"]] == [
        ("mcp23017", 0), ("mcp23017", 1)]
    board_check(moved, tmp_path)
    board_check(after(moved, Change("rewire_output", index=0)), tmp_path)


def test_a_sensor_moves_to_another_kind_of_bus_with_what_it_needs_there(tmp_path):
    table = after(blank(), Change("sensor", "ds18b20"), Change("sensor", "ezo_ph"))
    assert table["sensor"][1]["address"] == 0x63
    moved = after(table, Change("rewire_sensor", where="uart", index=1))
    assert moved["sensor"][1]["bus"] == "uart.main"
    assert "address" not in moved["sensor"][1]
    board_check(moved, tmp_path)
    assert after(moved, Change("rewire_sensor", where="i2c.main", index=1)) == table | {
        "uart": moved["uart"]}


def test_what_was_set_stays_on_another_bus():
    table = after(blank(), Change("sensor", "jsn_sr04t"))
    table["sensor"][0] |= {"height_mm": 900, "own_supply": True}
    moved = after(table, Change("rewire_sensor", where="uart"))["sensor"][0]
    assert (moved["height_mm"], moved["own_supply"], moved["bus"]) == (900, True, "uart.main")


def test_two_light_sensors_have_the_two_addresses_there_are():
    table = after(blank(), Change("sensor", "bh1750"), Change("sensor", "bh1750"))
    assert [one["address"] for one in table["sensor"]] == [0x23, 0x5C]


def test_a_second_probe_stays_one_on_another_bus(tmp_path):
    table = after(blank(), *(Change("sensor", part) for part in ("ds18b20", "ezo_ph", "ezo_ph")))
    table["sensor"][0] |= {"rom": "280a1b2c3d4e5fac"}
    table["sensor"][2] |= {"pair": "reservoir"}
    moved = after(table, Change("rewire_sensor", where="uart", index=2),
                  Change("rewire_sensor", where="onewire", index=0))["sensor"]
    assert (moved[2]["bus"], moved[2]["pair"]) == ("uart.main", "reservoir")
    assert (moved[0]["bus"], moved[0]["rom"]) == ("onewire.main_2", "280a1b2c3d4e5fac")


def test_a_second_part_of_a_kind_gets_an_address_and_a_place_of_its_own(tmp_path):
    table = after(blank(), *(Change("sensor", "sht4x"),) * 4)
    assert [(one["source"], one["bus"], one["address"]) for one in table["sensor"]] == [
        ("air", "i2c.main", 0x44), ("air_2", "i2c.main", 0x45), ("air_3", "i2c.main", 0x46),
        ("air_4", "i2c.main_2", 0x44)]
    board_check(table, tmp_path)


@pytest.mark.parametrize("chip", CHIPS)
def test_another_chip_moves_what_it_cannot_have(chip, tmp_path):
    whole = draft.table_of(compiler.read(compiler.path_of("esp32-reservoir")).file)
    moved = after(whole, Change("chip", name=chip))
    moved["board"]["name"] = "mine"
    board_check(moved, tmp_path)
    assert after(whole, Change("chip", name="esp32")) == whole


words = st.sampled_from(["", "main", "i2c", "i2c.main", "i2c.main_2", "adc", "adc.main", "uart",
                         "onewire", "rs485", "gpio", "pin", "mcp23017", "no.such", "a\n\"]", "é"])
changes = st.builds(
    Change, st.sampled_from(["sensor", "output", "adc", "expander", "bus", "chip", "input",
                             "rewire_sensor", "rewire_output"]),
    st.sampled_from([*PARTS, "no_such_part", ""]),
    st.sampled_from([*OUTPUTS, *CHIPS, "x"]) | words, words, st.integers(0, 4))
values = st.one_of(st.integers(-2, 60), st.integers(), st.text(max_size=6), st.booleans(),
                   st.none(), st.lists(st.integers(0, 20), max_size=3), st.floats(allow_nan=False))
edits = st.tuples(st.sampled_from(["sensor", "actuator", "adc", "expander", "supply", "board"]),
                  st.integers(0, 3), st.integers(0, 9), values)


def edited(table, section, place, key_at, value):
    """Return a table with one value that a person changed, or with an entry removed."""
    table = copy.deepcopy(table)
    entry = table.get(section, {})
    if isinstance(entry, list):
        if not entry:
            return table
        if value is True:
            del entry[place % len(entry)]
            return table
        entry = entry[place % len(entry)]
    keys = [*entry, "no_such_key"]
    entry[keys[key_at % len(keys)]] = value
    return table


def result_of(call, *arguments):
    """Return what a call returns, or the BoardError that it raises."""
    try:
        return call(*arguments)
    except BoardError as error:
        return error


def assert_says_where(error, table):
    """Fail unless an error has a key, a reason and the part of the entry that the key names."""
    assert error.key
    assert error.why
    section, _, rest = error.key.partition("[")
    if rest:
        entry = table[section][int(rest.partition("]")[0])]
        part = entry.get("part", "") if isinstance(entry, dict) else ""
        assert draft.part_at(table, error.key) == str(part)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(list(CHIPS)), st.lists(changes, max_size=6), st.lists(edits, max_size=1))
def test_any_choices_give_a_valid_board_or_an_error_that_says_where(chip, chosen, later):
    table = blank(chip)
    for change in chosen:
        changed = result_of(draft.changed, table, change, PARTS)
        if isinstance(changed, BoardError):
            assert changed.key
            assert changed.why
        else:
            table = changed
    for edit in later:
        table = edited(table, *edit)
    found = result_of(draft.check, table, PARTS)
    if isinstance(found, BoardError):
        assert_says_where(found, table)
        return
    file = f"{found.wired.file.board.name}.toml"
    assert compiler.compile_board(found.text.encode(), file, PARTS) == found.wired.compiled
    assert pinout.svg(found.wired).startswith("<svg")
    assert len(wires_of(found.wired)) >= len(found.wired.file.actuator)
    assert isinstance(warnings_of(found.wired), list)


@pytest.mark.parametrize(("table", "key"), [
    (3, ""), ({}, "board"), ({"board": {"name": "mine"}}, "board.chip"),
    ({"board": {"name": "../x", "chip": "esp32"}}, "board.name"),
    ({"board": {"name": "mine", "chip": "esp32"}, "sensor": 5}, "sensor"),
    ({"board": {"name": "mine", "chip": "z80"}}, "board.chip"),
    ({"board": {"name": "mine", "chip": "esp32"}, "i2c": {"a b\n": {
        "scl_pin": 22, "sda_pin": 21, "freq_hz": 100_000}}}, "i2c.a b\n"),
    ({"board": {"name": "mine", "chip": "esp32"}, "sensor": [
        {"source": "\ud800", "part": "sht4x", "measures": []}]}, ""),
])
def test_a_hostile_table_is_refused(table, key):
    with pytest.raises(BoardError) as refused:
        draft.check(table, PARTS)
    assert refused.value.key == key


@pytest.mark.parametrize("quantity", PARTS["linear_analog"].measures)
def test_a_voltage_is_of_one_quantity_with_its_usual_line(quantity, tmp_path):
    table = after(blank(), Change("sensor", "ds18b20"),
                  Change("sensor", "linear_analog", name=quantity))
    assert [quantity] in [sensor["measures"] for sensor in table["sensor"]]
    board_check(table, tmp_path)


def test_outputs_of_relays_that_are_on_at_low_are_off_at_high(tmp_path):
    table = after(blank(), Change("sensor", "ds18b20"), Change("output", name="circulation"),
                  Change("expander", "pcf8574"), Change("rewire_output", where="pcf8574"))
    assert (table["actuator"][0]["safe_level"], table["actuator"][0]["pull"]) == (1, "up")
    board_check(table, tmp_path)
