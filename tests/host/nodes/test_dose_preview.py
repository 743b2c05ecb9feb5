"""What a dose by hand would do: direction, effect, budgets, and what is against it."""

from dataclasses import replace

import pytest

from idro.safety.interlocks import APART_MS as FIRMWARE_APART_MS
from idroserra.core.reasons import Reason
from idroserra.i18n.reasons import reason_text
from idroserra.i18n.translate import Locale, use_locale
from idroserra.node_state.calibration_age import day_of
from idroserra.node_state.inputs import EC, LEVEL, NEEDS, PH, Reading, Reported, StateInputs
from idroserra.nodes.dose_preview import APART_MS, LEARNED, TITRATED, DoseLimits, preview_dose
from idroserra.nodes.latest_events import Event

NOW = 1_795_507_200_000
HOUR_MS = 3_600_000
LIMITS = DoseLimits(3_000, 10_000, 30_000, 300_000)
SETTINGS = {"dosing.enabled": True, "ph.target": 5.9, "ph.deadband": 0.2,
            "ph.down_ul_per_ph": 20_000, "ph.up_ul_per_ph": 40_000, "ec.target_us_cm": 1_600,
            "ec.deadband_us_cm": 80, "ec.ul_per_100_us_cm": 10_000}
LEARNED_DOSE = Reason("ph_high_dose", actuator="ph_down", milli_ph=6_100, target_milli_ph=5_900,
                      ul_per_ph=10_000, drift_milli_ph_per_h=0)


def reading(value, *, fault=None, ago_ms=1_000):
    return Reading(value, fault, NOW - ago_ms)


def inputs(ph=5.8, ec=1_500, **changes):
    return replace(StateInputs(
        NOW, is_online=True, last_heard_unix_ms=NOW, dosers=tuple(NEEDS), granted_pct=100,
        readings={PH: reading(ph), EC: reading(ec), LEVEL: reading(200)}, settings=SETTINGS,
        boot_unix_ms=NOW - 9 * HOUR_MS, armed_unix_ms=NOW - 8 * HOUR_MS), **changes)


def dosed(volume_ul, ago_ms, actuator="ph_down", reason=None):
    return Event((NOW - ago_ms) * 1_000, "dosed", {
        "actuator": actuator, "volume_ul": volume_ul, "reason": reason and reason.as_json()})


def at_fault(**faults):
    """Return readings whose channels `ph`, `ec` or `level` have these faults."""
    channels = {"ph": PH, "ec": EC, "level": LEVEL}
    return inputs(ph=6.3).readings | {
        channels[key]: reading(None, fault=fault) for key, fault in faults.items()}


def codes(found):
    return [one.code for one in found.warnings]


def test_ph_down_below_the_target_is_the_wrong_way():
    """pH 5.8, target 5.9: "Dose 2 ml of pH down?" warns."""
    found = preview_dose("ph_down", 2_000, inputs(ph=5.8), [], LIMITS)
    assert (found.reading.value, found.target, found.low, found.high) == (5.8, 5.9, 5.7, 6.1)
    assert codes(found) == ["dose_wrong_way"]
    assert reason_text(found.warnings[0]) == (
        "pH down moves pH away from its target: it is 5.80, the target is 5.90")
    assert codes(preview_dose("ph_up", 2_000, inputs(ph=5.8), [], LIMITS)) == []


@pytest.mark.parametrize(("actuator", "ec", "wrong"), [
    ("nutrient_a", 1_700, True), ("nutrient_b", 1_700, True), ("nutrient_a", 1_500, False)])
def test_nutrients_above_the_target_are_the_wrong_way(actuator, ec, wrong):
    found = preview_dose(actuator, 1_000, inputs(ec=ec), [], LIMITS)
    assert codes(found) == ["dose_wrong_way"] * wrong


def test_units_are_those_of_the_reader():
    found = preview_dose("nutrient_a", 1_000, inputs(ec=1_700), [], LIMITS)
    with use_locale(Locale(ec="uS/cm")):
        assert "1700 µS/cm" in reason_text(found.warnings[0])


