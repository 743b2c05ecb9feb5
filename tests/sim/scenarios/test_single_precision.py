"""Tests that single precision, as on a board, gives the decisions of double precision.

`make single-precision` runs every scenario; here only the first hours of one with all dosers.
"""

import struct

from hypothesis import given
from hypothesis import strategies as st

from campaigns.precision.rounded_run import FOLDER, run
from campaigns.precision.single_precision import SINGLE_BITS, helper_source, single
from idrosim.scenarios import run as scenario_run


def test_doses_are_the_same_and_coarser_numbers_are_detected(tmp_path):
    found = scenario_run.with_changes(
        scenario_run.load(FOLDER / "ec-before-ph.toml"), days=1.5 / 24
    )
    as_it_is = run(found, tmp_path / "double", None)
    assert {pin for pin, _, _ in as_it_is.edges} >= {"ph_down", "nutrient_a", "nutrient_b"}
    assert run(found, tmp_path / "single", SINGLE_BITS).edges == as_it_is.edges
    assert run(found, tmp_path / "coarse", 9).edges != as_it_is.edges


@given(st.floats(width=64, allow_nan=False, min_value=-1e30, max_value=1e30).filter(
    lambda value: value == 0 or abs(value) > 1e-30))
def test_a_number_is_rounded_as_the_board_stores_it(value):
    stored = struct.unpack("<f", struct.pack("<f", value))[0]
    helper = {}
    exec(helper_source(), helper)
    assert single(value) == helper["f32"](value) == stored


def test_whole_numbers_beside_floats_are_rounded_and_others_are_not():
    helper = {}
    exec(helper_source(), helper)
    big = 2**24 + 1
    assert helper["add"](big, 1) == big + 1
    assert helper["add"](big, 0.0) == 2.0**24
    assert not helper["below"](2.0**24, big)
    assert helper["below"](2**24, big)
    assert helper["add"]("a", "b") == "ab"
    assert helper["mod"]("%.1f %s", (0.25, "x")) == "0.2 x"
    same = [1]
    assert helper["in_place"](same, helper["add"], [2]) is same == [1, 2]
