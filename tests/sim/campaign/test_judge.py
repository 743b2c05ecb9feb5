"""Tests of the invariants: each is violated by a trace that breaks it, and by no other.

Traces are made by hand, line by line as the harness prints them.
"""

import json
import struct
import zlib

import pytest

from idro.safety.limits import CHANNELS
from idrosim.campaign.invariants import (
    CaseTerms,
    DoseQuota,
    ExpectedEvent,
    ExpectedSilence,
    check_invariants,
)
from support.judged_run import HOUR_MS, Run


def test_doses_within_every_limit_are_no_violation(run):
    for number in range(4):
        run.dose("ph_down", 600_000 + number * 900_000)
    assert run.violated() == set()


def test_more_than_an_hours_on_time(run):
    for number in range(6):
        run.dose("ph_down", 600_000 + number * 300_000)
    assert run.violated() == {"I1"}


def test_a_smaller_titration_allows_less(run):
    run.dose("ph_down", 600_000)
    assert run.violated(settings={"ph.down_ul_per_ph": 10_000}) == {"I1"}


def test_ceilings_of_the_image_hold_with_a_hostile_host():
    for count, found in ((3, set()), (4, {"I1"})):
        run = Run()
        run.samples()
        for number in range(count):
            run.dose("ph_down", 600_000 + number * 300_000, seconds=9.9)
        assert run.violated(is_hostile=True) == found


def test_a_day_is_any_24_hours():
    run = Run(30)
    run.samples()
    for number in range(11):
        run.dose("nutrient_a", 600_000 + number * 2 * HOUR_MS, seconds=10.0)
    assert run.violated() == {"I1"}


@pytest.mark.parametrize(("other", "gap_s"), [
    ("ph_down", 100), ("ph_up", 3_000), ("nutrient_a", -1),
])
def test_doses_too_close_to_each_other(run, other, gap_s):
    run.dose("ph_down", 600_000)
    run.dose(other, 603_000 + gap_s * 1_000)
    assert run.violated() == {"I1"}


def test_a_pump_on_for_longer_than_a_quantum(run):
    run.pin("ph_down", 600_000, 1)
    run.pin("ph_down", 602_000, 0)
    assert run.violated() == {"I2"}


def test_a_hang_may_add_eight_seconds_and_a_half():
    for on_s, found in ((8, set()), (12, {"I1", "I2"})):
        run = Run()
        run.samples()
        run.pin("ph_down", 600_000, 1)
        run.pin("ph_down", 600_000 + on_s * 1_000, 0)
        assert run.violated(hangs_ms=(600_200,), stalls_ms=(600_200,)) == found


def test_an_output_on_after_a_reset(run):
    run.pin("light", 590_000, 1)
    run.line(t="reset", at_ms=600_000, cause="power")
    run.line(t="boot", at_ms=605_000, cause="power")
    assert run.violated(resets={"power": 1}) == {"I4"}


def test_a_reset_that_was_not_injected(run):
    run.pin("circulation", 599_000, 0)
    run.line(t="reset", at_ms=600_000, cause="wdt")
    assert run.violated() == {"I25"}


def test_a_critical_task_that_fails(run):
    run.event(600_000, "restarted", task="control", error="ValueError()")
    assert run.violated() == {"I3"}


def injected_failure(run, error="MemoryError('injected',)"):
    """A critical task fails, which turns the circulation off for a second."""
    run.event(600_000, "restarted", task="control", error=error)
    run.pin("circulation", 600_020, 0)
    run.pin("circulation", 601_000, 1)


@pytest.mark.parametrize(("off_ms", "found"), [(600_020, set()), (900_000, {"I3"})])
def test_an_output_that_stays_on_when_a_critical_task_fails(run, off_ms, found):
    injected_failure(run)
    run.pin("top_off", 590_000, 1)
    run.pin("top_off", off_ms, 0)
    assert run.violated() == found


def test_a_dose_too_soon_after_a_boot():
    run = Run()
    run.samples()
    run.dose("ph_down", 90_000)
    assert run.violated() == {"I7"}


def test_a_dose_after_too_few_samples():
    run = Run()
    run.samples(from_ms=60_000)
    run.dose("ph_down", 160_000)
    assert run.violated() == {"I7"}


