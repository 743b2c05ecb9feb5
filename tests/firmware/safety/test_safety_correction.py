"""Tests of the manual correction of a fresh fill: each press releases one bounded step."""

import contextlib

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from idro.protocol.reason import Reason
from idro.safety.correction import MAX_DURATION_MS
from idro.safety.limits import CORRECTION_DAY_ON_MS, CORRECTION_STEP_ON_MS
from idro.safety.outputs import Refused
from support.fresh_fill import FILL, begin, fresh_fill
from support.loops_rig import LoopsRig

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
@pytest.fixture
def node(tmp_path):
    with fresh_fill(tmp_path) as rig:
        yield rig


def on_ms(node, doser="ph_down"):
    return sum(off - on for on, off in node.rig.runs(doser))


def ended(node):
    return [detail["reason"]["code"] for detail in node.events_of("correction", state="ended")]


def test_without_a_press_nothing_is_dosed(node):
    begin(node)
    while node.correction.is_open:
        node.cycles(1)
        assert on_ms(node) == 0
    assert ended(node) == ["not_pressed"]


def test_one_press_releases_one_step_of_at_most_30_s(node):
    begin(node)
    node.cycles(60)
    node.cycles(1, held_ms=1_000)
    node.cycles(10)
    assert 0 < on_ms(node) <= CORRECTION_STEP_ON_MS
    assert len(node.events_of("correction", state="given")) == 1


@pytest.mark.parametrize("held_ms", [100, 400, 5_500])
def test_glitches_and_long_presses_are_ignored(node, held_ms):
    begin(node)
    node.cycles(60, held_ms=held_ms)
    assert on_ms(node) == 0


def test_a_press_during_mixing_is_ignored(node):
    begin(node)
    node.cycles(60)
    node.cycles(1, held_ms=1_000)
    first_ms = on_ms(node)
    node.cycles(20, held_ms=1_000)
    assert on_ms(node) == first_ms


def test_it_ends_at_its_target_and_control_has_its_own_budget(node):
    begin(node, target=6_000)
    node.cycles(60)
    node.cycles(1, held_ms=1_000)
    node.read(ph=6.03)
    node.cycles(60, held_ms=1_000)
    assert ended(node) == ["target_reached"]
    room_ul, why = node.gate.headroom("ph_down", node.sampler.readings, "control")
    assert room_ul == 0
    assert why.code in ("hour_spent", "gap", "mixing")


def test_a_stop_of_the_node_ends_it(node):
    begin(node)
    node.gate.stop("ben")
    node.cycles(60, held_ms=1_000)
    assert on_ms(node) == 0
    assert ended(node) == ["stopped"]


def test_a_reset_ends_it(node):
    begin(node)
    node.reset(power_cut=False)
    node.cycles(120, held_ms=1_000)
    assert not node.correction.is_open
    assert all(off - on <= 10_000 for on, off in node.rig.runs("ph_down"))


def test_an_empty_bottle_latches(node):
    begin(node)
    for _ in range(6):
        node.cycles(80)
        node.cycles(1, held_ms=1_000)
    assert ended(node) == ["latch_no_effect"]
    assert on_ms(node) <= 3 * CORRECTION_STEP_ON_MS


def test_swapped_bottles_latch(node):
    begin(node)
    for ph in (7.8, 7.9, 8.0, 8.1, 8.2):
        node.read(ph=ph)
        node.cycles(80)
        node.cycles(1, held_ms=1_000)
    assert ended(node) == ["latch_wrong_way"]
    assert len(node.events_of("correction", state="given")) <= 2


@pytest.mark.parametrize(("quantity", "bad"), [
    ("ph", "flat"), ("ph", "no_ack"), ("level_mm", "no_ack"), ("level_mm", 50),
])
def test_every_interlock_applies(node, quantity, bad):
    begin(node)
    node.read(**{quantity: bad})
    node.cycles(60, held_ms=1_000)
    assert on_ms(node) == 0


def test_a_board_without_a_button_refuses(node):
    node.correction._button = None
    with pytest.raises(Refused, match="no_button"):
        begin(node)


@pytest.mark.parametrize("doser", ["nutrient_b", "top_off", "circulation", "none"])
def test_only_acid_base_and_nutrient_a_correct(node, doser):
    with pytest.raises(Refused, match="not_correctable"):
        begin(node, doser=doser)


def test_a_correction_needs_its_target(node):
    with pytest.raises(Refused, match="not_correctable"):
        node.correction.begin("nutrient_a", None, 400_000, "ann")


def test_only_one_correction_at_a_time(node):
    begin(node)
    with pytest.raises(Refused, match="correction_already"):
        begin(node)


