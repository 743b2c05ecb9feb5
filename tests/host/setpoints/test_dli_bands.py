"""The band of the DLI follows the light schedule of 24 hours and the PPFD of the lamps."""

import pytest

from idro.control.light import decide
from idroserra.core.computed import LampPpfd
from idroserra.setpoints.dli_bands import dli_band_steps, dli_target
from idroserra.setpoints.series import SettingsSeries

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
LAMPS = LampPpfd(300, 0)
VALUES = {"light.on_minute": 360, "light.on_minutes": 960, "light.ramp_minutes": 0,
          "light.duty_pct": 100}  # 16 h of 300 umol/m2/s: 17.28 mol/m2


def steps(found, hours=HOUR_MS):
    return [(step.from_unix_ms // hours, step.band) for step in found]


@pytest.mark.parametrize("changed", [
    {}, {"light.ramp_minutes": 30}, {"light.ramp_minutes": 120, "light.on_minutes": 180},
    {"light.on_minutes": 1_440, "light.ramp_minutes": 120}, {"light.duty_pct": 60},
    {"light.on_minutes": 0},
])
def test_the_target_is_what_the_node_makes_of_its_schedule(changed):
    values = VALUES | changed
    level_s = sum(decide(second, values).duty_pct / 100 for second in range(86_400))
    assert dli_target(values, LAMPS) == pytest.approx(300 * level_s / 1e6, rel=0.01)


def test_for_a_day_after_a_change_the_band_reaches_over_both_targets():
    """A stage halves the light on the second day."""
    series = SettingsSeries([0, 2 * DAY_MS], [VALUES, VALUES | {"light.duty_pct": 50}])
    assert steps(dli_band_steps(series, LAMPS, DAY_MS, 9 * DAY_MS)) == [
        (24, (15.55, 19.01)), (48, (7.78, 19.01)), (72, (7.78, 9.50))]
    assert steps(dli_band_steps(series, LAMPS, 60 * HOUR_MS, 61 * HOUR_MS)) == [
        (60, (7.78, 19.01))]


def test_there_is_no_band_before_the_ppfd_is_declared():
    series = SettingsSeries([0], [VALUES])
    started = LampPpfd(300, 30 * HOUR_MS)
    assert steps(dli_band_steps(series, started, DAY_MS, 2 * DAY_MS)) == [
        (24, None), (30, (15.55, 19.01))]
    assert dli_band_steps(series, started, 0, DAY_MS) == []
    assert dli_band_steps(SettingsSeries([], []), LAMPS, 0, DAY_MS) == []
