"""The truth table of a node's state: never well, and never dosing, while a dose is forbidden."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idro.protocol.faults import FAULTS
from idro.protocol.reasons import DOSING, GATE, LATCHED
from idro.safety.interlocks import NEEDS as FIRMWARE_NEEDS
from idroserra.core.reasons import REASONS, Reason
from idroserra.node_state.calibration_age import DAY_MS, day_of
from idroserra.node_state.inputs import (
    EC,
    LEVEL,
    NEEDS,
    PH,
    OpenCorrection,
    RaisedAlarm,
    Reading,
    Reported,
)
from idroserra.node_state.state import RHYTHM, state_of
from idroserra.nodes.dosing_state import dosing_json
from idroserra.nodes.state_text import state_json
from support.node_inputs import (
    BEFORE,
    NOW,
    WELL,
    blocked,
    changed,
    check_is_complete,
    check_is_no_lie,
    decided,
    made_up,
    reading,
    with_readings,
    with_settings,
    without,
)

# What forbids doses: (change of a node that is well, code, level).
FORBIDS = {
    "offline": (changed(is_online=False), "no_contact", "bad"),
    "no reading arrives": (lambda inputs: replace(inputs, now_unix_ms=NOW + 600_000),
                           "no_new_reading", "bad"),
    "not adopted, so no newer reading arrives": (
        lambda inputs: replace(inputs, is_adopted=False, now_unix_ms=NOW + 600_000),
        "not_adopted", "bad"),
    "no message yet": (changed(is_online=False, last_heard_unix_ms=None, readings={}),
                       "no_message", "note"),
    "first reading": (changed(readings={}), "first_reading", "note"),
    "stopped": (changed(hold=Reported(Reason("dosing_stopped", by="ann"), BEFORE)),
                "dosing_stopped", "warn"),
    "latched": (changed(hold=Reported(Reason("latch_no_effect"), BEFORE)), "dosing_locked", "bad"),
    "latched, as versions before codes stored it": (
        changed(hold=Reported(Reason("sentence", detail="doses had no effect"), BEFORE)),
        "dosing_locked", "bad"),
    "past unknown": (changed(is_past_read=False), "dosing_unknown", "note"),
    "settings unknown": (changed(settings={}), "dosing_unknown", "note"),
    "outputs unknown": (changed(dosers=None), "dosing_unknown", "note"),
    "dosing off": (with_settings(dosing__enabled=False), "dosing_off", "note"),
    "advice only": (changed(granted_pct=0), "advice_only", "note"),
    "advice": (lambda inputs: decided(made_up("advice", DOSING))(replace(inputs, granted_pct=0)),
               "advice", "warn"),
    "pH fault": (with_readings(ph=reading(fault="noisy")), "channel_fault", "bad"),
    "EC in air": (with_readings(ec=reading(fault="in_air")), "channel_fault", "bad"),
    "level fault": (with_readings(level=reading(fault="no_ack")), "channel_fault", "bad"),
    "level stale": (with_readings(level=reading(200, ago_ms=90_000)), "channel_stale", "bad"),
    "level unknown": (without(LEVEL), "no_reading", "bad"),
    "water low": (with_readings(level=reading(90, low=120, high=240)), "water_low", "bad"),
    "arming": (changed(armed_unix_ms=None), "not_armed", "note"),
    "armed before the boot": (changed(armed_unix_ms=NOW - 2 * DAY_MS), "not_armed", "note"),
    "trial": (changed(trial_unix_ms=BEFORE), "trial", "note"),
    "ledger failed": (
        changed(ledger_failed=Reported(Reason("ledger_failed", detail="EIO"), BEFORE)),
        "ledger_failed", "bad"),
    "correction opened": (changed(correction=OpenCorrection("opened", "ph_down", 0, None, BEFORE)),
                          "correction_open", "note"),
    "correction held": (changed(correction=OpenCorrection(
        "held", "ph_down", 0, Reason("mixing", left_ms=600_000), BEFORE)),
        "correction_waits", "note"),
    "correction ready": (changed(correction=OpenCorrection(
        "ready", "ph_down", 30_000, Reason("press_button"), BEFORE)), "correction_ready", "warn"),
    "calibration": (decided(Reason("calibration", left_ms=600_000)), "calibration", "note"),
    "calibration too old": (with_settings(ph__calibrated_day=day_of(NOW) - 61),
                            "ph_calibration_old", "bad"),
    "water rises": (changed(conditions=(Reported(Reason("water_rises", moved_mm=9), BEFORE),)),
                    "water_rises", "bad"),
    "water falls": (changed(conditions=(Reported(Reason("water_falls", mm_per_h=9), BEFORE),)),
                    "water_falls", "bad"),
    "irrigation stuck on": (
        changed(conditions=(Reported(Reason("flow_with_pump_off", flow_ml_per_min=9), BEFORE),)),
        "flow_with_pump_off", "bad"),
    "unknown decision": (decided(Reason("of_a_newer_node", volume_ul=3)), "of_a_newer_node",
                         "warn"),
    "decision of before codes": (decided(Reason("sentence", detail="held: x")), "sentence",
                                 "note"),
}
# What leaves doses as they are.
ALLOWS = {
    "not adopted": (changed(is_adopted=False), "not_adopted", "warn"),
    "air fault": (with_readings(air=reading(fault="crc")), "channel_fault", "bad"),
    "air stale": (with_readings(air=reading(20.0, ago_ms=90_000)), "channel_stale", "warn"),
    "pH a little off": (with_readings(ph=reading(6.15, low=5.7, high=6.1)), "reading_above",
                        "note"),
    "EC far off": (with_readings(ec=reading(900, low=1_500, high=1_700)), "reading_below", "warn"),
    "settings waiting": (changed(wanted_rev=4, reported_rev=3), "settings_waiting", "note"),
    "backup restored": (changed(restored_count=2), "backup_differs", "warn"),
    "settings refused": (changed(settings_error=Reason("setting_unknown", setting="x")),
                         "last_settings_refused", "warn"),
    "calibration due": (with_settings(ph__calibrated_day=day_of(NOW) - 31), "calibration_due",
                        "warn"),
    "recipe paused": (changed(recipe_paused=Reported(Reason("host_silent"), BEFORE)),
                      "recipe_paused", "warn"),
    "alarm": (changed(alarms=(RaisedAlarm("bottle_low", "Bottle is low", "medium", BEFORE),)),
              "alarm_raised", "warn"),
    "no flow": (changed(conditions=(Reported(Reason("pump_without_flow", on_ms=9), BEFORE),)),
                "pump_without_flow", "bad"),
    "filling failed": (decided(Reason("fill_timeout", left_ms=9_000), "top_off"), "fill_timeout",
                       "bad"),
}


def test_a_node_without_trouble_doses_automatically():
    state = state_of(WELL)
    assert (state.level, state.cause.code, state.others) == ("ok", "dosing_automatically", ())
    assert dosing_json(state, None, NOW)["state"] == "on"
    assert state.mender == "node"


def test_a_node_without_dosing_pumps_is_well_and_says_nothing_of_dosing():
    state = state_of(replace(WELL, dosers=(), settings={}, armed_unix_ms=None, decisions={}))
    assert (state.level, state.cause.code) == ("ok", "all_well")
    assert state.dosing_cause is None


@pytest.mark.parametrize("ago_ms", [None, 90_000])
def test_a_missing_measure_of_the_board_itself_is_no_trouble_of_the_greenhouse(ago_ms):
    """Records taken without Wi-Fi have no signal strength. Lost contact has a cause of its own."""
    rssi = Reading(None, None, None) if ago_ms is None else reading(-60, ago_ms=ago_ms)
    state = state_of(replace(WELL, readings=WELL.readings | {"node.rssi_dbm": rssi}))
    assert (state.level, state.cause.code, state.others) == ("ok", "dosing_automatically", ())


@pytest.mark.parametrize("name", FORBIDS)
def test_what_forbids_doses_is_the_cause_and_nothing_says_that_it_doses(name):
    change, code, level = FORBIDS[name]
    state = state_of(change(WELL))
    assert (state.cause.code, state.level) == (code, level)
    check_is_no_lie(state)
    check_is_complete(state)


@pytest.mark.parametrize("name", ALLOWS)
def test_other_troubles_are_shown_and_leave_dosing_on(name):
    change, code, level = ALLOWS[name]
    state = state_of(change(WELL))
    assert (state.cause.code, state.level) == (code, level)
    assert state.dosing_cause is None
    assert dosing_json(state, None, NOW)["state"] == "on"
    check_is_complete(state)


# These are over as soon as the node reports so; FORBIDS holds what it reports before.
REPORTED_OTHERWISE = ("dosing_off", "advice", "advice_only")
HOLDS = [code for code, row in DOSING.items()
         if row.severity != "ok" and code not in REPORTED_OTHERWISE]


@pytest.mark.parametrize("code", HOLDS)
def test_every_hold_of_control_is_a_cause(code):
    state = state_of(decided(made_up(code, DOSING))(WELL))
    assert state.cause.code == code
    if code in RHYTHM:
        assert state.level != "ok"
        assert dosing_json(state, None, NOW)["state"] == "on"
    else:
        check_is_no_lie(state)
    check_is_complete(state)


@pytest.mark.parametrize("code", [code for code in GATE | LATCHED
                                  if code not in REPORTED_OTHERWISE])
def test_every_refusal_of_the_gate_is_the_remedy(code):
    state = state_of(blocked(code)(WELL))
    assert (state.cause.code, state.remedy) == ("ph_low_blocked", code)
    assert state.mender == REASONS[code].mender
    if code in RHYTHM:
        assert state.level != "ok"
    else:
        check_is_no_lie(state)
    check_is_complete(state)


@pytest.mark.parametrize("code", LATCHED)
def test_every_latch_locks_dosing(code):
    state = state_of(replace(WELL, hold=Reported(Reason(code), BEFORE)))
    assert state.remedy == code
    check_is_no_lie(state)
    shown = dosing_json(state, None, NOW)["state"]
    assert shown == ("stopped" if code == "stopped" else "latched")


@pytest.mark.parametrize("channel", [PH, EC, LEVEL])
@pytest.mark.parametrize("fault", FAULTS)
def test_every_fault_of_a_needed_channel_forbids_doses(fault, channel):
    readings = WELL.readings | {channel: reading(fault=fault)}
    state = state_of(replace(WELL, readings=readings))
    assert state.cause == Reason("channel_fault", channel=channel, fault=fault)
    check_is_no_lie(state)
    check_is_complete(state)


@given(st.lists(st.sampled_from(sorted(FORBIDS)), min_size=1, max_size=6, unique=True),
       st.lists(st.sampled_from(sorted(ALLOWS)), max_size=4, unique=True))
def test_no_combination_of_troubles_is_well_or_doses(forbidding, others):
    inputs, levels = WELL, []
    for name in (*others, *forbidding):
        change, _, level = (FORBIDS | ALLOWS)[name]
        inputs = change(inputs)
        levels.append(level)
    state = state_of(inputs)
    check_is_no_lie(state)
    check_is_complete(state)


@given(st.sampled_from(sorted(HOLDS)), st.sampled_from(sorted(GATE | LATCHED)),
       st.sampled_from(sorted(ALLOWS)))
def test_what_a_loop_waits_for_is_not_hidden_by_the_other_loop(hold, refusal, other):
    inputs = decided(made_up(hold, DOSING), "ec")(blocked(refusal)(ALLOWS[other][0](WELL)))
    state = state_of(inputs)
    assert state.level != "ok"
    if hold not in RHYTHM:
        check_is_no_lie(state)


def test_what_has_ended_since_is_no_cause():
    for code, ended in (("latch_no_effect", {"latch": NOW}), ("trial", {"trial": NOW}),
                        ("correction_first", {"correction": NOW})):
        inputs = decided(Reason("ph_low_blocked", why=Reason(code)))(WELL)
        assert state_of(inputs).level != "ok"
        assert state_of(replace(inputs, ended_unix_ms=ended)).level == "ok"
    arming = decided(made_up("arming", GATE))(WELL)
    assert state_of(arming).cause.code == "arming"
    assert state_of(replace(arming, armed_unix_ms=NOW)).level == "ok"
    off = decided(Reason("dosing_off"))(WELL)
    assert state_of(off).level == "ok"  # it is on again, and the node decides in a moment


def test_one_trouble_is_one_cause():
    faulty = with_readings(ph=reading(fault="flat"))(decided(Reason("no_ph", fault="flat"))(WELL))
    assert [one.reason.code for one in state_of(faulty).causes] == ["channel_fault"]
    low = with_readings(level=reading(90, low=120, high=240))(
        decided(Reason("water_low", level_mm=90, low_mm=120))(WELL))
    assert [one.reason.code for one in state_of(low).causes] == ["water_low"]


def test_channels_that_dosers_need_are_those_of_the_firmware():
    assert NEEDS == FIRMWARE_NEEDS


def test_a_node_without_dosing_pumps_never_says_that_it_doses():
    climate = replace(WELL, dosers=(), settings={"dosing.enabled": False}, decisions={})
    found = dosing_json(state_of(climate), None, NOW)
    assert (found["state"], found["label"]) == ("off", "Monitoring only")
    assert found["text"] == "This node has no dosing pumps"
    stopped = dosing_json(
        state_of(replace(climate, hold=Reported(Reason("stopped"), BEFORE))), None, NOW)
    assert stopped["state"] == "stopped"  # a person may resume it


def test_a_reading_does_not_move_the_beginning_of_a_cause():
    low = with_readings(level=reading(90, low=120, high=240), ec=reading(fault="noisy"))(WELL)
    assert [one.since_unix_ms for one in state_of(low).causes] == [None, None]
    decided_low = decided(Reason("water_low", level_mm=90, low_mm=120))(low)
    causes = {one.reason.code: one for one in state_of(decided_low).causes}
    assert causes["water_low"].since_unix_ms == BEFORE
    assert causes["channel_fault"].since_unix_ms is None


def test_what_the_host_knows_is_shown_without_contact_too():
    lost = replace(WELL, is_online=False, recipe_paused=Reported(Reason("host_silent"), BEFORE))
    assert [one.reason.code for one in state_of(lost).causes][:2] == [
        "no_contact", "recipe_paused"]


@pytest.mark.parametrize("code", REASONS)
@pytest.mark.parametrize("loop", ["ph", "fan"])
def test_a_decision_with_any_code_and_no_value_is_shown(code, loop):
    check_is_complete(state_of(decided(Reason(code), loop)(WELL)))


def test_the_help_of_a_cause_is_an_anchor_that_exists():
    known = state_of(decided(Reason("beds_wet"))(WELL))
    assert state_json(known, NOW, "idro-a")["help"] == "/help/reasons#beds_wet"
    unknown = state_of(decided(Reason("of_a_newer_node"))(WELL))
    assert state_json(unknown, NOW, "idro-a")["help"] == ""