def test_an_abandoned_correction_ends_within_eight_hours(node):
    begin(node, volume_ul=8_000_000)
    ph = 7.8
    for _ in range(MAX_DURATION_MS // 600_000 + 10):
        ph = 7.8 if ph < 7.7 else ph - 0.05
        node.read(ph=ph)
        node.cycles(60)
        if not node.correction.is_open:
            break
        node.cycles(1, held_ms=1_000)
    assert len(ended(node)) == 1
    assert on_ms(node) <= CORRECTION_DAY_ON_MS


def feed(node, target_us_cm=2_000, volume_ul=400_000):
    node.read(ec_us_cm=1_200)
    node.correction.begin("nutrient_a", target_us_cm, volume_ul, "ann")
    node.cycles(60)


def starts_ms(node, doser):
    return [on for on, _ in node.rig.runs(doser)]


def test_one_press_gives_a_pair_of_nutrients(node):
    feed(node)
    node.cycles(1, held_ms=1_000)
    node.cycles(20)
    assert on_ms(node, "nutrient_a") == on_ms(node, "nutrient_b") == CORRECTION_STEP_ON_MS
    given = node.events_of("correction", state="given")
    assert [detail["given_ul"] for detail in given] == [30_000, 30_000]
    assert given[0]["target_us_cm"] == 2_000
    ended_ms = node.rig.runs("nutrient_a")[-1][1]
    assert starts_ms(node, "nutrient_b")[0] >= ended_ms + 60_000


def test_no_press_gives_another_pair_before_its_b(node):
    feed(node)
    node.cycles(4, held_ms=1_000)
    assert on_ms(node, "nutrient_a") == CORRECTION_STEP_ON_MS


def test_nutrient_ends_at_its_target_and_control_waits_for_its_hour(node):
    feed(node, target_us_cm=1_400)
    node.cycles(1, held_ms=1_000)
    node.cycles(20)
    node.read(ec_us_cm=1_385)
    node.cycles(60)
    assert ended(node) == ["target_reached"]
    for doser in ("nutrient_a", "nutrient_b"):
        room_ul, _ = node.gate.headroom(doser, node.sampler.readings, "control")
        assert room_ul == 0


def test_a_correction_that_ends_before_b_leaves_it_to_control(node):
    feed(node, volume_ul=8_000)
    node.cycles(1, held_ms=1_000)
    assert 0 < on_ms(node, "nutrient_a") <= 4_000
    node.correction.end(Reason("ended_by", by="ann"))
    node.cycles(20)
    assert on_ms(node, "nutrient_b") == on_ms(node, "nutrient_a")


def test_acid_in_the_bottle_of_nutrient_latches(node):
    feed(node)
    node.cycles(1, held_ms=1_000)
    node.read(ec_us_cm=1_600, ph=4.6)
    node.cycles(80, held_ms=1_000)
    assert ended(node) == ["latch_wrong_way"]
    assert node.gate.latch_reason == Reason("latch_wrong_way")
    assert len(node.events_of("dosed", actuator="nutrient_a")) == 1


def test_acid_in_the_bottle_of_nutrient_never_reaches_the_target(node):
    feed(node)
    node.cycles(1, held_ms=1_000)
    node.read(ec_us_cm=1_990, ph=4.6)
    node.cycles(80)
    assert ended(node) == ["latch_wrong_way"]


@pytest.mark.parametrize("ec_us_cm", [1_200, 1_990])
def test_nutrient_waits_for_a_ph(node, ec_us_cm):
    feed(node)
    node.cycles(1, held_ms=1_000)
    node.read(ph="no_ack")
    node.cycles(8)
    node.read(ec_us_cm=ec_us_cm)
    node.cycles(80, held_ms=1_000)
    assert on_ms(node, "nutrient_a") == on_ms(node, "nutrient_b") == CORRECTION_STEP_ON_MS
    held = node.events_of("correction", state="held")[-1]["reason"]
    assert held["code"] == "channel_fault"
    assert not ended(node)


def test_an_empty_nutrient_bottle_latches(node):
    feed(node)
    for _ in range(6):
        node.cycles(1, held_ms=1_000)
        node.cycles(60)
    assert ended(node) == ["latch_no_effect"]
    assert on_ms(node, "nutrient_a") <= 3 * CORRECTION_STEP_ON_MS


def test_a_stop_forbids_b_of_a_step(node):
    feed(node)
    node.cycles(1, held_ms=1_000)
    node.gate.stop("ben")
    node.cycles(60)
    assert on_ms(node, "nutrient_b") == 0
    assert ended(node) == ["stopped"]


def test_b_that_cannot_be_given_waits_and_says_why(node):
    feed(node)
    node.cycles(1, held_ms=1_000)
    node.read(ec_us_cm="no_ack")
    node.cycles(60)
    assert on_ms(node, "nutrient_b") == 0
    held = node.events_of("correction", state="held")[-1]["reason"]
    assert held["code"] == "b_waits"
    node.cycles(130)
    assert ended(node) == ["b_timeout"]
    (missing,) = node.events_of("refused", actuator="nutrient_b")
    assert missing["reason"] == Reason(
        "b_missing", why=Reason("b_timeout"), volume_ul=CORRECTION_STEP_ON_MS).as_json()
    node.read(ec_us_cm=1_200)
    node.cycles(120)
    assert not node.rig.runs("nutrient_b")


def test_b_follows_though_every_sleep_ends_late(tmp_path):
    node = LoopsRig(tmp_path, **FILL, **{"sample.every_ms": 20_000})
    node.cycles(20)
    node.clock.late_ms = 1
    feed(node)
    node.cycles(1, held_ms=1_000)
    assert on_ms(node, "nutrient_a") > CORRECTION_STEP_ON_MS
    node.cycles(20)
    assert on_ms(node, "nutrient_b") >= CORRECTION_STEP_ON_MS
    node.correction.end(Reason("ended_by", by="ann"))
    node.cycles(200)
    node.close()
    assert not node.events_of("refused", actuator="nutrient_b")


@pytest.mark.parametrize("spent_ms", [CORRECTION_DAY_ON_MS, CORRECTION_DAY_ON_MS - 150])
@pytest.mark.parametrize("channel", ["ph_down_fill", "nutrient_a_fill", "nutrient_b_fill"])
def test_a_spent_day_ends_it_at_once(node, channel, spent_ms):
    ledger = node.rig.ledger
    ledger.settle(ledger.reserve(channel, spent_ms, 1), spent_ms, 1)
    if channel == "ph_down_fill":
        begin(node)
    else:
        feed(node)
    node.cycles(60)
    assert ended(node) == ["correction_spent"]


def test_a_step_that_no_pump_can_give_ends_it_without_its_target(tmp_path):
    node = LoopsRig(tmp_path, **{**FILL, "ph.down_ul_per_ph": 5_000})
    node.read(ph=6.06)
    node.cycles(20)
    begin(node)
    node.cycles(60)
    node.close()
    assert ended(node) == ["too_small"]


def test_a_reset_amid_a_of_a_step_reports_its_b(node):
    feed(node)
    node.doses.submit = lambda *job: None  # power is lost before the pump starts
    node.cycles(1, held_ms=1_000)
    node.reset(power_cut=True)
    (missing,) = node.events_of("refused", actuator="nutrient_b")
    assert missing["reason"] == Reason(
        "b_missing", why=Reason("b_reset"), volume_ul=CORRECTION_STEP_ON_MS).as_json()


def test_a_refused_step_of_a_owes_no_b(node):
    feed(node)
    for name in node.rig.flash():
        (node.rig.folder / name).unlink()
        (node.rig.folder / name).mkdir()
    node.cycles(1, held_ms=1_000)
    assert node.events_of("correction", state="held")[-1]["reason"]["code"] == "ledger_failed"
    assert node.kept.pending_nutrient_b() is None


@hypothesis_settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(moves=st.lists(
    st.tuples(
        st.sampled_from(("begin", "press", "wait", "reset", "cut", "end", "ph")),
        st.integers(0, 100),
    ), min_size=5, max_size=40,
))
def test_any_requests_and_presses_stay_within_the_daily_ceilings(tmp_path_factory, moves):
    node = LoopsRig(tmp_path_factory.mktemp("node"), **FILL)
    node.read(ph=7.8)
    presses = 0
    for move, number in moves:
        if move == "begin":
            with contextlib.suppress(Refused):
                begin(node, 1_000 + number * 79_990)
        elif move == "press":
            node.cycles(45)
            node.cycles(1, held_ms=1_000)
            presses += 1
        elif move == "wait":
            node.cycles(number)
        elif move in ("reset", "cut"):
            node.reset(power_cut=move == "cut")
        elif move == "end":
            node.correction.end(Reason("ended_by", by="ann"))
        else:
            node.read(ph=6.0 + number / 40)
    worst_ms = node.rig.worst_on_ms("ph_down", DAY_MS)
    steps = node.events_of("correction", state="given")
    node.close()
    assert worst_ms <= CORRECTION_DAY_ON_MS + 100_000
    assert len(steps) <= presses
    assert all(off - on <= CORRECTION_STEP_ON_MS for on, off in node.rig.runs("ph_down"))
