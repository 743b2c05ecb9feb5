"""Tests of plausibility checks on sensor samples: hazards H9 to H11."""

import random

import pytest

from idro.control.filters import Window, median
from idro.control.plausibility import BY_HAND, DOSED, UNDISTURBED, ChannelPlausibility

EVERY_MS = 10_000
UV_PER_PH = 177_480


def run(track, values, spread_uv=1_000, start_ms=0, moved_by=UNDISTURBED, signal_uv=None):
    """Return the fault of each value in turn, one every 10 s. `signal_uv` is that of all of them,
    None for that of each pH at 25 C."""
    return [
        track.check(value, spread_uv, start_ms + index * EVERY_MS, moved_by,
                    int(value * UV_PER_PH) if signal_uv is None else signal_uv)
        for index, value in enumerate(values)
    ]


def healthy(count, ph=6.0, sigma=0.01, seed=7):
    randomness = random.Random(seed)
    return [ph + randomness.gauss(0, sigma) for _ in range(count)]


def test_a_healthy_probe_has_no_fault_for_a_day():
    assert set(run(ChannelPlausibility("ph"), healthy(8_640))) == {None}


@pytest.mark.parametrize("stuck_ph", [step / 10 for step in range(0, 141)])
def test_a_stuck_probe_is_flat_within_ten_minutes(stuck_ph):
    faults = run(ChannelPlausibility("ph"), [stuck_ph] * 70, spread_uv=0)
    assert faults[:60] == [None] * 60
    assert faults[-1] == "flat"


@pytest.mark.parametrize("every_ms", [1_000, 10_000, 40_000, 60_000])
def test_a_stuck_probe_is_flat_in_time_at_any_sampling_rate(every_ms):
    track = ChannelPlausibility("ph")
    for at_ms in range(0, 780_000, every_ms):
        fault = track.check(6.5, 0, at_ms, UNDISTURBED, 1_000_000)
        assert fault is None or at_ms >= 600_000
    assert fault == "flat"


def test_a_flat_probe_is_accepted_again_once_it_moves():
    track = ChannelPlausibility("ph")
    run(track, [7.0] * 70, spread_uv=0)
    assert run(track, healthy(3, 7.0), start_ms=700_000) == [None] * 3


@pytest.mark.parametrize("ph_per_h", [0.007, 0.024, -0.024, 0.5])
def test_a_stuck_signal_is_flat_however_it_reads(ph_per_h):
    # At another temperature, or by another calibration, the same voltage is another pH.
    creeping = [5.5 + step * ph_per_h / 360 for step in range(600)]
    faults = run(ChannelPlausibility("ph"), creeping, spread_uv=0, signal_uv=1_770_000)
    assert faults[:60] == [None] * 60
    assert set(faults[60:]) == {"flat"}


def test_a_signal_that_moves_is_not_flat_however_it_reads():
    track, faults = ChannelPlausibility("ph"), []
    for step in range(600):
        faults += run(track, [5.5], 400, step * EVERY_MS, signal_uv=1_770_000 + 10 * step)
    assert set(faults) == {None}


def test_a_flat_signal_that_creeps_stays_flat_until_it_steps():
    # A Modbus probe without a raw signal shows its pH, compensated by its own thermometer.
    track, faults = ChannelPlausibility("ph"), []
    for step in range(3_000):
        faults += run(track, [5.5], 0, step * EVERY_MS, signal_uv=1_770_000 + 4 * step)
    assert set(faults[61:]) == {"flat"}
    assert run(track, [5.5], 0, 3_000 * EVERY_MS, signal_uv=1_785_000) == [None]


@pytest.mark.parametrize(("signal_uv", "spread_uv"), [(None, 0), (1_770_000, None)])
def test_without_a_signal_no_part_is_flat(signal_uv, spread_uv):
    track = ChannelPlausibility("ph")
    for step in range(100):
        assert track.check(6.0, spread_uv, step * EVERY_MS, UNDISTURBED, signal_uv) is None


def test_a_steady_ec_is_no_fault():
    assert set(run(ChannelPlausibility("ec_us_cm"), [1_600] * 1_000, spread_uv=0)) == {None}


def test_one_spike_is_rejected_and_a_second_is_accepted():
    track = ChannelPlausibility("ph")
    assert run(track, [6.0, 6.0, 9.0, 6.0]) == [None, None, "jump", None]
    assert run(track, [7.0, 7.1], start_ms=40_000) == ["jump", None]


def test_a_ramping_open_probe_is_never_accepted_twice_in_a_row():
    faults = run(
        ChannelPlausibility("ph"), [6.0] + [6.0 + 3.3 * step % 8 for step in range(1, 400)]
    )
    believed = [index for index, fault in enumerate(faults) if fault is None]
    assert not any(index + 1 in believed for index in believed)


def test_a_slow_ramp_without_a_dose_is_noise_after_two_minutes():
    ramp = [6.0 + 0.06 * step for step in range(30)]
    assert run(ChannelPlausibility("ph"), ramp)[-1] == "noisy"
    assert set(run(ChannelPlausibility("ph"), ramp[:16], moved_by=DOSED)) == {None}


