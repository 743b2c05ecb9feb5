"""Reasons in words, in the reader's language, units and number format."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idroserra.core.reasons import REASONS, VALUES, Reason
from idroserra.i18n.reasons import english, reason_json, reason_text
from idroserra.i18n.translate import Locale, use_locale

ITALIAN, CHINESE = Locale("it"), Locale("zh")
IMPERIAL = Locale("en", "ppm500", "F", "gal")


@pytest.mark.parametrize(("locale", "reason", "text"), [
    (Locale(), Reason("mixing", left_ms=240_000), "the water is mixing, 4 min left"),
    (ITALIAN, Reason("mixing", left_ms=240_000),
     "l'acqua si sta mescolando, ancora 4 min"),
    (CHINESE, Reason("mixing", left_ms=240_000), "水正在混合，还剩4分钟"),
    (Locale(), Reason("b_waits", why=Reason(
        "channel_fault", channel="reservoir.level_mm", fault="stale")),
     "nutrient B waits: water level has no reading: there is no recent reading"),
    (IMPERIAL, Reason("ec_dose", ec_us_cm=1_500, target_us_cm=1_650),
     "EC is low, 750 ppm (500) (target 825 ppm (500))"),
    (ITALIAN, Reason("ph_in_band", milli_ph=5_783, target_milli_ph=5_900),
     "il pH è nella banda, 5,78 (obiettivo 5,90)"),
    (IMPERIAL, Reason("air_too_hot", deci_c=352, limit_deci_c=350),
     "the air is too hot, 95.4 °F (limit 95.0 °F)"),
    # A difference has no offset: 2 °C are 3.6 °F.
    (IMPERIAL, Reason("air_warmed", rise_deci_c=20, deci_c=310), "by 3.6 °F to 87.8 °F"),
    (ITALIAN, Reason("air_warmed", rise_deci_c=20, deci_c=310), "di 2,0 °C fino a 31,0 °C"),
    (ITALIAN, Reason("buffer_again", buffer="7.00"),
     "il tampone 7,00 è già stato preso: ne serve un altro"),
    # Doses are in ml in every locale, as on bottles and syringes.
    (IMPERIAL, Reason("max_dose", volume_ul=12_500), "a dose is at most 12.5 ml"),
    (Locale(), Reason("vpd_high", vpd_pa=1_216, target_pa=1_100),
     "VPD is high, 1.22 kPa (target 1.10 kPa)"),
    (Locale(), Reason("ph_high_dose", actuator="ph_down", milli_ph=6_040, target_milli_ph=5_900,
                      ul_per_ph=12_000, drift_milli_ph_per_h=-24),
     "pH is high, 6.04 (target 5.90): pH down at 12.0 ml per pH, drift -0.02 per hour"),
    (Locale(), Reason("drain_rest", setting="irrigation.off_s", least_s=450),
     "irrigation.off_s: 0 or at least 450 s is needed, so that the beds drain and the tank fills"),
])
def test_a_reason_is_a_sentence_of_its_reader(locale, reason, text):
    with use_locale(locale):
        assert reason_text(reason) == text
        assert reason_text(reason.as_json()) == text


@pytest.mark.parametrize(("days", "english_text", "italian"), [
    (1, "the pH probe was last calibrated 1 day ago",
     "la sonda del pH è stata calibrata l'ultima volta 1 giorno fa"),
    (45, "the pH probe was last calibrated 45 days ago",
     "la sonda del pH è stata calibrata l'ultima volta 45 giorni fa"),
])
def test_a_counted_value_chooses_the_plural_form(days, english_text, italian):
    reason = Reason("ph_calibration_old", days=days)
    assert reason_text(reason) == english_text
    with use_locale(ITALIAN):
        assert reason_text(reason) == italian


def test_no_reason_has_no_text():
    assert reason_text(None) == reason_text("") == ""
    assert reason_json(None) is None


def test_a_page_gets_code_values_and_text():
    with use_locale(ITALIAN):
        assert reason_json(Reason("leak")) == {
            "code": "leak", "values": {}, "text": "c'è acqua sul pavimento"}


def test_logs_are_in_english_and_metric_units():
    with use_locale(Locale("zh", "ppm500", "F", "gal")):
        assert english(Reason("air_cooled", deci_c=310)) == "now 31.0 °C"


def test_a_code_of_a_newer_node_is_shown_as_it_is():
    assert reason_text(Reason("too_windy", wind=12, left_ms=240_000)) == (
        "too_windy (wind 12, left_ms 4 min)")
    assert reason_text(Reason("too_windy")) == "too_windy"


def test_a_sentence_of_an_earlier_version_is_shown_as_it_is():
    with use_locale(ITALIAN):
        assert reason_text("held: mixing, 4 min left {x}") == "held: mixing, 4 min left {x}"


def test_a_missing_value_is_a_question_mark():
    assert reason_text(Reason("water_rises")) == reason_text(
        Reason("water_rises", moved_mm=3)).replace("3 mm", "?")
    assert reason_text(Reason("ph_calibration_old")) == (
        "the pH probe was last calibrated ? days ago")


_NUMBERS = st.integers(-2**53, 2**53)
_TEXTS = st.text(max_size=20)
_NAMES = st.sampled_from([*VALUES, "wind"])


def _reasons(why):
    values = st.dictionaries(_NAMES, st.one_of(_NUMBERS, st.booleans(), _TEXTS, why), max_size=8)
    return st.fixed_dictionaries({
        "code": st.sampled_from([*REASONS, "too_windy"]), "values": values})


@given(st.recursive(st.none(), _reasons, max_leaves=4),
       st.sampled_from([Locale(), Locale("it", "uS/cm", "F"), CHINESE]))
def test_whatever_a_node_sends_is_a_text(reason, locale):
    with use_locale(locale):
        assert isinstance(reason_text(reason), str)


@pytest.mark.parametrize(("ec", "unit"), [
    ("mS/cm", "mS/cm"), ("uS/cm", "µS/cm"), ("ppm500", "ppm (500)"), ("ppm700", "ppm (700)")])
@pytest.mark.parametrize("temperature", ["C", "F"])
def test_every_reason_is_in_the_units_of_its_reader(ec, unit, temperature):
    """A reason beside a tile in mS/cm says mS/cm, a difference too."""
    others = {"mS/cm", "µS/cm", "ppm (500)", "ppm (700)"} - {unit}
    with use_locale(Locale(ec=ec, temperature=temperature)):
        for code, row in REASONS.items():
            values = {name: 23 for name in row.values
                      if VALUES[name].startswith(("uS/cm", "dC"))}
            text = reason_text(Reason(code, **values))
            assert not [other for other in others if other in text], code
            assert ("°C" if temperature == "F" else "°F") not in text, code
        moved = reason_text(Reason("ec_moves", moved_us_cm=23))
        expected = {"mS/cm": "0.023", "uS/cm": "23", "ppm500": "12", "ppm700": "16"}[ec]
        assert f"{expected} {unit}" in moved
