"""Tests of every interlock at its boundary: the last forbidden and the first allowed value."""

import pytest

from idro.protocol import settings
from idro.protocol.reason import Reason
from idro.protocol.types import Sample
from idro.safety import interlocks
from idro.safety.arming import Arming
from idro.safety.interlocks import LEVEL, NEEDS
from idro.safety.ledger import Ledger
from idro.safety.limits import derive

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
DOSERS = ("ph_down", "ph_up", "nutrient_a", "nutrient_b")
LIMITS = derive(settings.defaults())
REDUCED = derive(settings.defaults(), 100, 25)


class Books:
    """A ledger and its uptime."""

    def __init__(self, folder):
        self.now_ms = 10_000
        paths = (str(folder / "a"), str(folder / "b"))
        self.ledger = Ledger(paths, lambda: self.now_ms, existed=False)

    def ran(self, channel, on_ms=1_000, volume_ul=1_000):
        self.ledger.settle(self.ledger.reserve(channel, on_ms, volume_ul), on_ms, volume_ul)

    def pass_surely(self, duration_ms):
        """Advance by one millisecond more than `duration_ms`."""
        self.now_ms += duration_ms + 1


@pytest.fixture
def books(tmp_path):
    return Books(tmp_path)


def level(value, fault=None):
    return {LEVEL: Sample(LEVEL, value, fault, 0)}


def test_a_reading_is_present_faultless_and_fresh():
    channel = "reservoir.ph"
    good = {channel: Sample(channel, 6.0, None, 1_000)}
    assert interlocks.check_reading(channel, good, 31_000, 30_000) is None
    assert interlocks.check_reading(channel, good, 31_001, 30_000) == Reason(
        "channel_stale", channel=channel)
    assert interlocks.check_reading(channel, {}, 1_000, 30_000) == Reason(
        "no_reading", channel=channel)
    bad = {channel: Sample(channel, None, "flat", 1_000)}
    assert interlocks.check_reading(channel, bad, 1_000, 30_000) == Reason(
        "channel_fault", channel=channel, fault="flat")


@pytest.mark.parametrize("doser", DOSERS)
def test_each_doser_needs_its_own_reading_and_the_level(doser):
    own = "reservoir.ph" if doser.startswith("ph") else "reservoir.ec_us_cm"
    assert set(NEEDS[doser]) == {own, LEVEL}
    readings = {channel: Sample(channel, 500, None, 0) for channel in NEEDS[doser]}
    assert interlocks.check_readings(doser, readings, 0, LIMITS) is None
    for channel in NEEDS[doser]:
        some = {name: sample for name, sample in readings.items() if name != channel}
        assert interlocks.check_readings(doser, some, 0, LIMITS) == Reason(
            "no_reading", channel=channel)
    low = readings | level(119)
    assert interlocks.check_readings(doser, low, 0, LIMITS) == Reason(
        "water_low", level_mm=119, low_mm=120)


def test_low_and_full_are_exact_to_the_millimetre():
    assert interlocks.check_low(level(120), 120) is None
    assert interlocks.check_low(level(119), 120).code == "water_low"
    assert interlocks.check_full(level(239), 240) is None
    assert interlocks.check_full(level(240), 240) == Reason("tank_full", level_mm=240)
    for unknown in ({}, level(None, "no_ack")):
        assert interlocks.check_low(unknown, 120) is None
        assert interlocks.check_full(unknown, 240) is None


def test_without_a_circulation_pump_nothing_is_dosed():
    assert interlocks.check_circulation(None) == Reason("no_circulation")


@pytest.mark.parametrize("doser", DOSERS)
def test_a_pump_pauses_between_doses(books, doser):
    books.ran(doser)
    books.pass_surely(299_999)
    assert interlocks.check_gaps(doser, books.ledger, LIMITS, False).code == "gap"
    books.now_ms += 1
    assert interlocks.check_gaps(doser, books.ledger, LIMITS, False) is None


@pytest.mark.parametrize(("doser", "other", "apart_ms"), [
    ("ph_down", "ph_up", HOUR_MS), ("ph_up", "ph_down", HOUR_MS),
    ("nutrient_a", "nutrient_b", 60_000), ("nutrient_b", "nutrient_a", 60_000),
    ("ph_up", "ph_down_fill", HOUR_MS), ("ph_down", "ph_up_fill", HOUR_MS),
])
def test_opposite_doses_are_kept_apart(books, doser, other, apart_ms):
    books.ran(other)
    books.pass_surely(apart_ms - 1)
    assert interlocks.check_gaps(doser, books.ledger, LIMITS, False).code == "apart"
    books.now_ms += 1
    assert interlocks.check_gaps(doser, books.ledger, LIMITS, False) is None


def test_the_remaining_wait_is_reported(books):
    books.ran("ph_down")
    books.pass_surely(240_000)
    assert interlocks.check_gaps("ph_down", books.ledger, LIMITS, False) == Reason(
        "gap", actuator="ph_down", left_ms=60_000)
    assert interlocks.check_gaps("ph_up", books.ledger, LIMITS, False) == Reason(
        "apart", actuator="ph_down", left_ms=56 * 60_000)
    assert interlocks.check_gaps("nutrient_a", books.ledger, LIMITS, True) == Reason(
        "mixing", left_ms=11 * 60_000)


