"""A node that is well, changes of it, and what must hold for every state."""

from dataclasses import replace

from idro.protocol.reasons import GATE, LATCHED, MENDERS, VALUES
from idroserra.core.reasons import Reason
from idroserra.i18n.translate import LANGUAGES, Locale, use_locale
from idroserra.node_state.calibration_age import DAY_MS, day_of
from idroserra.node_state.inputs import EC, LEVEL, NEEDS, PH, Reading, Reported, StateInputs
from idroserra.node_state.state import LEVELS
from idroserra.nodes.dosing_state import dosing_json
from idroserra.nodes.state_text import state_json, state_text

NOW = 1_795_507_200_000
MINUTE_MS = 60_000
BEFORE = NOW - MINUTE_MS
MADE_UP = {"name": "ph_down", "kind": "doser", "channel": PH, "fault": "noisy",
           "setting": "ph.target", "text": "x"}


def made_up(code, table):
    """Return a reason of a code with values of the right types."""
    values = {name: MADE_UP.get(VALUES[name], 600_000) for name in table[code].values}
    if "why" in values:
        values["why"] = Reason("water_low", level_mm=90, low_mm=120)
    return Reason(code, **values)


def reading(value=None, *, fault=None, ago_ms=1_000, low=None, high=None):
    return Reading(value, fault, NOW - ago_ms, low, high)


WELL = StateInputs(
    NOW, is_online=True, last_heard_unix_ms=NOW - 1_000, dosers=tuple(NEEDS), granted_pct=100,
    readings={PH: reading(5.9, low=5.7, high=6.1), EC: reading(1_600, low=1_500, high=1_700),
              LEVEL: reading(200, low=120, high=240), "air.temp_c": reading(23.0)},
    settings={"dosing.enabled": True, "ph.calibrated_day": day_of(NOW) - 3},
    boot_unix_ms=NOW - DAY_MS, armed_unix_ms=NOW - DAY_MS + 120_000,
    decisions={"ec": Reported(Reason("ec_in_band", ec_us_cm=1_600, target_us_cm=1_600), BEFORE),
               "ph": Reported(Reason("ph_in_band", milli_ph=5_900, target_milli_ph=5_900),
                              BEFORE)})


def with_readings(**changed):
    names = {"ph": PH, "ec": EC, "level": LEVEL, "air": "air.temp_c"}
    return lambda inputs: replace(
        inputs, readings=inputs.readings | {names[key]: one for key, one in changed.items()})


def without(channel):
    return lambda inputs: replace(inputs, readings={
        key: one for key, one in inputs.readings.items() if key != channel})


def with_settings(**changed):
    return lambda inputs: replace(inputs, settings=inputs.settings | {
        key.replace("__", "."): value for key, value in changed.items()})


def changed(**values):
    return lambda inputs: replace(inputs, **values)


def decided(reason, loop="ph"):
    return lambda inputs: replace(
        inputs, decisions=inputs.decisions | {loop: Reported(reason, BEFORE)})


def blocked(code):
    return decided(Reason("ph_low_blocked", why=made_up(code, GATE | LATCHED)))


def check_is_no_lie(state):
    """Doses are forbidden: no face may say that the node is well or doses automatically."""
    dosing = dosing_json(state, None, NOW)
    assert state.level != "ok"
    assert state.dosing_cause is not None
    assert dosing["state"] != "on"
    assert dosing["level"] != "ok"
    assert "Automatic dosing on" not in (dosing["text"], dosing["label"])
    assert "dosing_automatically" not in [one.reason.code for one in state.causes]
    assert "all_well" not in [one.reason.code for one in state.causes]


def check_is_complete(state):
    """Level, remedy, mender and words are known in each language."""
    assert state.level in LEVELS
    assert [LEVELS.index(one.level) for one in state.causes] == sorted(
        (LEVELS.index(one.level) for one in state.causes), reverse=True)
    for one in state.causes:
        assert one.mender in MENDERS
        assert one.remedy
    for language in LANGUAGES:
        with use_locale(Locale(language)):
            shown = state_json(state, NOW, "idro-a")
            assert shown["text"] == state_text(state, NOW)
            assert shown["text"]
            assert shown["others"] == [] or shown["others"][0]["text"]
