"""Events of nodes as sentences, from codes and values."""

import pytest

from idro.protocol.descriptions import FAULT_TEXTS
from idro.protocol.events import EVENTS
from idroserra.core.reasons import Reason
from idroserra.i18n.events import event_text, level_of
from idroserra.i18n.reasons import fault_text, reset_text
from idroserra.i18n.translate import LANGUAGES, Locale, use_locale

ITALIAN, CHINESE = Locale("it"), Locale("zh")


def because(code, **values):
    return {"reason": Reason(code, **values).as_json()}


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", sorted(EVENTS))
def test_every_kind_of_event_is_a_sentence_even_without_detail(kind, language):
    with use_locale(Locale(language)):
        text = event_text(kind, {})
    assert text
    assert text[0].isupper() or text.startswith("pH") or language == "zh"
    assert "None" not in text
    assert "{" not in text
    assert level_of(kind) in ("plain", "ok", "note", "warn", "bad")


@pytest.mark.parametrize("language", [name for name in LANGUAGES if name != "en"])
@pytest.mark.parametrize("fault", sorted(FAULT_TEXTS))
def test_every_fault_is_translated(fault, language):
    with use_locale(Locale(language)):
        assert fault_text(fault) != FAULT_TEXTS[fault]


@pytest.mark.parametrize(("cut", "locale", "sentence"), [
    (None, Locale(), "pH down, 2.00 ml given by ann: pH is low, 5.50, but returns by itself"),
    (Reason("leak"), Locale(),
     "pH down, 2.00 ml given by ann: pH is low, 5.50, but returns by itself; cut short: water is "
     "on the floor"),
    (Reason("leak"), ITALIAN,
     "pH−, dati 2,00 ml da ann: il pH è basso, 5,50, ma risale da solo; interrotto: c'è acqua sul "
     "pavimento"),
    (Reason("leak"), CHINESE,
     "降pH液，已加2.00 ml（ann）：pH偏低，5.50，但正自行回升；中途停止：地面有水"),
])
def test_a_dose_names_its_cause_and_why_it_was_cut_short(cut, locale, sentence):
    detail = {"actuator": "ph_down", "volume_ul": 2_000, "on_ms": 900, "by": "ann",
              **because("ph_low_returns", milli_ph=5_500)}
    if cut:
        detail["cut"] = cut.as_json()
    with use_locale(locale):
        assert event_text("dosed", detail) == sentence


def test_a_refusal_names_channel_and_fault():
    detail = {"actuator": "nutrient_a", "by": "control", **because(
        "channel_fault", channel="reservoir.ec_us_cm", fault="flat")}
    assert event_text("refused", detail) == (
        "Nutrient A refused: EC has no reading: the raw signal has not moved for minutes: the "
        "probe is dead or shorted")


def test_a_decision_names_its_loop():
    assert event_text("decided", {"loop": "top_off", **because("full_enough")}) == (
        "Top off control: the tank is full enough")
    assert event_text("decided", {"loop": "ph", "reason": "held: mixing, 4 min left"}) == (
        "pH control: held: mixing, 4 min left")  # of an earlier version


@pytest.mark.parametrize(("reset", "text", "italian"), [
    ("power_on", "power on", "accensione"),
    ("brown_out", "a voltage drop", "un calo di tensione"),
    ("hard", "a hard reset", "un riavvio hardware"),
    ("soft", "a soft reset", "un riavvio software"),
    ("watchdog", "a watchdog reset", "un riavvio da watchdog"),
    ("deep_sleep", "deep sleep", "sonno profondo"),
    ("", "an unknown reset", "un riavvio ignoto"),
    ("lightning", "lightning", "lightning"),
])
def test_a_reset_is_named_by_its_code(reset, text, italian):
    assert reset_text(reset) == text
    with use_locale(ITALIAN):
        assert reset_text(reset) == italian


def test_a_boot_names_its_cause_and_the_last_error():
    assert event_text("boot", {"reset": "watchdog", "version": "1.2.0", "last_error": "OSError"}) \
        == ("Started, version 1.2.0, after a watchdog reset. The previous boot ended with: "
            "OSError")


def test_a_restarted_task_names_its_error_or_its_silence():
    assert event_text("restarted", {"task": "control", "error": "KeyError('x')"}) == (
        "The task control failed and was restarted: KeyError('x')")
    assert event_text("restarted", {"task": "wifi", **because("task_silent", for_ms=30_000)}) == (
        "The task wifi failed and was restarted: it was silent for 30 s")