@pytest.mark.parametrize("given", DOSERS)
@pytest.mark.parametrize("doser", DOSERS)
def test_control_waits_for_every_dose_except_a_before_b(books, doser, given):
    books.ran(given)
    books.pass_surely(899_999)
    waits = interlocks.check_mixing(doser, books.ledger, 900_000)
    if (doser, given) == ("nutrient_b", "nutrient_a"):
        assert waits is None
    else:
        assert waits == Reason("mixing", left_ms=1)
    books.now_ms += 1
    assert interlocks.check_mixing(doser, books.ledger, 900_000) is None


def test_a_user_need_not_wait_for_mixing(books):
    books.ran("nutrient_a")
    assert interlocks.check_gaps("ph_down", books.ledger, LIMITS, False) is None
    assert interlocks.check_gaps("ph_down", books.ledger, LIMITS, True).code == "mixing"


def test_the_available_volume_is_a_dose_until_less_is_left(books):
    assert interlocks.headroom("ph_down", books.ledger, LIMITS) == (
        3_000, Reason("max_dose", volume_ul=3_000)
    )
    books.ran("ph_down", 1_000, 12_000)
    assert interlocks.headroom("ph_down", books.ledger, LIMITS)[1].code == "max_dose"
    books.ran("ph_down", 1, 1)
    assert interlocks.headroom("ph_down", books.ledger, LIMITS) == (
        2_999, Reason("hour_spent", volume_ul=15_000, share_pct=100)
    )


def test_the_available_volume_is_bounded_by_on_time(books):
    books.ran("nutrient_a", 20_000, 1)
    assert interlocks.headroom("nutrient_a", books.ledger, LIMITS) == (
        10_000, Reason("max_dose", volume_ul=10_000)
    )
    books.ran("nutrient_a", 4_001, 1)
    assert interlocks.headroom("nutrient_a", books.ledger, LIMITS) == (
        5_999, Reason("hour_spent", volume_ul=30_000, share_pct=100)
    )
    books.now_ms += HOUR_MS + 1
    books.ran("nutrient_b", 1, 1)
    for _ in range(3):
        books.ran("nutrient_a", 23_000, 1)
        books.now_ms += HOUR_MS + 1
    assert interlocks.headroom("nutrient_a", books.ledger, LIMITS) == (
        6_999, Reason("day_spent", volume_ul=100_000, share_pct=100)
    )


def test_large_volumes_have_their_own_limits(books):
    values = settings.check({"ec.ul_per_100_us_cm": 200_000, "doser.ul_per_s": 20_000})
    large = derive(values)
    assert interlocks.headroom("nutrient_a", books.ledger, large) == (
        200_000, Reason("max_dose", volume_ul=200_000)
    )
    books.ran("nutrient_a", 1, 500_000)
    assert interlocks.headroom("nutrient_a", books.ledger, large) == (
        100_000, Reason("hour_spent", volume_ul=600_000, share_pct=100)
    )


def test_the_available_volume_is_never_negative(books):
    books.ran("ph_up", 1_000, 20_000)
    assert interlocks.headroom("ph_up", books.ledger, LIMITS)[0] == 0


def test_the_share_is_named_in_the_reason(books):
    books.ran("ph_down", 3_000, 3_000)
    assert interlocks.headroom("ph_down", books.ledger, REDUCED) == (
        750, Reason("hour_spent", volume_ul=3_750, share_pct=25)
    )


@pytest.mark.parametrize(("on_ms", "volume_ul", "room_ul"), [
    (29_000, 1, 1_000), (1, 14_000, 1_000),
])
def test_a_correction_counts_for_the_hour_but_not_the_day(
    books, on_ms, volume_ul, room_ul
):
    books.ran("ph_down_fill", on_ms, volume_ul)
    books.ran("ph_up_fill", on_ms, volume_ul)
    assert interlocks.headroom("ph_down", books.ledger, LIMITS)[0] == room_ul
    assert interlocks.headroom("ph_up", books.ledger, LIMITS)[0] == room_ul
    books.now_ms += HOUR_MS + 1
    assert interlocks.headroom("ph_down", books.ledger, LIMITS) == (
        3_000, Reason("max_dose", volume_ul=3_000)
    )


def test_a_step_of_nutrient_a_leaves_enough_for_its_b(books):
    why = Reason("correction_spent")
    books.ran("nutrient_b_fill", 580_000, 1)
    assert interlocks.correction_headroom("nutrient_a", books.ledger, LIMITS) == (20_000, why)
    books.ran("nutrient_a_fill", 590_000, 1)
    assert interlocks.correction_headroom("nutrient_a", books.ledger, LIMITS) == (10_000, why)
    assert interlocks.correction_headroom("nutrient_b", books.ledger, LIMITS) == (20_000, why)