def test_a_dose_too_soon_after_a_fault_but_one_jump_is_none():
    for code, since, found in (("no_ack", 560_000, {"I7"}), ("jump", 594_000, set())):
        run = Run()
        run.samples(faults={"reservoir.ph": (since, since + 10_000, code)})
        run.dose("ph_down", 640_000)
        assert run.violated() == found


def test_a_dose_without_circulation(run):
    run.pin("circulation", 500_000, 0)
    run.dose("ph_down", 600_000)
    assert run.violated() == {"I15"}


@pytest.mark.parametrize(("off_ms", "on_ms", "found"), [
    (605_000, 605_001, set()), (605_000, 614_000, set()), (605_000, 618_000, {"I15"}),
    (590_000, 599_500, set()), (590_000, 604_000, {"I15"}),
])
def test_a_dose_during_a_pause_of_circulation(run, off_ms, on_ms, found):
    run.pin("circulation", off_ms, 0)
    run.pin("circulation", on_ms, 1)
    run.dose("ph_down", 600_000, seconds=20.0)
    assert run.violated() & {"I15"} == found


def test_acid_for_water_within_its_band():
    run = Run()
    run.samples()
    run.truth(**{"reservoir.ph": 5.6})
    run.dose("ph_down", 600_000)
    assert run.violated(is_direction_checked=True) == {"I11"}


def test_a_dose_while_a_fault_forbids_it():
    silence = ExpectedSilence("I10", "stuck", ("ph_down",), 500_000, HOUR_MS, 700_000, 1)
    for times, found in (((600_000,), set()), ((600_000, 1_000_000), {"I10"}),
                         ((1_300_000,), {"I10"}), ((HOUR_MS + 1_000,), set())):
        run = Run()
        run.samples()
        for at_ms in times:
            run.dose("ph_down", at_ms)
        assert run.violated(silences=(silence,)) == found


def test_more_doses_in_a_row_than_a_dead_pump_allows():
    quota = DoseQuota("I13", "dead", ("ph_down",), 0, 2 * HOUR_MS, 2)
    for by, found in (("control", {"I13"}), ("once-1", set())):
        run = Run()
        run.samples()
        run.dose("ph_down", 600_000)
        run.dose("ph_down", 1_500_000, by=by)
        run.dose("ph_down", 2_400_000)
        assert run.violated(quotas=(quota,)) == found


def test_an_expected_event_that_was_not_reported():
    expected = ExpectedEvent("I16", "stuck on", ("latched",), 600_000, 60_000)
    for at_ms, found in ((610_000, set()), (700_000, {"I16"})):
        run = Run()
        run.samples()
        run.event(at_ms, "latched", reason={"code": "stopped", "values": {}})
        assert run.violated(expected_events=(expected,)) == found


def test_fills_that_are_too_long_too_many_or_into_a_full_tank(run):
    run.pin("top_off", 600_000, 1)
    run.pin("top_off", 1_300_000, 0)
    assert run.violated() == {"I18"}
    many = Run(6)
    many.samples()
    for number in range(4):
        many.pin("top_off", (number + 1) * HOUR_MS, 1)
        many.pin("top_off", (number + 1) * HOUR_MS + 500_000, 0)
    assert many.violated() == {"I18"}
    full = Run()
    full.samples()
    full.truth(**{"reservoir.level_mm": 260.0})
    full.pin("top_off", 600_000, 1)
    full.pin("top_off", 610_000, 0)
    assert full.violated() == {"I18"}


def test_circulation_in_a_tank_that_is_low():
    for lost_ms, found in (((), {"I17"}), (((0, 2 * HOUR_MS),), set())):
        run = Run()
        run.samples()
        run.truth(**{"reservoir.level_mm": 90.0})
        assert run.violated(lost_level_ms=lost_ms) == found


def test_irrigation_in_a_tank_that_is_low():
    for broken, found in ((set(), {"I17"}), ({"irrigation"}, set())):
        run = Run()
        run.pin("circulation", 6_000, 0)
        run.pin("irrigation", 60_000, 1)
        run.samples()
        run.truth(**{"reservoir.level_mm": 90.0})
        assert run.violated(broken=frozenset(broken), settings={"irrigation.off_s": 0}) == found


