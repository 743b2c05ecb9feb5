"""Tests of light, circulation and top-off decisions by time and water level."""

import pytest
from hypothesis import given
from hypothesis import settings as settings_of
from hypothesis import strategies as st

from idro.control import circulation, light, top_off
from idro.control.filters import Reading
from idro.protocol import settings
from idro.protocol.reason import Reason

VALUES = settings.defaults()
MINUTE_MS = 60_000


def level(value):
    return Reading(None, value) if isinstance(value, str) else Reading(value, None)


@pytest.mark.parametrize(("clock", "duty_pct"), [
    ((5, 59), 0), ((6, 0), 0), ((6, 6), 32), ((6, 15), 80), ((21, 44), 80), ((21, 54), 32),
    ((22, 0), 0), ((0, 0), 0),
])
def test_a_day_of_light(clock, duty_pct):
    hour, minute = clock
    assert light.decide(hour * 3_600 + minute * 60, VALUES).duty_pct == duty_pct


@settings_of(deadline=None, max_examples=40)
@given(
    st.integers(0, 1_439), st.integers(0, 1_440), st.integers(0, 120), st.integers(0, 100)
)
def test_light_is_off_outside_any_photoperiod(on, length, ramp, full):
    values = dict(VALUES)
    values.update({
        "light.on_minute": on, "light.on_minutes": length, "light.ramp_minutes": ramp,
        "light.duty_pct": full,
    })
    lit = 0
    for minute in range(1_440):
        duty_pct = light.decide(minute * 60, values).duty_pct
        assert 0 <= duty_pct <= full
        if (minute - on) % 1_440 >= length:
            assert duty_pct == 0
        lit += duty_pct > 0
    assert lit <= length
    if length == 1_440 and full:
        assert lit == 1_440


def lit_minutes(clock_steps, hours=72):
    """Run the light by a clock that steps, (at minute, by minutes); returns minutes lit by minute
    of uptime."""
    lit, is_lit, offset = light.LightHistory(), False, 0
    found = []
    for minute in range(hours * 60):
        offset += sum(by for at, by in clock_steps if at == minute)
        lit.update(is_lit, minute * 60_000)
        wanted = light.decide((minute + offset) * 60 % 86_400, VALUES)
        is_lit = light.limit(wanted, lit, VALUES, minute * 60_000).duty_pct > 0
        found.append(is_lit)
    return found


def most_in_a_day(found):
    return max(sum(found[start : start + 1_440]) for start in range(len(found) - 1_440))


@pytest.mark.parametrize("steps", [
    [(1_300, -420)], [(1_300, -960)], [(840, 600)], [(at, -60) for at in range(400, 3_000, 60)],
    [(600, 5_256_000)],
])
def test_clock_jumps_give_no_extra_light_in_24_hours(steps):
    assert most_in_a_day(lit_minutes(steps)) <= VALUES["light.on_minutes"] + 5


def test_a_steady_clock_gives_the_full_photoperiod():
    found = lit_minutes([])
    wanted = [light.decide(minute * 60 % 86_400, VALUES).duty_pct > 0 for minute in range(4_320)]
    assert found == wanted


def test_after_a_jump_the_program_resumes_the_next_day():
    found = lit_minutes([(1_300, -420)], hours=96)
    assert sum(found[-1_440:]) >= VALUES["light.on_minutes"] - 20


def test_circulation_runs_without_a_level_but_not_dry():
    assert circulation.decide(level("no_ack"), VALUES, 0, True).actuator == "circulation"
    assert circulation.decide(level(119), VALUES, 0, True).actuator is None
    assert circulation.decide(level(122), VALUES, 0, False).actuator is None
    assert circulation.decide(level(125), VALUES, 0, False).actuator == "circulation"


def test_circulation_alternates_run_and_pause():
    values = dict(VALUES)
    values.update({"circulation.on_ms": 600_000, "circulation.off_ms": 300_000})
    on = [
        circulation.decide(level(200), values, minute * MINUTE_MS, True).actuator is not None
        for minute in range(30)
    ]
    assert on == ([True] * 10 + [False] * 5) * 2


def fill(levels, step_ms=10_000, progress=None, start_ms=0):
    """Return for each level in turn whether it fills."""
    progress = progress or top_off.FillProgress()
    return [
        top_off.decide(level(value), VALUES, progress, start_ms + index * step_ms).actuator
        is not None
        for index, value in enumerate(levels)
    ]


def test_top_off_fills_from_low_to_the_target():
    assert fill([200, 199, 198, 199, 199, 200, 199]) == [
        False, False, True, True, True, False, False
    ]


def test_the_newest_sample_ends_a_fill_and_lets_none_begin():
    progress = top_off.FillProgress()

    def is_filling(median_mm, newest_mm, now_ms=0):
        found = top_off.decide(level(median_mm), VALUES, progress, now_ms, newest_mm)
        return found.actuator is not None

    filling = [is_filling(198, newest_mm) for newest_mm in (198, 200, 201, 202, 200)]
    assert filling == [True, True, False, False, True]
    assert not is_filling(199, 201)
    assert not is_filling(199, 190)  # begins by the median alone


@pytest.mark.parametrize("spike_at", [5, 59, 61])
def test_a_newest_sample_restarts_no_time_out(spike_at):
    progress = top_off.FillProgress()
    filling = [
        top_off.decide(level(150), VALUES, progress, 10_000 * index,
                       201 if index == spike_at else 150).actuator is not None
        for index in range(400)
    ]
    assert filling == [index < 60 and index != spike_at for index in range(400)]


def test_top_off_never_fills_without_a_level_or_when_full():
    assert fill([180, "no_ack", 240, 300]) == [True, False, False, False]


def test_top_off_times_out_and_waits_an_hour():
    filling = fill([150] * 500)
    assert filling[:60] == [True] * 60
    assert filling[60:419] == [False] * 359
    assert filling[420] is True
    reason = top_off.decide(level(150), VALUES, top_off.FillProgress(), 0).reason
    assert reason == Reason("fill_low", level_mm=150, target_mm=200)


@settings_of(deadline=None)
@given(st.lists(st.one_of(st.integers(0, 400), st.just("no_ack")), max_size=60))
def test_top_off_never_fills_at_or_above_the_target(levels):
    for value, is_filling in zip(levels, fill(levels), strict=True):
        if is_filling:
            assert value != "no_ack"
            assert value < VALUES["level.target_mm"]