def test_a_correction_has_its_own_step_and_daily_limits(books):
    why = Reason("correction_spent")
    assert interlocks.correction_headroom("ph_down", books.ledger, LIMITS) == (30_000, why)
    books.ran("ph_down", 90_000, 40_000)
    assert interlocks.correction_headroom("ph_down", books.ledger, LIMITS) == (30_000, why)
    books.ran("ph_down_fill", 580_000, 1)
    assert interlocks.correction_headroom("ph_down", books.ledger, LIMITS) == (20_000, why)
    books.ran("ph_down_fill", 20_001, 1)
    assert interlocks.correction_headroom("ph_down", books.ledger, LIMITS) == (0, why)
    books.now_ms += DAY_MS + 1
    books.ran("ph_down_fill", 1_000, 399_000)
    assert interlocks.correction_headroom("ph_down", books.ledger, LIMITS) == (1_000, why)


def test_the_last_run_counts_in_either_budget(books):
    assert interlocks.since_run_ms("ph_up", books.ledger) is None
    books.ran("ph_up_fill")
    books.pass_surely(500)
    assert interlocks.since_run_ms("ph_up", books.ledger) == 500
    books.ran("ph_up")
    books.pass_surely(300)
    assert interlocks.since_run_ms("ph_up", books.ledger) == 300
    books.ran("ph_up_fill")
    books.pass_surely(100)
    assert interlocks.since_run_ms("ph_up", books.ledger) == 100
    books.ran("ph_down")
    books.pass_surely(70)
    assert interlocks.since_run_ms("ph_down", books.ledger) == 70


# Arming: twelve plausible samples over two minutes.


def observed(every_ms, faults, channel="reservoir.ph"):
    """Return an Arming after samples with `faults` (None if plausible), and the last time."""
    arming = Arming()
    for index, fault in enumerate(faults):
        arming.observe({channel: Sample(channel, 6.0, fault, 5_000 + index * every_ms)})
    return arming, 5_000 + (len(faults) - 1) * every_ms


def test_twelve_samples_arm_and_eleven_do_not():
    arming, now_ms = observed(60_000, [None] * 11)
    assert not arming.is_armed("reservoir.ph", now_ms)
    assert arming.samples("reservoir.ph") == 11
    arming, now_ms = observed(60_000, [None] * 12)
    assert arming.is_armed("reservoir.ph", now_ms)
    assert not arming.is_armed("reservoir.ec_us_cm", now_ms)
    assert arming.samples("reservoir.ec_us_cm") == 0


def test_two_minutes_arm_and_a_millisecond_less_does_not():
    arming, _ = observed(1_000, [None] * 30)
    assert not arming.is_armed("reservoir.ph", 124_999)
    assert arming.is_armed("reservoir.ph", 125_000)


def test_one_jump_is_tolerated_and_two_in_a_row_are_not():
    arming, _ = observed(1_000, [None, "jump", None, "jump", None])
    assert arming.samples("reservoir.ph") == 3
    assert arming.is_armed("reservoir.ph", 125_000) is False
    arming, _ = observed(1_000, [None, None, "jump", "jump"])
    assert arming.samples("reservoir.ph") == 0
    arming, _ = observed(1_000, [None, None, "flat"])
    assert arming.samples("reservoir.ph") == 0


def test_arming_restarts_after_a_fault():
    arming, now_ms = observed(10_000, [None] * 12 + ["flat"] + [None] * 12)
    assert now_ms == 245_000
    assert not arming.is_armed("reservoir.ph", now_ms)
    assert arming.is_armed("reservoir.ph", 135_000 + 120_000)


def test_a_probe_in_air_holds_for_a_minute():
    arming, now_ms = observed(1_000, [None, "in_air"], "reservoir.ec_us_cm")
    assert arming.is_in_air(now_ms + 59_999)
    assert not arming.is_in_air(now_ms + 60_000)
    arming, now_ms = observed(1_000, [None, "flat"], "reservoir.ec_us_cm")
    assert not arming.is_in_air(now_ms)


def test_the_reason_counts_good_readings_up_to_twelve():
    arming, now_ms = observed(1_000, [None] * 5)
    why = Reason("arming", channel="reservoir.ph", count=5, of=12)
    assert interlocks.check_armed("ph_up", arming, now_ms) == why
    arming, now_ms = observed(1_000, [None] * 40)
    why = Reason("arming", channel="reservoir.ph", count=12, of=12)
    assert interlocks.check_armed("ph_up", arming, now_ms) == why
    why = Reason("arming", channel=LEVEL, count=0, of=12)
    assert interlocks.check_armed("ph_up", arming, 200_000) == why


def test_a_wet_floor_blocks_only_if_a_float_detects_it():
    def floor(value, fault=None):
        return {interlocks.LEAK: Sample(interlocks.LEAK, value, fault, 0)}

    assert interlocks.check_leak(floor(1)) == Reason("leak")
    for dry in ({}, floor(0), floor(None, "noisy")):
        assert interlocks.check_leak(dry) is None
