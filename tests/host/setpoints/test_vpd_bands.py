"""The VPD band follows the setpoints of its time and the light schedule."""

import pytest

from idro.protocol import messages, system_host
from idroserra.nodes.node import Node
from idroserra.setpoints.series import SettingsSeries
from idroserra.setpoints.vpd_bands import vpd_band, vpd_band_steps
from idroserra.web.api.setpoints import setpoints_json

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


@pytest.mark.parametrize(("channels", "outputs", "found"), [
    (("air.temp_c", "air.rh_pct", "air.vpd_pa"), {"fan": "switch"}, ["air.vpd_pa"]),
    (("air.temp_c", "air.rh_pct"), {"humidifier": "switch"}, ["air.vpd_pa"]),
    (("air.temp_c", "air.rh_pct"), {"light": "dimmer"}, []),
])
def test_a_vpd_has_its_band_whether_node_or_host_computes_it(channels, outputs, found):
    """A node with a fan or a humidifier computes the VPD itself."""
    info = messages.Info(
        "0.1.0", "esp32-reservoir", "esp32", "7f3a11aa", 1, 1, "host", "power_on", "ab" * 32,
        channels, outputs, (), True, 100, 0, messages.AS_FLASHED, system_host.UNKNOWN_SYSTEM)
    answer = setpoints_json(
        Node("idro-a", "", info=info), SettingsSeries([0], [VALUES]), None, 0, DAY_MS)
    assert list(answer["bands"]) == found
    assert all(len(bands) == 3 for bands in answer["bands"].values())
