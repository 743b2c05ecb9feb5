"""Packed hours: what goes in comes out, for any numbers; roll-ups are those of the points."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idroserra.history.sqlite.codec import (
    HOUR_MS,
    MAX_NUMBER,
    MINUTE_MS,
    Damaged,
    Points,
    better,
    pack_minutes,
    pack_points,
    roll_up,
    unpack_minutes,
    unpack_points,
)

HOUR = 1_795_507_200_000
anything = st.integers(-MAX_NUMBER, MAX_NUMBER)
in_hour = st.integers(HOUR, HOUR + HOUR_MS - 1)
small = st.integers(-40_000, 200_000)


@given(st.lists(st.tuples(anything, anything)), anything)
def test_any_points_come_back(pairs, hour):
    """In any order, with equal times, as large as a number of the contract may be."""
    points = Points([pair[0] for pair in pairs], [pair[1] for pair in pairs])
    assert unpack_points(pack_points(points, hour), hour) == points


@given(st.lists(st.tuples(in_hour, small), unique_by=lambda pair: pair[0]))
def test_points_of_an_hour_come_back(pairs):
    pairs.sort()
    points = Points([pair[0] for pair in pairs], [pair[1] for pair in pairs])
    assert unpack_points(pack_points(points, HOUR), HOUR) == points


@given(st.lists(st.tuples(in_hour, small), unique_by=lambda pair: pair[0], min_size=1))
def test_minutes_of_an_hour_come_back(pairs):
    pairs.sort()
    rolls = roll_up(Points([pair[0] for pair in pairs], [pair[1] for pair in pairs]), MINUTE_MS)
    assert unpack_minutes(pack_minutes(rolls, HOUR), HOUR) == rolls
    for roll in rolls:
        inside = [value for at, value in pairs if roll.unix_ms <= at < roll.unix_ms + MINUTE_MS]
        assert roll[1:] == (len(inside), min(inside), max(inside), sum(inside), inside[-1])
    assert sum(roll.points for roll in rolls) == len(pairs)


@pytest.mark.parametrize("number", [MAX_NUMBER + 1, -MAX_NUMBER - 1, 2**70])
def test_a_number_that_could_not_come_back_is_refused(number):
    for points in (Points([HOUR], [number]), Points([number], [0])):
        with pytest.raises(ValueError, match="cannot be packed"):
            pack_points(points, HOUR)


def test_a_later_format_version_is_refused():
    body = bytes((9,)) + pack_points(Points([HOUR], [1]), HOUR)[1:]
    with pytest.raises(Damaged, match="version 09"):
        unpack_points(body, HOUR)


@given(st.binary(max_size=200))
def test_bytes_that_are_none_of_ours_are_refused(body):
    for unpack in (unpack_points, unpack_minutes):
        with pytest.raises(Damaged):
            unpack(body, HOUR)


@given(st.lists(st.tuples(in_hour, small), min_size=1), st.data())
def test_a_flipped_bit_is_no_number(pairs, data):
    body = bytearray(pack_points(Points([p[0] for p in pairs], [p[1] for p in pairs]), HOUR))
    body[data.draw(st.integers(0, len(body) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(Damaged):
        unpack_points(bytes(body), HOUR)


def test_of_two_roll_ups_the_one_of_more_points_stands():
    full = roll_up(Points([HOUR, HOUR + 1], [5, 7]), MINUTE_MS)
    less = roll_up(Points([HOUR + 1], [9]), MINUTE_MS)
    assert better(full, less) == full
    assert better(less, full) == full
    corrected = roll_up(Points([HOUR, HOUR + 1], [5, 8]), MINUTE_MS)
    assert better(full, corrected) == corrected


def test_an_hour_of_a_probe_is_a_fraction_of_its_rows():
    """pH every 10 s with the noise of a probe: some 78 bytes a point as rows."""
    rng = random.Random(3)
    values = [6_000 + round(rng.gauss(0, 5)) for _ in range(360)]
    times = [HOUR + at * 10_000 + rng.randrange(3) for at in range(360)]
    assert len(pack_points(Points(times, values), HOUR)) < 2 * 360
