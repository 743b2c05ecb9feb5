"""What hangs on a supply must not take more than it gives; the refusal says which takes what."""

import pytest

from idroserra.boards import compiler, power_budget
from idroserra.boards.schema import BoardFile, parse
from idroserra.core.errors import BoardError

PARTS = compiler.read_parts((compiler.boards_dir() / compiler.PARTS_FILE).read_bytes())
EZO = (compiler.boards_dir() / "esp32s3-ezo.toml").read_text()


def changed(old: str, new: str) -> str:
    assert old in EZO, f"the board no longer contains {old!r}"
    return EZO.replace(old, new, 1)


def compiled(text: str) -> compiler.Board:
    return compiler.compile_board(text.encode(), "esp32s3-ezo.toml", PARTS)


def rails(text: str) -> dict[str, power_budget.Rail]:
    board = parse(text.encode(), BoardFile, "esp32s3-ezo.toml")
    return {rail.name: rail for rail in power_budget.rails(board, PARTS)}


def test_sums_what_each_supply_gives():
    found = rails(EZO)
    taken = dict(found["3.3 V"].draws)
    assert taken["the chip while it transmits"] == 340
    assert taken["scd4x of air"] == 205
    assert found["3.3 V"].total_ma == sum(taken.values()) <= found["3.3 V"].budget_ma == 800
    # The regulator is linear: what leaves it at 3.3 V came in at 5 V.
    assert found["5 V"].total_ma == found["3.3 V"].total_ma + 40


def test_only_one_doser_runs_at_a_time():
    text = EZO.replace("load_ma = 300", "load_ma = 600", 1)
    before, after = rails(EZO)["loads"], rails(text)["loads"]
    assert after.total_ma - before.total_ma == 300
    assert [who for who, _ in after.draws].count("one doser at a time") == 1


@pytest.mark.parametrize(("old", "new", "key", "words"), [
    ("rail_3v3_ma = 800", "rail_3v3_ma = 700", "supply.rail_3v3_ma", "scd4x of air 205"),
    ("rail_3v3_ma = 800", "rail_3v3_ma = 700", "supply.rail_3v3_ma", "own_supply = true"),
    ("rail_5v_ma = 2_000\n", "", "supply.rail_5v_ma", "rating is 500"),
    ("loads_ma = 5_000", "loads_ma = 400", "supply.loads_ma", "one doser at a time 300"),
    ("loads_ma = 5_000", "loads_ma = -1", "supply.loads_ma", "0 to 100000"),
    ("load_ma = 300\n", "", "actuator[0].load_ma", "0 for a load on mains"),
    ("load_ma = 300", "load_ma = -5", "actuator[0].load_ma", "0 to 100000"),
    ("loads_ma = 5_000\n", "", "supply.loads_ma", "rating of the supply of the loads"),
    ("rail_5v_ma = 2_000", "rail_5v = 2_000", "supply.rail_5v", "did you mean rail_5v_ma"),
])
def test_refuses_what_a_supply_does_not_give(old, new, key, words):
    with pytest.raises(BoardError) as refused:
        compiled(changed(old, new))
    assert (refused.value.file, refused.value.key) == ("esp32s3-ezo.toml", key)
    assert words in refused.value.why


def test_a_part_with_a_supply_of_its_own_is_not_counted():
    text = changed("rail_3v3_ma = 800", "rail_3v3_ma = 600").replace(
        'address = 0x62\n', 'address = 0x62\nown_supply = true\n')
    board = compiled(text)
    assert "own_supply" not in board["sensors"][3]
    assert "scd4x of air" not in dict(rails(text)["3.3 V"].draws)


def test_supplies_are_no_business_of_the_firmware():
    assert "load_ma" not in str(compiled(EZO))
    assert "supply" not in compiled(EZO)


@pytest.mark.parametrize("name", compiler.names())
def test_every_board_states_what_its_loads_take(name):
    data = (compiler.boards_dir() / f"{name}.toml").read_bytes()
    assert power_budget.warnings(parse(data, BoardFile, name)) == []


def test_warns_where_the_current_of_the_loads_is_not_stated():
    text = EZO.replace("loads_ma = 5_000\n", "")
    text = "\n".join(line for line in text.splitlines() if not line.startswith("load_ma"))
    compiled(text)
    [warning] = power_budget.warnings(parse(text.encode(), BoardFile, "esp32s3-ezo.toml"))
    assert "loads_ma" in warning