@pytest.mark.parametrize(("more", "sentence"), [
    ({"state": "opened", "by": "ann", **because("correction_volume", volume_ul=400_000)},
     "Correction with pH down to pH 5.90 opened by ann: at most 400.0 ml"),
    ({"state": "held", **because("mixing", left_ms=600_000)},
     "Correction with pH down waits: the water is mixing, 10 min left"),
    ({"state": "ready", "next_ul": 25_000, **because("press_button")},
     "Correction with pH down is ready to give 25.0 ml: press the button on the board"),
    ({"state": "given", **because("step_given", volume_ul=25_000)},
     "Correction with pH down: a step of 25.0 ml given, 50.0 ml so far, 350.0 ml left"),
    ({"state": "given", "reason": "25.0 ml"},  # of an earlier version
     "Correction with pH down: a step given, 50.0 ml so far, 350.0 ml left"),
    ({"state": "ended", **because("latch_no_effect")},
     "Correction with pH down is over: doses had no effect, 50.0 ml given"),
])
def test_a_correction_is_described_step_by_step(more, sentence):
    detail = {"actuator": "ph_down", "given_ul": 50_000, "left_ul": 350_000, "next_ul": 0,
              "target_milli_ph": 5_900, "by": ""}
    assert event_text("correction", detail | more) == sentence


def test_granted_and_requested_dosing_authority_are_described():
    assert event_text("authority", {
        "granted_pct": 25, "asked_pct": 100, **because("authority_latched"),
    }) == "Automatic dosing may use 25 % of its budgets (100 % requested): dosing was locked"
    assert event_text("authority", {
        "granted_pct": 0, "asked_pct": 0, **because("authority_set"),
    }) == "Automatic dosing is limited to advice: the settings changed"


@pytest.mark.parametrize(("state", "words"), [
    ("rises", "The water level rose by 12 mm with the valve closed"),
    ("falls", "The water level falls faster than plants drink, 12 mm an hour: check for a leak"),
    ("steady", "The water level is normal again."),
])
def test_unexplained_water_changes_are_described(state, words):
    assert event_text("water", {"state": state, "moved_mm": 12}).startswith(words)
    assert level_of("water") == "warn"


@pytest.mark.parametrize(("kind", "state", "locale", "words"), [
    ("irrigation_no_flow", "began", Locale(), "The irrigation pump has run for 20 s without flow"),
    ("irrigation_no_flow", "ended", Locale(), "Water flows to the roots again, after 20 s"),
    ("irrigation_stuck_on", "began", Locale(), "Water flows to the roots, 3.00 L/min, although"),
    ("irrigation_stuck_on", "began", Locale(volume="gal"),
     "Water flows to the roots, 0.79 gal/min, although"),
    ("irrigation_stuck_on", "began", ITALIAN, "L'acqua scorre alle radici, 3,00 L/min, a pompa"),
    ("irrigation_stuck_on", "ended", Locale(), "The flow to the roots has stopped"),
])
def test_irrigation_failures_are_described(kind, state, locale, words):
    detail = {"state": state, "on_ms": 20_000, "flow_ml_per_min": 3_000}
    with use_locale(locale):
        assert event_text(kind, detail).startswith(words)
    assert level_of(kind) == ("bad" if kind == "irrigation_no_flow" else "warn")


@pytest.mark.parametrize(("kind", "state", "reason", "words"), [
    ("air_too_hot", "began", Reason("air_too_hot", deci_c=352, limit_deci_c=350),
     "The heater is locked until the air has cooled and half an hour has passed: the air is too "
     "hot, 95.4 °F (limit 95.0 °F). Does the fan run"),
    ("air_too_hot", "ended", Reason("air_cooled", deci_c=310),
     "The air has cooled, now 87.8 °F: the heater may heat again."),
    ("air_warms", "began", Reason("air_warmed", rise_deci_c=20, deci_c=310),
     "The air warms with the heater off, by 3.6 °F to 87.8 °F: is its relay stuck?"),
    ("air_warms", "ended", Reason("air_cooled", deci_c=310),
     "The air no longer warms with the heater off, now 87.8 °F."),
])
def test_air_out_of_range_is_described(kind, state, reason, words):
    with use_locale(Locale(temperature="F")):
        assert event_text(kind, {"state": state, "reason": reason.as_json()}).startswith(words)
    assert level_of(kind) == "warn"


def test_an_update_that_is_not_taken_names_its_cause():
    detail = {"version": "1.3.0", **because("flash_needed", needed_kb=900, free_kb=120)}
    assert event_text("update_refused", detail) == (
        "Software 1.3.0 was refused: it needs 900 kB of flash, 120 kB are free")
    assert event_text("update_reverted", {"version": "1.3.0", **because("three_boots")}) == (
        "Software 1.3.0 was rolled back to the previous version: the update was not confirmed "
        "within three boots")


def test_an_event_of_a_newer_node_shows_its_detail():
    assert event_text("door_opened", {"door": 2, **because("too_windy", wind=12)}) == (
        "door opened door 2, reason too_windy (wind 12)")


@pytest.mark.parametrize("kind", ["fault_began", "fault_ended"])
def test_a_channel_that_is_none_is_named_as_it_is(kind):
    assert event_text(kind, {"channel": "<b>", "fault": "crc"}).startswith("<b>: ")