def test_noise_holds_for_ten_minutes():
    track = ChannelPlausibility("ph")
    wild = [6.0, 6.25, 6.5, 6.25, 6.0, 6.25, 6.5, 6.25, 6.0, 6.25]
    assert run(track, wild)[-1] == "noisy"
    calm = run(track, healthy(90, 6.25), start_ms=100_000)
    assert calm[30] == "noisy"
    assert calm[-1] is None


@pytest.mark.parametrize(("key", "value", "spread_uv"), [
    ("ph", 6.0, 61_000), ("ec_us_cm", 1_600, 13_000), ("level_mm", 200, 61_000),
])
def test_wide_bursts_are_noise_even_during_mixing(key, value, spread_uv):
    for moved_by in (UNDISTURBED, DOSED):
        track = ChannelPlausibility(key)
        assert run(track, [value] * 3, spread_uv, 0, moved_by) == [None, None, "noisy"]
        assert run(track, [value], 1_000, 300_000, moved_by) == ["noisy"]
        assert run(track, [value], 1_000, 640_000, moved_by) == [None]


@pytest.mark.parametrize(("key", "value", "fault"), [
    ("ph", 14.2, "out_of_range"), ("temp_c", -41, "out_of_range"), ("ec_us_cm", 5, "in_air"),
    ("level_mm", -1, "out_of_range"), ("rh_pct", 101, "out_of_range"),
])
def test_ranges(key, value, fault):
    assert ChannelPlausibility(key).check(value, None, 0, UNDISTURBED) == fault


def test_values_before_an_outage_are_not_compared():
    track = ChannelPlausibility("level_mm")
    run(track, [200, 200])
    track.failed(None, None, 20_000)
    assert run(track, [120], start_ms=20_000) == [None]


@pytest.mark.parametrize(("signal_uv", "last_fault"), [(1_760_000, "flat"), (None, None)])
def test_a_signal_that_gives_no_value_now_and_then_is_flat_all_the_same(signal_uv, last_fault):
    # As a calibration may do, or a thermometer that fails.
    track, fault = ChannelPlausibility("ph"), None
    for step in range(100):
        if step % 30 == 29:
            track.failed(0, signal_uv, step * EVERY_MS)
        else:
            fault = track.check(5.5, 0, step * EVERY_MS, UNDISTURBED, 1_760_000)
    assert fault == last_fault


def test_the_window_is_a_median_that_survives_one_jump():
    window = Window(5)
    for index, value in enumerate((6.0, 6.1, 9.0, 6.05, 6.02)):
        window.add(value, index * EVERY_MS)
    assert window.reading(None, 50_000, 60_000).value == 6.05
    assert window.reading("jump", 60_000, 60_000).value == 6.05
    assert window.reading("no_ack", 60_000, 60_000) == (None, "no_ack")
    assert window.reading(None, 200_000, 60_000) == (None, "stale")
    window.clear()
    assert window.reading(None, 0, 60_000).fault == "stale"
    assert median([3, 1]) == 1


def falling(from_ph, to_ph, count):
    return [from_ph + (to_ph - from_ph) * step / (count - 1) for step in range(count)]


def test_a_change_beyond_the_effect_of_the_doses_is_noise():
    track = ChannelPlausibility("ph")
    assert set(run(track, healthy(30, 6.2))) == {None}
    faults = run(track, falling(6.2, 4.2, 20), start_ms=300_000, moved_by=DOSED)
    gone = next(index for index, fault in enumerate(faults) if fault == "noisy")
    assert 9 <= gone <= 11  # below 5.2
    assert set(faults[gone:]) == {"noisy"}


def test_a_jump_in_between_does_not_hide_the_total_change():
    track = ChannelPlausibility("ph")
    run(track, healthy(30, 6.2))
    values = [*falling(6.2, 5.4, 8), *falling(4.3, 3.9, 8)]
    assert "noisy" in run(track, values, start_ms=300_000, moved_by=DOSED)


def test_a_change_caused_by_a_dose_is_accepted():
    track = ChannelPlausibility("ph")
    run(track, healthy(30, 6.2))
    for turn in range(20):  # each dose mixes before the next
        start_ms = 300_000 + turn * 400_000
        assert set(run(track, falling(6.2, 5.3, 20), start_ms=start_ms, moved_by=DOSED)) == {None}
        assert set(run(track, healthy(5, 6.2, seed=turn), start_ms=start_ms + 300_000)) <= {
            None, "jump",
        }


def test_manual_changes_of_any_size_are_accepted():
    track = ChannelPlausibility("ph")
    run(track, healthy(30, 8.2))
    start_ms = 300_000
    assert set(run(track, falling(8.2, 6.0, 60), start_ms=start_ms, moved_by=BY_HAND)) == {None}
    rest = run(track, falling(6.0, 5.3, 60), start_ms=start_ms + 600_000, moved_by=DOSED)
    assert set(rest) == {None}