def test_the_effect_is_learned_else_titrated_else_unknown():
    learned = preview_dose("ph_down", 2_000, inputs(ph=6.3), [dosed(
        500, 5 * HOUR_MS, reason=LEARNED_DOSE)], LIMITS)
    assert (learned.effect, learned.after) == (LEARNED, pytest.approx(6.1))
    titrated = preview_dose("ph_down", 2_000, inputs(ph=6.3), [], LIMITS)
    assert (titrated.effect, titrated.after) == (TITRATED, pytest.approx(6.2))
    # The default of the setting is no measurement.
    unknown = preview_dose("ph_up", 2_000, inputs(ph=5.3), [], LIMITS)
    assert (unknown.effect, unknown.after, codes(unknown)) == (None, None, [])
    old = dosed(500, 8 * 24 * HOUR_MS, reason=LEARNED_DOSE)
    assert preview_dose("ph_down", 2_000, inputs(), [old], LIMITS).effect == TITRATED
    ec = preview_dose("nutrient_a", 2_000, inputs(ec=1_400), [], LIMITS)
    assert (ec.effect, ec.after) == (TITRATED, pytest.approx(1_420))


def test_a_dose_that_passes_the_band_is_warned_of():
    found = preview_dose("ph_down", 2_900, inputs(ph=5.95), [
        dosed(100, 9 * HOUR_MS, reason=LEARNED_DOSE)], LIMITS)
    assert codes(found) == ["dose_overshoots"]
    assert "about 5.66" in reason_text(found.warnings[0])


@pytest.mark.parametrize(("ph", "code"), [
    (reading(None, fault="noisy"), "channel_fault"), (reading(5.8, ago_ms=90_000), "reading_old"),
    (Reading(None, None, None), "no_reading")])
def test_a_reading_at_fault_or_old_is_warned_of_and_predicts_nothing(ph, code):
    wrong = inputs()
    found = preview_dose("ph_down", 2_000, replace(
        wrong, readings=wrong.readings | {PH: ph}), [], LIMITS)
    assert codes(found) == [code]
    assert (found.is_usable, found.after) == (False, None)