def test_light_longer_than_its_program(run):
    run.pin("light", 60_000, 0.5)
    assert run.violated(settings={"light.on_minutes": 60}) == {"I19"}


def test_commands_that_run_twice_or_must_not_run():
    for by, times, found in (("once-1", 2, {"I20"}), ("bad-forged-1", 1, {"I21"})):
        run = Run()
        run.samples()
        for number in range(times):
            run.dose("ph_down", 600_000 + number * 900_000, by=by)
        assert run.violated() == found


def test_a_missing_cycle():
    run = Run()
    run.samples(until_ms=600_000)
    run.samples(from_ms=700_000)
    assert run.violated() == {"I26"}


@pytest.mark.parametrize(("full_ms", "has_gap", "found"), [
    ((600_000, 4_000_000), False, set()), ((2_600_000, 4_000_000), False, {"I26"}),
    (None, False, {"I26"}), (None, True, set()), ((600_000, 4_000_000), True, set())])
def test_cycles_whose_records_were_lost_are_not_missing(full_ms, has_gap, found):
    run = Run()
    run.samples()
    run.lose(700_000, 2_500_000, has_gap)
    assert run.violated(full_flash_ms=(full_ms,) if full_ms else ()) == found


@pytest.mark.parametrize("kind", ["decided", "gap"])
def test_lost_records_excuse_no_cycle_that_did_not_come(kind):
    """The numbers of the records tell how many there were."""
    run = Run()
    run.samples(until_ms=1_500_000)
    run.event(1_600_000, kind)
    run.samples(from_ms=2_500_000)
    run.lose(700_000, 1_500_000)
    assert run.violated(full_flash_ms=((600_000, 4_000_000),)) == {"I26"}


def test_settings_that_the_node_refused(run):
    config = {"rev": 0, "error": "ph.target: 99", "values": {}}
    run.line(t="up", at_ms=5_000, topic="x/up/config", payload=json.dumps(config))
    assert run.violated() == {"case"}


def test_a_ledger_that_charged_too_little(tmp_path):
    (tmp_path / "data").mkdir()
    for charged_ms, found in ((3_000, set()), (2_000, {"I6"}), (None, {"I6"})):
        run = Run()
        run.samples()
        run.dose("ph_down", 600_000)
        for name in ("ledger.a", "ledger.b"):
            file = tmp_path / "data" / name
            file.unlink(missing_ok=True)
            if charged_ms is not None:
                body = struct.pack("<BBHIQII", 2, 0, 0, 1, 600_000, charged_ms, charged_ms)
                file.write_bytes(body + struct.pack("<I", zlib.crc32(body)))
        assert run.violated(flash=tmp_path) == found


@pytest.mark.parametrize(("pump", "channel"), [
    (pump, f"{pump}_fill") for pump in ("ph_down", "ph_up", "nutrient_a", "nutrient_b")])
def test_a_step_is_charged_to_its_own_channel(tmp_path, run, pump, channel):
    (tmp_path / "data").mkdir()
    run.dose(pump, 600_000)
    body = struct.pack("<BBHIQII", 2, CHANNELS.index(channel), 0, 1, 600_000, 3_000, 3_000)
    (tmp_path / "data" / "ledger.a").write_bytes(body + struct.pack("<I", zlib.crc32(body)))
    assert run.violated(flash=tmp_path) == set()


def test_a_violation_is_one_line_with_invariant_time_and_numbers(run):
    for number in range(6):
        run.dose("ph_down", 600_000 + number * 300_000)
    run.violated()
    line = check_invariants(run.trace, CaseTerms())[0].line()
    assert line == (
        "I1 at 00:35:03: ph_down 18.00 s on (18.00 ml) in one hour, 15.10 s allowed"
    )


RELEASED_MS = 1_200_000


def test_a_step_released_by_the_button_has_its_own_ceilings(run):
    run.dose("ph_down", RELEASED_MS + 2_000, seconds=29.0, by="ann")
    assert run.violated(releases_ms=(RELEASED_MS,)) == set()


