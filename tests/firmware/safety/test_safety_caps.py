"""Tests that no sequence of requests, power cuts and torn writes exceeds the caps, by pin edges.

Hazards I1, I6 and I7. On-time before a reset counts as delivered.
"""

import asyncio
import tempfile
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from idro.safety import limits
from idro.safety.ledger import RECORD_BYTES
from idro.safety.outputs import Refused
from support.safety_rig import BY_HAND, DOSERS, HOUR_MS, Rig

DAY_MS = 24 * HOUR_MS
FILL_DAY_MS = 1_800_000  # topoff.max_ms_day of the rig
ACIDS = ("ph_down", "ph_up")

doses = st.tuples(st.just("dose"), st.sampled_from(DOSERS), st.integers(1, 20_000))
waits = st.tuples(st.just("wait"), st.integers(1_000, 4 * HOUR_MS), st.none())
# A cut at a time (ms) in the next dose, or at a byte of its reserve or its settle.
cuts = st.tuples(st.just("cut"), st.sampled_from(DOSERS), st.integers(0, 4_000))
tears = st.tuples(
    st.sampled_from(("tear reserve", "tear settle")), st.sampled_from(DOSERS),
    st.integers(0, 2 * RECORD_BYTES),
)
faults = st.tuples(
    st.just("fault"),
    st.sampled_from([{"ph": "flat"}, {"ph": 0.0}, {"ec_us_cm": "no_ack"}, {"level_mm": 0}]),
    st.none(),
)
# A fill of top-off, and a failed task, which drives all outputs safe.
fills = st.tuples(st.just("fill"), st.none(), st.integers(100, 600_000))
failures = st.tuples(st.just("fail"), st.none(), st.integers(0, 600_000))
moves = st.lists(st.one_of(doses, doses, waits, cuts, tears, faults, fills, failures),
                 min_size=1, max_size=40)
# A power cut that leaves the files as they are.
reboots = st.tuples(st.just("reboot"), st.none(), st.none())
fill_moves = st.lists(st.one_of(
    fills, failures, reboots, st.tuples(st.just("wait"), st.integers(1_000, 900_000), st.none())),
    min_size=2, max_size=30)


def ask(rig, actuator, volume_ul):
    """Request a dose of the volume or of all available budget, if that is more."""
    room_ul, _ = rig.gate.headroom(actuator, rig.readings, "ann")
    try:
        asyncio.run(rig.dose(actuator, min(volume_ul, room_ul) if room_ul else volume_ul))
    except Refused:
        return


def fill(rig, for_ms):
    """Request top-off for a time."""
    rig.sense(level_mm=150)
    with suppress(Refused):
        rig.gate.run("top_off", for_ms, BY_HAND, "ann", rig.readings)


def assert_charged(rig, names=DOSERS):
    """Assert that the ledger says no less than the pins gave in the last day."""
    since_ms = rig.clock.at_ms - DAY_MS
    for name in names:
        given_ms = sum(off_ms - max(on_ms, since_ms) for on_ms, off_ms in rig.runs(name)
                       if off_ms > since_ms)
        assert rig.ledger.spent(name, DAY_MS)[0] >= given_ms, name


def execute(rig, move):
    """Execute one step of a sequence."""
    kind, what, amount = move
    if kind == "dose":
        ask(rig, what, amount)
    elif kind == "wait":
        rig.wait(what)
    elif kind == "fault":
        rig.sense(**what)
    elif kind == "fill":
        fill(rig, amount)
    elif kind == "reboot":
        rig.reboot()
    elif kind == "fail":
        rig.clock.advance(amount)
        rig.gate.off_all()
    elif kind == "cut":
        snapshots = []
        rig.clock.call_in(amount, lambda: snapshots.append(rig.snapshot()))
        ask(rig, what, 20_000)
        rig.wait(5_000)
        rig.power_cut_at(snapshots[0])
        rig.arm()
    else:
        tear(rig, kind, what, amount)


def tear(rig, kind, actuator, kept_bytes):
    """Give a dose and return to the moment its reserve or settle was partly written."""
    before = rig.snapshot()
    ask(rig, actuator, 20_000)
    after = rig.snapshot()
    written = after.flash["ledger.a"][len(before.flash["ledger.a"]) :]
    if len(written) != 2 * RECORD_BYTES:
        return  # nothing was given, or the ledger was compacted
    is_settle = kind == "tear settle"
    done = RECORD_BYTES if is_settle else 0
    flash = {}
    for name in ("ledger.a", "ledger.b"):
        kept = min(kept_bytes, RECORD_BYTES)
        kept_bytes -= kept
        flash[name] = before.flash[name] + written[: done + kept]
    moment = after if is_settle else before
    rig.power_cut_at(moment._replace(flash=flash))
    rig.arm()