def test_budgets_are_what_the_node_allows_less_what_was_dosed():
    doses = [dosed(4_000, HOUR_MS // 2), dosed(5_000, 3 * HOUR_MS), dosed(9_000, 25 * HOUR_MS),
             dosed(1_000, HOUR_MS // 2, "nutrient_a"),
             dosed(3_000, HOUR_MS // 10, reason=Reason("correction_step"))]
    found = preview_dose("ph_down", 2_000, inputs(ph=6.3), doses, LIMITS)
    assert (found.hour_left_ul, found.day_left_ul) == (3_000, 21_000)
    assert codes(found) == []


@pytest.mark.parametrize(("volume_ul", "spent", "code"), [
    (3_001, [], "max_dose"), (2_000, [(9_000, HOUR_MS // 2)], "hour_spent"),
    (2_000, [(29_000, 2 * HOUR_MS)], "day_spent")])
def test_what_the_node_will_refuse_is_said_before(volume_ul, spent, code):
    doses = [dosed(*one) for one in spent]
    assert codes(preview_dose("ph_down", volume_ul, inputs(ph=6.3), doses, LIMITS)) == [code]
    unknown = preview_dose("ph_down", volume_ul, inputs(ph=6.3), doses, None)
    assert (unknown.hour_left_ul, codes(unknown)) == (None, [])


@pytest.mark.parametrize(("changes", "expected"), [
    ({"hold": Reported(Reason("dosing_stopped", by="ann"), NOW)}, ["dosing_stopped"]),
    ({"settings": SETTINGS | {"dosing.enabled": False}}, []),  # a dose by hand is as usual
    ({"granted_pct": 0}, []),
    ({"readings": {PH: reading(6.3), EC: reading(1_500), LEVEL: Reading(90, None, NOW, 120, 240)}},
     ["water_low"])])
def test_what_forbids_doses_is_said_before(changes, expected):
    assert codes(preview_dose("ph_down", 1_000, inputs(ph=6.3, **changes), [], LIMITS)) == expected


@pytest.mark.parametrize("chosen", [
    {"settings": SETTINGS | {"dosing.enabled": False}}, {"granted_pct": 0}])
@pytest.mark.parametrize(("changes", "expected"), [
    ({"armed_unix_ms": None}, ["not_armed"]),
    ({"decisions": {"ec": Reported(Reason("no_circulation"), NOW - 1_000)}},
     ["no_circulation"])])
def test_a_chosen_mode_does_not_hide_what_the_node_will_refuse(chosen, changes, expected):
    found = preview_dose("ph_down", 1_000, inputs(ph=6.3, **chosen, **changes), [], LIMITS)
    assert codes(found) == expected


@pytest.mark.parametrize(("actuator", "changes", "expected"), [
    ("ph_down", {"readings": at_fault(ec="noisy")}, []),
    ("ph_down", {"readings": at_fault(ec="in_air")}, ["channel_fault"]),  # both hang in one tank
    ("ph_down", {"readings": at_fault(ec="noisy", level="noisy")}, ["channel_fault"]),
    ("nutrient_a", {"readings": at_fault(ph="noisy")}, []),
    ("nutrient_a", {"readings": at_fault(ec="noisy")}, ["channel_fault"]),
    ("ph_down", {"decisions": {"ec": Reported(
        Reason("arming", channel=EC, count=3, of=12), NOW - 1_000)}}, []),
    ("ph_down", {"decisions": {"ec": Reported(
        Reason("ec_low_blocked", why=Reason("hour_spent", volume_ul=9_000, share_pct=100)),
        NOW - 1_000)}}, []),
    *((actuator, {"settings": SETTINGS | {"ph.calibrated_day": day_of(NOW) - 61}}, [])
      for actuator in ("ph_down", "nutrient_a"))])
def test_what_does_not_block_this_doser_is_no_warning(actuator, changes, expected):
    found = preview_dose(actuator, 1_000, inputs(ph=6.3, **changes), [], LIMITS)
    assert codes(found) == expected


@pytest.mark.parametrize(("actuator", "last", "ago_ms", "expected"), [
    ("ph_down", "ph_down", 60_000, ("gap", "ph_down", 240_000)),
    ("ph_down", "ph_down", 300_000, None),
    ("ph_up", "ph_down", 60_000, ("apart", "ph_down", 59 * 60_000)),
    ("ph_up", "ph_down", HOUR_MS, None),
    ("nutrient_b", "nutrient_a", 20_000, ("apart", "nutrient_a", 40_000)),
    ("nutrient_a", "nutrient_b", 60_000, None),
    ("nutrient_a", "ph_down", 1_000, None)])
def test_a_dose_too_soon_after_another_is_warned_of(actuator, last, ago_ms, expected):
    ph = 5.5 if actuator == "ph_up" else 6.3
    doses = [dosed(100, 5 * HOUR_MS, last), dosed(100, ago_ms, last)]
    found = preview_dose(actuator, 1_000, inputs(ph=ph), doses, LIMITS).warnings
    assert [(one.code, one.values["actuator"], one.values["left_ms"]) for one in found] == (
        [] if expected is None else [expected])


def test_the_times_between_two_dosers_are_those_of_the_firmware():
    assert APART_MS == FIRMWARE_APART_MS


def test_a_step_of_a_correction_counts_as_a_dose():
    step = dosed(900, 60_000, reason=Reason("correction_step"))
    assert codes(preview_dose("ph_down", 1_000, inputs(ph=6.3), [step], LIMITS)) == ["gap"]


def test_a_pump_without_a_channel_has_budgets_only():
    found = preview_dose("nutrient_c", 1_000, inputs(), [], None)
    assert (found.channel, found.target, found.after, codes(found)) == (None, None, None, [])
