"""Alarm rules: conditions, delays, causes, and what survives a restart."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idroserra.alarms.engine import AlarmRefused, UnknownAlarm
from idroserra.alarms.rules import load_rules
from idroserra.alarms.snapshot_builder import groups_of
from idroserra.alarms.summary import headline
from idroserra.core.errors import ConfigError
from idroserra.core.reasons import Reason, sentence
from support.alarm_rig import MINUTE_MS, T0, AlarmRig

PH = "reservoir.ph"
# As events carry them.
NO_EFFECT = Reason("latch_no_effect").as_json()
WARMED = Reason("air_warmed", rise_deci_c=30, deci_c=210).as_json()
TOO_HOT = Reason("air_too_hot", deci_c=350, limit_deci_c=350).as_json()
COOLED = Reason("air_cooled", deci_c=149).as_json()


@pytest.fixture
def rig(tmp_path):
    rig = AlarmRig(tmp_path)
    yield rig
    rig.close()


def test_a_healthy_greenhouse_has_no_alarm(rig):
    assert rig.step(10 * MINUTE_MS, 10_000) == []
    assert rig.states() == {}


def test_ph_above_the_band_is_an_alarm_after_its_delay_and_clears_below_its_deadband(rig):
    rig.nodes["idro-0"]["values"][PH] = 6.35
    rig.step(29 * MINUTE_MS, 10_000)
    assert rig.states() == {}
    rig.step(2 * MINUTE_MS, 10_000)
    assert rig.states() == {f"ph_high/idro-0/{PH}": "unacknowledged"}
    [one] = rig.alarms.all()
    assert one.reason == Reason("reading_above", channel=PH, scaled=6_350, limit_scaled=6_300)
    assert headline(one) == "idro-0: pH is too high: pH is 6.35, above 6.30"
    rig.nodes["idro-0"]["values"][PH] = 6.25  # below the limit, not yet by the deadband
    rig.step(20 * MINUTE_MS, 10_000)
    assert rig.states() == {f"ph_high/idro-0/{PH}": "unacknowledged"}
    rig.nodes["idro-0"]["values"][PH] = 6.15
    rig.step(6 * MINUTE_MS, 10_000)
    assert rig.states() == {f"ph_high/idro-0/{PH}": "returned"}


def test_a_ph_alarm_does_not_clear_without_a_reading(rig):
    rig.nodes["idro-0"]["values"][PH] = 6.8
    rig.step(31 * MINUTE_MS, 10_000)
    rig.fail("idro-0", reservoir__ph="in_air")
    rig.step(30 * MINUTE_MS, 10_000)
    assert rig.states() == {f"ph_high/idro-0/{PH}": "unacknowledged",
                            f"probe_fault/idro-0/{PH}": "unacknowledged"}


def test_a_dead_converter_explains_its_inputs_and_not_the_others(rig):
    rig.fail("idro-0", reservoir__ph="no_ack", reservoir__ec_us_cm="no_ack",
             reservoir__level_mm="no_ack", air__temp_c="crc")
    rig.step(3 * MINUTE_MS)
    assert rig.active() == [
        ("bus_dead/idro-0/Converter main",
         [f"probe_fault/idro-0/{c}" for c in sorted(
             ("reservoir.ec_us_cm", "reservoir.level_mm", PH))]),
        ("sensor_fault/idro-0/air.temp_c", [])]


def test_one_input_that_answers_clears_the_converter(rig):
    rig.fail("idro-0", reservoir__ph="no_ack", reservoir__ec_us_cm="no_ack")
    rig.step(3 * MINUTE_MS)
    assert set(rig.states()) == {f"probe_fault/idro-0/{PH}",
                                 "probe_fault/idro-0/reservoir.ec_us_cm"}


def test_a_dead_thermometer_explains_the_probes_that_need_it(rig):
    rig.fail("idro-0", reservoir__temp_c="no_ack", reservoir__ph="no_temperature",
             reservoir__ec_us_cm="no_temperature", reservoir__level_mm="noisy")
    rig.step(3 * MINUTE_MS)
    assert rig.active() == [
        ("probe_fault/idro-0/reservoir.level_mm", []),
        ("sensor_fault/idro-0/reservoir.temp_c",
         ["probe_fault/idro-0/reservoir.ec_us_cm", f"probe_fault/idro-0/{PH}"])]


def test_alarms_do_not_clear_while_the_store_is_unreadable(rig):
    rig.add_event("idro-0", "latched", reason=NO_EFFECT)
    rig.step()
    rig.more["idro-0"] = {"is_past_read": False}
    rig.restart()
    rig.step(MINUTE_MS)
    assert rig.states() == {"dosing_latched/idro-0": "unacknowledged"}
    rig.more["idro-0"] = {}
    rig.step()
    assert rig.states() == {"dosing_latched/idro-0": "returned"}


def test_the_boards_say_what_hangs_together():
    converter, bus = sorted(groups_of("esp32-reservoir"), key=lambda group: len(group.channels))
    assert converter.channels == {"reservoir.ph", "reservoir.ec_us_cm", "reservoir.level_mm"}
    assert bus.channels == converter.channels | {"air.temp_c", "air.rh_pct"}
    assert groups_of("no-such-board") == ()


def test_a_node_that_reports_no_psram_raises_an_alarm_until_it_no_longer_reports_that(rig):
    rig.more["idro-0"] = {"system_problems": {"psram": Reason("psram_missing"), "cpu": None}}
    rig.step()
    assert rig.states() == {"psram_missing/idro-0": "unacknowledged"}
    rig.more["idro-0"] = {"system_problems": None}  # as after a start of the host
    rig.step(MINUTE_MS)
    assert rig.states() == {"psram_missing/idro-0": "unacknowledged"}
    rig.more["idro-0"] = {"system_problems": {"psram": None}}
    rig.step()
    assert rig.states() == {"psram_missing/idro-0": "returned"}


def test_firmware_that_does_not_report_a_part_of_the_system_ends_its_alarm(rig):
    rig.more["idro-0"] = {"system_problems": {"psram": Reason("psram_missing")}}
    rig.step()
    rig.more["idro-0"] = {"system_problems": {}}
    rig.step(MINUTE_MS)
    assert rig.states() == {"psram_missing/idro-0": "returned"}


def test_a_silent_node_explains_its_old_readings(rig):
    rig.silence("idro-0")
    rig.step(10 * MINUTE_MS)
    [(cause, explained)] = rig.active()
    assert cause == "node_silent/idro-0"
    assert explained == [f"reading_stale/idro-0/{c}" for c in sorted(
        rig.nodes["idro-0"]["values"])]
    assert [c.state for c in rig.step() if c.state == "unacknowledged"] == []
    rig.silent_since.clear()
    rig.step(2 * MINUTE_MS)
    assert rig.states() == {"node_silent/idro-0": "returned"}


def test_without_the_broker_silence_is_its_consequence_from_the_first_second(tmp_path):
    rig = AlarmRig(tmp_path, count=10)
    rig.host = {"broker": "connecting: no route"}
    rig.silence(*rig.nodes)
    active = [c.key for c in rig.step(30 * MINUTE_MS, 5_000) if c.state == "unacknowledged"]
    assert active == ["broker_down"]
    [(cause, explained)] = rig.active()
    assert cause == "broker_down"
    assert len(explained) == 1 + 10 + 60  # the site, its nodes, their readings
    rig.host, rig.since_unix_ms = {}, rig.now_unix_ms
    rig.silent_since.clear()
    active = [c.key for c in rig.step(5 * MINUTE_MS) if c.state == "unacknowledged"]
    assert active == []
    assert rig.states() == {"broker_down": "returned"}
    rig.close()


def test_a_consequence_that_outlives_its_cause_is_notified(tmp_path):
    rig = AlarmRig(tmp_path, count=3)
    rig.host = {"broker": "connecting: no route"}
    rig.silence(*rig.nodes)
    rig.step(10 * MINUTE_MS, 5_000)
    rig.host, rig.since_unix_ms = {}, rig.now_unix_ms
    del rig.silent_since["idro-0"], rig.silent_since["idro-1"]
    active = [c.key for c in rig.step(10 * MINUTE_MS, 5_000) if c.state == "unacknowledged"]
    assert active == ["node_silent/idro-2"]
    rig.close()


def test_a_site_without_power_is_one_alarm(tmp_path):
    rig = AlarmRig(tmp_path, count=5)
    rig.silence(*list(rig.nodes)[:4])
    active = [c.key for c in rig.step(10 * MINUTE_MS, 5_000) if c.state == "unacknowledged"]
    assert active == ["site_silent/@farm"]
    rig.close()


@pytest.mark.parametrize("off", [
    {"enabled": False}, {"nodes": {f"idro-{n}": {"enabled": False} for n in range(5)}},
])
def test_a_site_without_power_is_an_alarm_also_if_that_of_its_nodes_is_off(tmp_path, off):
    rig = AlarmRig(tmp_path, count=5, rules={"node_silent": off})
    rig.silence(*list(rig.nodes)[:4])
    rig.step(10 * MINUTE_MS, 5_000)
    assert rig.states()["site_silent/@farm"] == "unacknowledged"
    assert not any(key.startswith("node_silent") for key in rig.states())
    rig.close()


def test_a_latch_stands_until_somebody_resumes(rig):
    rig.add_event("idro-0", "latched", reason=NO_EFFECT)
    rig.step()
    assert rig.states() == {"dosing_latched/idro-0": "unacknowledged"}
    rig.now_unix_ms += 1_000
    rig.add_event("idro-0", "resumed", by="anna")
    rig.step()
    assert rig.states() == {"dosing_latched/idro-0": "returned"}


def test_a_stuck_heater_explains_air_that_is_too_hot_and_each_ends_by_itself(rig):
    rig.add_event("idro-0", "air_warms", state="began", reason=WARMED)
    rig.add_event("idro-0", "air_too_hot", state="began", reason=TOO_HOT)
    rig.step()
    assert rig.active() == [("heater_stuck/idro-0", ["air_too_hot/idro-0"])]
    rig.now_unix_ms += 1_000
    rig.add_event("idro-0", "air_warms", state="ended", reason=COOLED)
    rig.step()
    assert rig.states()["heater_stuck/idro-0"] == "returned"


def test_a_leak_explains_the_falling_level(rig):
    rig.add_event("idro-0", "water", state="falls", moved_mm=12)
    rig.nodes["idro-0"]["values"]["reservoir.level_mm"] = 90
    rig.step(5 * MINUTE_MS)
    assert rig.active() == [("leak/idro-0", ["level_low/idro-0/reservoir.level_mm"])]


@pytest.mark.parametrize(("kind", "key"), [
    ("irrigation_no_flow", "roots_dry/idro-0"), ("irrigation_stuck_on", "irrigation_stuck/idro-0"),
])
def test_an_irrigation_failure_is_active_until_it_ends_or_the_node_restarts(rig, kind, key):
    rig.add_event("idro-0", kind, state="began", on_ms=20_000)
    rig.step()
    assert rig.states() == {key: "unacknowledged"}
    rig.now_unix_ms += 1_000
    rig.add_event("idro-0", kind, state="ended", on_ms=30_000)
    rig.step()
    assert rig.states() == {key: "returned"}
    rig.add_event("idro-0", kind, state="began", on_ms=20_000)
    rig.step()
    assert rig.states() == {key: "unacknowledged"}
    rig.add_event("idro-0", "boot")
    rig.step()
    assert rig.states() == {key: "returned"}


def test_water_on_the_floor_is_an_alarm_and_a_float_in_the_tank_is_none(rig):
    rig.nodes["idro-0"]["values"] |= {"leak.float_up": 0, "reservoir.float_up": 1}
    rig.step()
    assert rig.states() == {}
    rig.nodes["idro-0"]["values"]["leak.float_up"] = 1
    rig.step()
    assert rig.states() == {"floor_wet/idro-0/leak.float_up": "unacknowledged"}


@pytest.mark.parametrize(("host", "key"), [
    ({"store": "no answer"}, "store_down"), ({"spool": "disk full"}, "spool_down"),
    ({"standby": "no route"}, "standby_down"), ({"disk_free_mb": 120.0}, "disk_low"),
    ({"failures": {"ingest": (T0, "KeyError")}}, "host_failed/ingest"),
    ({"rejected": {"": ((T0, 3), (T0 + 60_000, 9))}}, "records_rejected"),
    ({"rejected": {"idro-0": ((T0, 3), (T0 + 60_000, 9)), "": ((T0, 5),)}},
     "records_rejected/idro-0"),
    ({"undelivered": {"phone": sentence("refused")}}, "not_delivered/phone"),
    ({"taken_over": (T0, 2_000)}, "host_taken_over"),
])
def test_the_hosts_own_troubles(rig, host, key):
    rig.host = host
    rig.step(2 * MINUTE_MS)
    assert rig.states() == {key: "unacknowledged"}


def test_a_feed_is_an_alarm_of_its_own_after_five_minutes_and_ends_by_itself(rig):
    rig.host = {"feeds": {"cloud": "HTTP 401", "victoria": "ok"}}
    rig.step(4 * MINUTE_MS)
    assert rig.states() == {}
    rig.step(2 * MINUTE_MS)
    assert rig.states() == {"feed_down/cloud": "unacknowledged"}
    [one] = [one for one in rig.alarms.all() if one.state != "normal"]
    assert one.reason == Reason("feed_down", target="cloud", detail="HTTP 401")
    rig.host = {"feeds": {"cloud": "ok", "victoria": "ok"}}
    rig.step(MINUTE_MS)
    assert rig.states() == {"feed_down/cloud": "returned"}

def test_the_store_explains_why_a_feed_takes_nothing(rig):
    rig.host = {"store": "no answer", "feeds": {"cloud": "the store cannot be read"}}
    rig.step(6 * MINUTE_MS)
    assert rig.active() == [("store_down", ["feed_down/cloud"])]

@pytest.mark.parametrize(("more", "key"), [
    ({"boots_unix_ms": (T0, T0 + 1, T0 + 2)}, "reset_loop/idro-0"),
    ({"clock_off_ms": -3_600_000}, "node_clock_off/idro-0"),
    ({"settings_error": Reason("setting_range", setting="ph.target", range="4.5..7.5")},
     "settings_refused/idro-0"),
    ({"recipe_held": Reason("level_order", setting="level.target_mm")}, "recipe_held/idro-0"),
    ({"left_pct": {"ph_down": 12.0}}, "bottle_low/idro-0/ph_down"),
    ({"left_pct": {"ph_down": 0.0}}, "bottle_empty/idro-0/ph_down"),
])
def test_the_nodes_own_troubles(rig, more, key):
    rig.more["idro-0"] = more
    rig.step(6 * MINUTE_MS)
    assert key in rig.states()
    assert [cause for cause, _ in rig.active()] == [key]


def test_messages_rejected_before_the_window_are_no_trouble_now(rig):
    rig.host = {"rejected": {"idro-0": ((T0, 3), (T0 + 1_000, 9), (T0 + 2_000, 11))}}
    rig.step(9 * MINUTE_MS)
    assert rig.states() == {"records_rejected/idro-0": "unacknowledged"}
    rig.step(12 * MINUTE_MS)
    rig.step(12 * MINUTE_MS)
    assert rig.states() == {}


def test_a_host_before_its_time_has_a_wrong_clock(rig):
    rig.now_unix_ms = 86_400_000
    rig.step()
    assert rig.states() == {"host_clock_wrong": "unacknowledged"}


def test_a_restart_keeps_what_stood_who_saw_it_and_what_was_put_aside(rig):
    rig.fail("idro-0", air__rh_pct="crc")
    rig.add_event("idro-0", "latched", reason=NO_EFFECT)
    rig.nodes["idro-0"]["values"]["reservoir.temp_c"] = 31.0
    rig.step(20 * MINUTE_MS, 5_000)
    fault, latch, hot = ("sensor_fault/idro-0/air.rh_pct", "dosing_latched/idro-0",
                         "water_hot/idro-0/reservoir.temp_c")
    rig.alarms.acknowledge([fault], "anna", "cable ordered", rig.now_unix_ms)
    rig.alarms.shelve(latch, 3_600_000, "anna", "", rig.now_unix_ms)
    rig.alarms.take_out_of_service(hot, "bo", "sensor is in the sun", rig.now_unix_ms)
    before = rig.states()
    assert before == {fault: "acknowledged", latch: "shelved", hot: "out_of_service"}
    rig.restart()
    assert rig.states() == before
    assert [c.key for c in rig.step(2 * MINUTE_MS) if c.state == "unacknowledged"] == []
    assert rig.states() == before
    assert [(c.by, c.comment) for c in rig.alarms.history(0, 2 * T0, 9) if c.by] == [
        ("anna", "cable ordered"), ("anna", ""), ("bo", "sensor is in the sun")]
    rig.step(60 * MINUTE_MS, 10_000)
    assert rig.states()[latch] == "unacknowledged"
    rig.alarms.return_to_service(hot, "bo", "", rig.now_unix_ms)
    assert rig.states()[hot] == "unacknowledged"


def test_what_makes_no_sense_is_refused(rig):
    with pytest.raises(UnknownAlarm):
        rig.alarms.acknowledge(["ph_high/idro-0"], "anna", "", T0)
    rig.add_event("idro-0", "latched", reason=None)
    rig.step()
    for ask in (rig.alarms.unshelve, rig.alarms.return_to_service):
        with pytest.raises(AlarmRefused):
            ask("dosing_latched/idro-0", "anna", "", T0)
    for for_ms in (0, -1, 8 * 86_400_000):
        with pytest.raises(AlarmRefused):
            rig.alarms.shelve("dosing_latched/idro-0", for_ms, "anna", "", T0)


def test_a_node_that_is_gone_takes_its_alarms_with_it(rig):
    rig.fail("idro-0", air__rh_pct="crc")
    rig.step(3 * MINUTE_MS)
    del rig.nodes["idro-0"]
    rig.step(3 * MINUTE_MS)
    assert rig.states() == {"sensor_fault/idro-0/air.rh_pct": "returned"}


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(
    st.sampled_from(["fail", "heal", "silence", "back", "broker", "broker_back", "ack"]),
    st.integers(1, 300)), max_size=25))
def test_no_consequence_is_notified_while_its_cause_is_active(tmp_path_factory, happenings):
    rig = AlarmRig(tmp_path_factory.mktemp("rig"), count=2)
    for what, seconds in happenings:
        {
            "fail": lambda: rig.fail("idro-0", reservoir__ph="no_ack",
                                     reservoir__ec_us_cm="no_ack", reservoir__level_mm="no_ack"),
            "heal": lambda: rig.heal("idro-0"),
            "silence": lambda: rig.silence("idro-1"),
            "back": rig.silent_since.clear,
            "broker": lambda: rig.host.update(broker="gone"),
            "broker_back": rig.host.clear,
            "ack": lambda: rig.alarms.acknowledge(
                list(rig.states()), "anna", "", rig.now_unix_ms),
        }[what]()
        rig.step(seconds * 1_000, 10_000)
        active = [one for one in rig.alarms.all() if one.is_annunciated]
        standing = {one.key for one in rig.alarms.all() if one.alarm.is_active}
        for one in active:
            names = {f"{name}{where}" for name in one.rule.caused_by
                     for where in ("", f"/{one.node}", f"/@{one.site}")}
            assert not names & standing
    rig.close()


def test_rules_are_changed_key_by_key():
    rules = load_rules({"ph_high": {"limit": 0.5}, "air_cold": {"enabled": False}})
    assert rules["ph_high"].limit == 0.5
    assert rules["ph_high"].priority == "high"
    assert "air_cold" not in rules


@pytest.mark.parametrize(("changes", "where"), [
    ({"ph_high": {"limits": 1}}, "alarms.rules.ph_high.limits"),
    ({"ph_high": {"priority": "huge"}}, "alarms.rules.ph_high.priority"),
    ({"ph_high": {"caused_by": ["absent"]}}, "alarms.rules.ph_high.caused_by"),
    ({"broker_down": {"caused_by": ["node_silent"]}}, "caused_by"),
    ({"mine": {"title": "Mine", "watch": "above"}}, "alarms.rules.mine"),
])
def test_a_rule_that_means_nothing_is_refused_by_name(changes, where):
    with pytest.raises(ConfigError) as refused:
        load_rules(changes)
    assert refused.value.key.startswith(where)