def assert_ceilings(rig):
    """Assert the ceilings of every channel from pin edges only."""
    for name in DOSERS:
        hour_ms, day_ms = rig.worst_on_ms(name, HOUR_MS), rig.worst_on_ms(name, DAY_MS)
        assert hour_ms <= 30_000, f"{name}: {hour_ms} ms in an hour"
        assert day_ms <= 100_000, f"{name}: {day_ms} ms in a day"
        assert all(off - on <= 1_000 for on, off in rig.runs(name)), f"{name}: long quantum"
    for name in ACIDS:
        assert rig.worst_on_ms(name, HOUR_MS) <= 15_000
        assert rig.worst_on_ms(name, DAY_MS) <= 50_000
    for one, other, apart_ms in (
        ("ph_down", "ph_up", 60 * 60_000), ("nutrient_a", "nutrient_b", 60_000),
    ):
        for on, off in rig.runs(one):
            for other_on, other_off in rig.runs(other):
                assert on - other_off >= apart_ms or other_on - off >= apart_ms


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(moves)
def test_no_sequence_exceeds_the_caps(sequence):
    with tempfile.TemporaryDirectory() as folder:
        rig = Rig(Path(folder))
        rig.arm()
        for move in sequence:
            execute(rig, move)
            assert_charged(rig)
        assert_ceilings(rig)
        rig.gate.off_all()
        assert not any(rig.level(name) for name in rig.outputs)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(fill_moves)
def test_no_fill_is_free(sequence):
    with tempfile.TemporaryDirectory() as folder:
        rig = Rig(Path(folder))
        for move in sequence:
            execute(rig, move)
            assert_charged(rig, ["top_off"])
        assert rig.worst_on_ms("top_off", DAY_MS) <= FILL_DAY_MS


def test_a_fill_that_a_failed_task_ends_is_charged(tmp_path):
    rig = Rig(tmp_path)
    for _ in range(100):
        fill(rig, 600_000)
        rig.clock.advance(150_000)
        rig.gate.off_all()
        assert_charged(rig, ["top_off"])
    assert rig.worst_on_ms("top_off", DAY_MS) <= FILL_DAY_MS


def test_requests_all_day_long_stay_within_the_caps(tmp_path):
    rig = Rig(tmp_path)
    rig.arm()
    for _ in range(2 * 24 * 11):
        for name in DOSERS:
            ask(rig, name, 20_000)
        rig.wait(330_000)
    assert_ceilings(rig)
    assert rig.worst_on_ms("nutrient_a", DAY_MS) == 100_000


def test_a_changed_calibration_adds_no_budget(tmp_path):
    rig = Rig(tmp_path)
    rig.arm()
    for flow_ul_per_s in (100, 2_000, 500, 100, 2_000, 300) * 4:
        rig.values["doser.ul_per_s"] = flow_ul_per_s
        rig.gate.set_limits(limits.derive(rig.values))
        ask(rig, "nutrient_a", 20_000)
        rig.wait(310_000)
    assert_ceilings(rig)


def test_a_changed_calibration_adds_no_on_time_to_a_quarter(tmp_path):
    """A dose by a slow setting spends the time; a faster one must not give it back."""
    rig = Rig(tmp_path, authority_pct=25)
    rig.arm()
    for flow_ul_per_s in (20, 1_000, 2_000) * 8:
        rig.values["doser.ul_per_s"] = flow_ul_per_s
        rig.gate.set_limits(limits.derive(rig.values, authority_pct=25))
        ask(rig, "nutrient_a", 20_000)
        rig.wait(310_000)
    assert 0 < rig.worst_on_ms("nutrient_a", HOUR_MS) <= 7_500
    assert 0 < rig.worst_on_ms("nutrient_a", DAY_MS) <= 25_000


def test_forty_power_cuts_in_an_hour_stay_within_the_caps(tmp_path):
    rig = Rig(tmp_path)
    for cut in range(40):
        rig.arm()
        ask(rig, "ph_down", 3_000)
        execute(rig, ("cut", "ph_down", 100 * cut))
    assert_ceilings(rig)


def test_a_cut_at_any_time_of_a_dose_charges_at_least_the_delivery(tmp_path):
    for cut_ms in range(0, 3_200, 100):
        folder = tmp_path / str(cut_ms)
        folder.mkdir()
        rig = Rig(folder)
        rig.arm()
        execute(rig, ("cut", "ph_down", cut_ms))
        assert rig.ledger.spent("ph_down", HOUR_MS)[0] >= rig.worst_on_ms("ph_down", HOUR_MS)


def test_a_boot_loop_delivers_nothing(tmp_path):
    rig = Rig(tmp_path)
    for _ in range(50):
        for _ in range(11):
            rig.sense()
            rig.circulate()
            ask(rig, "ph_down", 500)
            rig.clock.advance(10_000)
        rig.reboot()
    assert rig.runs("ph_down") == []


@pytest.mark.parametrize("flow_ul_per_s", [20, 1_000])
def test_a_quarter_of_the_authority_is_a_quarter_of_the_on_time(tmp_path, flow_ul_per_s):
    """Whatever the calibration of the pump says: also one that declares a fiftieth of its flow."""
    values = {"doser.ul_per_s": flow_ul_per_s, "ph.down_ul_per_ph": 2_000_000,
              "ec.ul_per_100_us_cm": 2_000_000}
    rig = Rig(tmp_path, authority_pct=25, **values)
    rig.arm()
    for _ in range(100):
        for name in ("ph_down", "nutrient_b"):
            ask(rig, name, 20_000)
        rig.wait(900_000)
    for name in ("ph_down", "nutrient_b"):
        assert 0 < rig.worst_on_ms(name, HOUR_MS) <= 7_500
        assert 0 < rig.worst_on_ms(name, DAY_MS) <= 25_000
