"""Form fields of settings: every key has one, in units that lose nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idro.protocol import messages, system_host
from idro.safety.limits import DOSERS
from idroserra.boards import compiler
from idroserra.calibration.procedures import PROCEDURES
from idroserra.core import protocol
from idroserra.i18n.translate import Locale, use_locale
from idroserra.i18n.units import EC, TEMPERATURE, VOLUME
from idroserra.setpoints.setting_forms import GROUPS, setting_fields, setting_label, setting_text

LOCALES = [Locale("it", ec, temperature, volume)
           for ec in EC for temperature, volume in zip(TEMPERATURE, VOLUME, strict=True)]
# The steps in which people set a number that is stored as a float.
FLOAT_STEPS = {"ph.target": 0.01, "ph.deadband": 0.01}


def fields(locale=LOCALES[0], info=None):
    with use_locale(locale):
        return {field.key: field for field in setting_fields(info)}


NUMBERS = [key for key, field in fields().items() if field.widget == "number"]


def info_of(board):
    """The info of a node of a board that comes with this version."""
    wired = compiler.load(board)
    channels = [f"{one['source']}.{q}" for one in wired["sensors"] for q in one["measures"]]
    outputs = {one["name"]: "doser" if one["name"] in DOSERS else "switch"
               for one in wired["actuators"]}
    return messages.Info("1", board, wired["chip"], "7f3a11aa", 1, None, "host", "power_on",
                         "ab" * 32, channels, outputs, (), False, 100, 0, messages.AS_FLASHED,
                         system_host.UNKNOWN_SYSTEM)


def test_every_setting_has_a_group_a_label_and_a_help_of_its_own():
    found = fields(Locale())
    assert found.keys() == protocol.SETTINGS.keys()
    assert {field.group for field in found.values()} == set(GROUPS)
    labels = [field.label for field in found.values()]
    assert len(set(labels)) == len(labels)
    for key, field in found.items():
        assert field.help
        assert field.label not in ("", key)


def test_no_field_shows_a_unit_of_the_contract():
    raw = {setting.unit for setting in protocol.SETTINGS.values()}
    raw -= {"", "%", "mm", "min", "s", "ml/min"}
    for locale in LOCALES:
        assert not raw & {field.unit for field in fields(locale).values()}


@pytest.mark.parametrize("locale", LOCALES, ids=lambda one: f"{one.ec}-{one.temperature}")
def test_bounds_and_default_survive_the_form(locale):
    for key in NUMBERS:
        field = fields(locale)[key]
        for value in (field.low, field.high, field.default):
            assert field.stored(field.shown(value)) == value, field
            assert protocol.check_setting(key, field.stored(field.shown(value))) == value


@given(st.sampled_from(NUMBERS), st.sampled_from(LOCALES), st.data())
def test_any_step_survives_the_form(key, locale, data):
    field = fields(locale)[key]
    step = FLOAT_STEPS.get(key, 0.1) if field.kind == "float" else field.step
    steps = data.draw(st.integers(0, round((field.high - field.low) / step)))
    value = field.low + steps * step
    value = round(value, 3) if field.kind == "float" else value
    stored = field.stored(field.shown(value))
    assert stored == value
    assert isinstance(stored, int) == (field.kind == "int")


@given(st.sampled_from(NUMBERS), st.sampled_from(LOCALES), st.data())
def test_what_is_entered_within_the_bounds_is_accepted(key, locale, data):
    field = fields(locale)[key]
    low, high = field.shown(field.low), field.shown(field.high)
    typed = round(data.draw(st.floats(low, high)), field.decimals)
    protocol.check_setting(key, field.stored(min(max(typed, low), high)))


def test_calibration_owns_what_its_procedures_set():
    owned = {key for kind in PROCEDURES.values() for key in kind.keys} | {"ph.calibrated_day"}
    assert {key for key, field in fields().items() if field.is_calibrated} == owned


@pytest.mark.parametrize(("board", "absent", "present"), [
    ("esp32-climate", {"ph", "ec", "water", "mixing", "irrigation", "calibration", "dosing"},
     {"climate", "light", "node"}),
    ("esp32-nft", set(), {"ph", "ec", "irrigation"}),
])
def test_what_the_board_cannot_do_is_not_present(board, absent, present):
    found = fields(info=info_of(board)).values()
    shown = {field.group for field in found if field.is_present}
    assert not shown & absent
    assert present <= shown


def test_a_node_that_has_not_said_what_it_is_has_every_setting():
    assert all(field.is_present for field in fields().values())


@pytest.mark.parametrize(("key", "value", "text"), [
    ("topoff.max_ms_day", 1_800_000, "30 min"), ("ph.slope_uv_per_ph", -177_480, "-177.48 mV/pH"),
    ("ec.target_us_cm", 1_655, "1.655 mS/cm"), ("light.on_minute", 370, "06:10"),
    ("dosing.enabled", True, "on"), ("ph.calibrated_day", 0, "never"),
    ("ph.calibrated_day", 9_831, "2026-12-01"), ("irrigation.on_s", 10, "0.17 min"),
    ("ph.target", 5.8, "5.8"), ("no.such", 3, "3"),
])
def test_a_value_reads_as_people_write_it(key, value, text):
    assert setting_text(key, value) == text
    assert setting_label("no.such") == "no.such"


def test_values_follow_the_units_and_the_language_of_the_user():
    with use_locale(Locale("it", "ppm500", "F", "gal")):
        assert setting_text("ec.target_us_cm", 1_655) == "827,5 ppm (500)"
        assert setting_text("climate.max_c", 35.0) == "95 °F"
        assert setting_text("climate.deadband_c", 1.0) == "1,8 °F"
