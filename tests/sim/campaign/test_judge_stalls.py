"""Tests of the judge on doses that a stalled interpreter cuts off."""

import pytest


@pytest.mark.parametrize(("stalled_ms", "rest_s", "gap_s", "found"), [
    (600_500, 1, 1.1, set()),
    (600_500, 2, 8, set()),
    (600_500, 2, 9, {"I1"}),  # the watchdog would have reset it
    (600_500, 3, 1.1, {"I1"}),  # more than the 3 s of one dose
    (590_000, 1, 1.1, {"I1"}),  # no stall cut it off
])
def test_the_rest_of_a_dose_that_a_stall_cut_off_is_no_second_dose(
        run, stalled_ms, rest_s, gap_s, found):
    run.pin("ph_down", 600_000, 1)
    run.pin("ph_down", 601_000, 0)
    at_ms = 601_000 + round(1_000 * gap_s)
    for second in range(rest_s):
        run.pin("ph_down", at_ms + 1_000 * second, 1)
        run.pin("ph_down", at_ms + 1_000 * (second + 1), 0)
    assert run.violated(stalls_ms=(stalled_ms,)) == found


def test_another_pump_is_never_the_rest_of_a_dose(run):
    run.dose("ph_down", 600_000)
    run.dose("ph_up", 604_000)
    assert run.violated(stalls_ms=(600_500,)) == {"I1"}
