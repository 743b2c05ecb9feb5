"""The character chart: size, position and edges."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idroserra.terminal.tui.chart import TimeSpan, chart

LOOK = {"factor": 1.0, "decimals": 2, "notable": 0.04}
HOUR_MS = 3_600_000
SPAN = TimeSpan(1_795_507_200_000, 1_795_507_200_000 + HOUR_MS)


def drawn(columns, size=(60, 12), **more):
    return chart(columns, SPAN, size, LOOK, **more).plain.split("\n")


def at(share, least, most=None):
    """A column at a share of the hour."""
    most = least if most is None else most
    return (SPAN.from_unix_ms + share * HOUR_MS, least, (least + most) / 2, most)


def band(share, low, high):
    """A band from a share of the hour on."""
    return {"from_unix_ms": SPAN.from_unix_ms + share * HOUR_MS, "low": low, "high": high}


def dots(line):
    """The columns of a line in which something is drawn."""
    return [index for index, char in enumerate(line) if 0x2800 < ord(char) < 0x2900]


def test_what_rises_is_higher_on_the_right():
    lines = drawn([at(step / 100, 6 + step / 100) for step in range(100)])
    assert len(lines) == 12
    assert min(dots(lines[8])) < min(dots(lines[1]))
    assert max(dots(lines[8])) < max(dots(lines[1]))


def test_the_band_is_in_sight_and_shaded():
    text = chart([at(0.5, 5.8)], SPAN, (60, 12), LOOK, bands=[band(0, 5.6, 6.0)])
    labels = [line[:8].strip() for line in text.plain.split("\n")]
    values = [float(label) for label in labels[:10] if label]
    assert min(values) < 5.65
    assert max(values) > 5.95
    assert any("grey23" in str(span.style) for span in text.spans)


def test_a_band_ends_where_the_next_begins():
    text = chart([at(0.5, 6.0)], SPAN, (68, 12), LOOK,
                 bands=[band(-2, 5.6, 5.9), band(0.5, 6.1, 6.4), band(0.75, None, None)])
    shaded = [[place - 69 * row - 8 for place in range(69 * row + 8, 69 * row + 68)
               if any("grey23" in str(span.style) for span in text.spans
                      if span.start <= place < span.end)] for row in range(10)]
    assert shaded[1] == list(range(30, 45))
    assert shaded[8] == list(range(30))


def test_noise_stays_flat():
    lines = drawn([at(step / 50, 6 + 0.001 * (step % 2)) for step in range(50)])
    assert sum(bool(dots(line)) for line in lines) <= 2


def test_the_least_and_the_most_of_a_column_are_joined():
    lines = drawn([at(0.5, 5.0, 7.0)])
    assert sum(bool(dots(line)) for line in lines) >= 8


def test_doses_stand_under_the_time_at_which_they_were_given():
    def dose(share, actuator):
        return {"unix_us": (SPAN.from_unix_ms + share * HOUR_MS) * 1_000,
                "detail": {"actuator": actuator}}

    lines = drawn([at(0.5, 6.0)], doses=[
        dose(0.0, "ph_down"), dose(0.5, "nutrient_a"), dose(0.99, "ph_up"), dose(2, "ph_up"),
        dose(0.2, "light")])
    marks = lines[-2][8:]
    assert (marks[0], marks[26], marks[51]) == ("▼", "●", "▲")
    assert len(marks.replace(" ", "")) == 3


def test_without_readings_it_says_so():
    assert "no readings in this period" in "\n".join(drawn([]))


NUMBERS = st.floats(-1e6, 1e6)


@settings(max_examples=300, deadline=None)
@given(
    columns=st.lists(st.tuples(st.floats(-0.5, 1.5), NUMBERS, NUMBERS), min_size=1, max_size=30),
    size=st.tuples(st.integers(-5, 200), st.integers(-5, 60)),
    limits=st.one_of(st.none(), st.tuples(NUMBERS, NUMBERS)),
)
def test_it_always_fills_its_place(columns, size, limits):
    made = [at(share, min(a, b), max(a, b)) for share, a, b in columns]
    bands = [] if limits is None else [band(0, min(limits), max(limits))]
    lines = drawn(made, size, bands=bands)
    width, height = max(24, size[0]), max(4, size[1])
    assert len(lines) == height
    assert max(len(line) for line in lines) <= width + 8


@pytest.mark.parametrize(("share", "cell"), [(0.0, 0), (0.999, 9), (1.0, None), (-0.01, None)])
def test_times_fall_into_cells(share, cell):
    assert SPAN.place(SPAN.from_unix_ms + share * HOUR_MS, 10) == cell
