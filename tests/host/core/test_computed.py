"""VPD and DLI against published values, and without a number where an input is missing."""

import pytest

from idroserra.core import computed

HOUR_MS = 3_600_000
# FAO Irrigation and Drainage Paper 56 (1998), annex 2, table 2.3: saturation vapour pressure, kPa.
FAO_56_KPA = {1: 0.657, 5: 0.872, 10: 1.228, 15: 1.705, 20: 2.338, 25: 3.168, 30: 4.243, 35: 5.624,
              40: 7.376}


@pytest.mark.parametrize(("temp_c", "kpa"), FAO_56_KPA.items())
def test_the_vpd_of_dry_air_is_the_published_saturation_pressure(temp_c, kpa):
    assert computed.vpd_pa(temp_c, 0) / 1_000 == pytest.approx(kpa, rel=0.003)
    assert computed.vpd_pa(temp_c, 100) == 0
    assert computed.vpd_pa(temp_c, 75) / 1_000 == pytest.approx(kpa / 4, rel=0.003, abs=0.001)


@pytest.mark.parametrize(
    ("ppfd", "hours", "dli"), [(200, 16, 11.5), (250, 16, 14.4), (100, 12, 4.3)])
def test_the_dli_is_that_of_the_published_tables(ppfd, hours, dli):
    """PPFD by hours of light times 0.0036: Torres and Lopez, Purdue Extension HO-238-W."""
    assert computed.dli_mol_per_m2(ppfd, hours * 3_600) == pytest.approx(dli, abs=0.05)


def test_a_vpd_needs_temperature_and_humidity_of_one_place():
    assert computed.vpd_channels(["air.temp_c", "air.rh_pct", "outside.rh_pct"]) == ["air.vpd_pa"]
    assert computed.vpd_channels(["air.temp_c", "air.rh_pct", "air.vpd_pa"]) == []


def test_a_fault_of_an_input_is_the_fault_of_the_vpd():
    values, faults = computed.with_vpd({"air.temp_c": 25.0}, {"air.rh_pct": "no_ack"})
    assert "air.vpd_pa" not in values
    assert faults["air.vpd_pa"] == "no_ack"
    values, faults = computed.with_vpd({"air.temp_c": 25.0, "air.rh_pct": 60.0}, {})
    assert values["air.vpd_pa"] == pytest.approx(1_267, abs=3)
    assert faults == {}
    assert "air.vpd_pa" not in computed.with_vpd({"air.temp_c": 25.0}, {})[0]


def test_columns_without_one_of_the_readings_have_no_vpd():
    temps = [(0, 24.0, 25.0, 26.0), (60_000, 25.0, 25.0, 25.0)]
    assert [row[0] for row in computed.vpd_rows(temps, [(60_000, 60.0, 60.0, 60.0)])] == [60_000]


def test_the_dli_is_that_of_the_last_24_hours_of_the_schedule():
    """16 of 24 hours at half of 500 umol/m2/s, from the first whole day on."""
    def level(hour):
        return 50.0 if hour % 24 < 16 else 0.0

    levels = [(hour * HOUR_MS, 0.0, level(hour), 50.0) for hour in range(72)]
    rows = computed.dli_rows(levels, HOUR_MS, 500)
    assert rows[-1][2] == pytest.approx(14.4)
    assert [row[0] for row in rows][:1] == [21 * HOUR_MS]
    assert all(row[2] == pytest.approx(14.4) for row in rows[2:])


def test_a_day_with_a_long_gap_has_no_dli():
    levels = [(hour * HOUR_MS, 50.0, 50.0, 50.0) for hour in range(72) if not 30 <= hour < 36]
    known = [row[0] // HOUR_MS for row in computed.dli_rows(levels, HOUR_MS, 500)]
    assert 29 in known
    assert not [hour for hour in known if 36 <= hour < 56]
    assert 71 in known
