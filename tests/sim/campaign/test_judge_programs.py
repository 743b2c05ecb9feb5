"""Tests of the invariants of programs: circulation, irrigation, heater, humidifier and fan."""

import pytest

from support.judged_run import Run


@pytest.mark.parametrize(("rests_ms", "found"), [(300_000, set()), (100_000, {"I31"})])
def test_circulation_longer_than_its_program(rests_ms, found):
    run = Run()
    run.samples()
    for at_ms in range(900_000, 7_200_000, 1_200_000):
        run.pin("circulation", at_ms, 0)
        run.pin("circulation", at_ms + rests_ms, 1)
    settings = {"circulation.off_ms": 300_000}
    assert run.violated(settings=settings) == found
    assert run.violated(settings=settings, is_hostile=True) == set()


@pytest.mark.parametrize(("seconds", "found"), [(900, set()), (1_000, {"I31"})])
def test_irrigation_longer_than_its_program(run, seconds, found):
    for at_ms in (600_000, 3_600_000):
        run.pin("irrigation", at_ms, 1)
        run.pin("irrigation", at_ms + seconds * 1_000, 0)
    assert run.violated() == found


@pytest.mark.parametrize(("name", "at_ms", "found"), [
    ("heater", 60_000, {"I27"}), ("humidifier", 60_000, {"I27"}), ("heater", 121_000, set()),
])
def test_the_air_is_not_heated_or_misted_before_it_is_armed(run, name, at_ms, found):
    run.pin(name, at_ms, 1)
    run.pin(name, at_ms + 600_000, 0)
    assert run.violated() == found


@pytest.mark.parametrize(("fan_ms", "found"), [(900_000, set()), (890_000, {"I27"})])
def test_the_heater_is_off_while_the_fan_runs(run, fan_ms, found):
    run.pin("heater", 300_000, 1)
    run.pin("fan", fan_ms, 1)
    run.pin("heater", 900_000, 0)
    assert run.violated() == found
    assert run.violated(broken=frozenset({"heater"})) == set()


@pytest.mark.parametrize(("temp_c", "found"), [(36.9, set()), (37.1, {"I27"})])
def test_hot_air_is_not_heated(temp_c, found):
    run = Run()
    run.samples()
    run.truth(**{"air.temp_c": temp_c})
    run.pin("heater", 600_000, 1)
    run.pin("heater", 660_000, 0)
    assert run.violated() == found