@pytest.mark.parametrize(("releases_ms", "seconds"), [
    ((), 29.0),  # no press
    ((RELEASED_MS - 60_000,), 29.0),  # long before
    ((RELEASED_MS + 40_000,), 29.0),  # later
    ((RELEASED_MS,), 31.0),
])
def test_a_step_without_a_press_or_over_its_ceiling_violates_i1(run, releases_ms, seconds):
    run.dose("ph_down", RELEASED_MS + 2_000, seconds=seconds, by="correction")
    assert run.violated(releases_ms=releases_ms) == {"I1"}


def test_one_press_releases_one_step(run):
    run.dose("ph_down", RELEASED_MS + 2_000, seconds=4.0, by="ann")
    run.dose("ph_down", RELEASED_MS + 7_000, seconds=29.0, by="ann")
    assert run.violated(releases_ms=(RELEASED_MS,)) == {"I1"}


def test_a_dose_given_while_the_button_is_pressed_is_no_step(run):
    run.dose("ph_down", RELEASED_MS - 2_000, seconds=0.2, by="once-1")
    run.dose("nutrient_a", RELEASED_MS + 100, seconds=29.0, by="ann")
    run.dose("nutrient_b", RELEASED_MS + 95_000, seconds=29.0, by="ann")
    assert run.violated(releases_ms=(RELEASED_MS,)) == set()


def test_the_b_of_a_step_completes_it(run):
    run.dose("nutrient_a", RELEASED_MS + 2_000, seconds=29.0, by="ann")
    run.dose("nutrient_b", RELEASED_MS + 95_000, seconds=29.0, by="ann")
    assert run.violated(releases_ms=(RELEASED_MS,)) == set()


@pytest.mark.parametrize(("second", "at_ms", "seconds"), [
    ("nutrient_b", 95_000, 29.2),  # more than A
    ("nutrient_b", 1_900_000, 29.0),  # too late
    ("ph_up", 95_000, 29.0),
])
def test_nothing_else_completes_a_step(run, second, at_ms, seconds):
    run.dose("nutrient_a", RELEASED_MS + 2_000, seconds=29.0, by="ann")
    run.dose(second, RELEASED_MS + at_ms, seconds=seconds, by="ann")
    assert run.violated(releases_ms=(RELEASED_MS,)) == {"I1"}


def test_b_without_a_step_of_a_or_a_second_one_is_no_step(run):
    run.dose("nutrient_b", RELEASED_MS + 2_000, seconds=29.0, by="ann")
    assert run.violated(releases_ms=(RELEASED_MS,)) == {"I1"}


def test_one_step_of_a_has_one_b(run):
    run.dose("nutrient_a", RELEASED_MS + 2_000, seconds=14.0, by="ann")
    run.dose("nutrient_b", RELEASED_MS + 95_000, seconds=14.0, by="ann")
    run.dose("nutrient_b", RELEASED_MS + 300_000, seconds=14.0, by="ann")
    assert run.violated(releases_ms=(RELEASED_MS,)) == {"I1"}


def test_a_step_counts_in_the_hour_of_control(run):
    run.dose("ph_down", RELEASED_MS + 2_000, seconds=29.0, by="ann")
    run.dose("ph_down", RELEASED_MS + 1_800_000, seconds=3.0)
    assert run.violated(releases_ms=(RELEASED_MS,)) == {"I1"}


def test_steps_of_a_day_have_a_ceiling():
    run = Run(hours=8.0)
    run.samples()
    run.truth()
    releases_ms = tuple(range(RELEASED_MS, RELEASED_MS + 21 * 600_000, 600_000))
    for at_ms in releases_ms:
        run.dose("ph_up", at_ms + 2_000, seconds=29.0, by="ann")
    assert run.violated(releases_ms=releases_ms) == {"I1"}


def test_a_fill_longer_than_the_setting(run):
    run.pin("top_off", 700_000, 1)
    run.pin("top_off", 800_000, 0)
    assert run.violated(settings={"topoff.max_ms_day": 90_000}) == {"I18"}


@pytest.mark.parametrize(("error", "found"), [
    ("MemoryError('injected',)", set()), ("KeyError('x',)", {"I3"}),
])
def test_only_injected_failures_of_critical_tasks_are_allowed(run, error, found):
    injected_failure(run, error)
    assert run.violated() == found
