"""The VPD band follows the setpoints of its time and the light schedule."""

from idroserra.setpoints.series import SettingsSeries
from idroserra.setpoints.vpd_bands import vpd_band, vpd_band_steps

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
VALUES = {
    "climate.vpd_low_day_pa": 400, "climate.vpd_high_day_pa": 1_200,
    "climate.vpd_low_night_pa": 200, "climate.vpd_high_night_pa": 1_000,
    "light.on_minute": 360, "light.on_minutes": 960, "clock.utc_offset_min": 60}


def test_the_band_changes_with_day_and_night_of_the_lights():
    """On from 06:00 to 22:00, an hour ahead of UTC."""
    assert vpd_band(VALUES, 5 * HOUR_MS) == (400, 1_200)
    assert vpd_band(VALUES, 5 * HOUR_MS - 1) == (200, 1_000)
    assert vpd_band(VALUES, 21 * HOUR_MS) == (200, 1_000)
    assert vpd_band({}, 0) is None


def test_a_stage_changes_the_band_from_its_time_on():
    head = VALUES | {"climate.vpd_high_day_pa": 900}
    steps = vpd_band_steps(SettingsSeries([0, 12 * HOUR_MS], [VALUES, head]), 0, 2 * DAY_MS)
    assert [(step.from_unix_ms // HOUR_MS, step.band[1]) for step in steps] == [
        (0, 1_000), (5, 1_200), (12, 900), (21, 1_000), (29, 900), (45, 1_000)]
    always = VALUES | {"light.on_minutes": 1_440}
    assert len(vpd_band_steps(SettingsSeries([0], [always]), 0, 9 * DAY_MS)) == 1
    assert vpd_band_steps(SettingsSeries([], []), 0, DAY_MS) == []
