"""Notifications by real apprise to a loopback server: few, cause first, no secrets."""

import logging
import sqlite3

import pytest

from idroserra.alarms.notify.dispatcher import MOST_TESTS, TooManyTests
from idroserra.alarms.notify.outbox import Delivery, Outbox
from idroserra.core.config import AlarmsConfig, load_config
from idroserra.core.errors import ConfigError
from idroserra.core.reasons import Reason
from idroserra.core.validation import ValidationError, validate
from support.alarm_rig import MINUTE_MS, T0, AlarmRig
from support.notice_receiver import NoticeReceiver

HOUR_MS = 60 * MINUTE_MS
HOT = "reservoir.temp_c"
NO_EFFECT = Reason("latch_no_effect").as_json()  # as events carry it


@pytest.fixture
def rig_of(tmp_path, receiver):
    """rig_of(count, targets=..., **config): a rig that tells the receiver."""
    rigs = []

    def build(count=1, targets=None, **config):
        named = targets or [{"name": "phone", "url": receiver.url()}]
        rigs.append(AlarmRig(tmp_path, count=count, config={"targets": named, **config}))
        return rigs[-1]

    yield build
    for rig in rigs:
        rig.close()


def titles(receiver):
    return [message["title"] for message in receiver.messages]


def test_fifty_faults_with_one_cause_are_one_notice_that_names_it(rig_of, receiver):
    rig = rig_of(count=10)
    rig.host = {"broker": "connecting: no route"}
    rig.silence(*rig.nodes)
    for name in rig.nodes:
        rig.fail(name, air__temp_c="no_ack", air__rh_pct="no_ack")
    rig.step(14 * MINUTE_MS, 5_000)
    assert len([one for one in rig.alarms.all() if one.alarm.is_active]) >= 50
    assert titles(receiver) == ["farm: The broker does not answer"]
    [message] = receiver.messages
    assert message["type"] == "failure"
    assert message["message"].startswith(
        "URGENT The broker does not answer: connecting: no route\n")
    assert "Action: Restart the broker" in message["message"]
    [(cause, explained)] = rig.active()
    assert (cause, len(explained)) == ("broker_down", 1 + 10 + 60)


def test_fifty_faults_without_a_common_cause_are_at_most_three_notices(rig_of, receiver):
    rig = rig_of(count=17)
    for name in rig.nodes:  # three each, of different delays; 51 at once
        rig.nodes[name]["values"][HOT] = 31.0
        rig.fail(name, air__rh_pct="crc", reservoir__ph="noisy")
    rig.add_event("idro-3", "water", state="falls", moved_mm=20)
    rig.step(29 * MINUTE_MS, 5_000)
    active = [one for one in rig.alarms.all() if one.state == "unacknowledged"]
    assert len(active) == 52
    assert len(receiver.messages) <= 3
    assert titles(receiver)[0] == "farm: idro-3: Water leaves faster than plants drink"
    for message in receiver.messages[1:]:
        assert "alarms. First: " in message["title"] or "Still not" in message["title"]
    first_lines = receiver.messages[1]["message"].splitlines()[0]
    assert first_lines.startswith("HIGH") or first_lines.startswith("URGENT")
    assert "more, on the alarm page." in receiver.messages[1]["message"]


def test_an_unacknowledged_storm_of_half_a_day_sends_few_notices(rig_of, receiver):
    rig = rig_of(count=17)
    for name in rig.nodes:
        rig.nodes[name]["values"][HOT] = 31.0
        rig.fail(name, air__rh_pct="crc", reservoir__ph="noisy")
    rig.step(12 * HOUR_MS, 60_000)
    assert len(receiver.messages) <= 4  # at its begin, when hot water has lasted, two reminders


@pytest.mark.parametrize("is_restarted", [False, True])
def test_a_clock_that_is_set_back_delays_no_notice(rig_of, receiver, is_restarted):
    rig = rig_of(daily_at="00:01")
    receiver.status = 500
    rig.add_event("idro-0", "latched", reason=NO_EFFECT)
    rig.step(10 * MINUTE_MS, 5_000)
    rig.alarms.shelve("not_delivered/phone", 7 * 24 * HOUR_MS, "anna", "", rig.now_unix_ms)
    rig.now_unix_ms -= 30 * 24 * HOUR_MS
    if is_restarted:
        rig.restart()
    receiver.status = 200
    rig.step(MINUTE_MS, 5_000)
    assert "Dosing is locked" in str(receiver.messages)  # what waited
    assert "alarm system working" in str(receiver.messages)
    assert rig.states()["not_delivered/phone"] == "returned"  # shelved no longer
    rig.add_event("idro-0", "water", state="falls", moved_mm=20)
    rig.step(11 * MINUTE_MS, 5_000)
    assert "Water leaves faster than plants drink" in titles(receiver)[-1]


def test_a_reminder_comes_though_the_clock_was_set_back(rig_of, receiver):
    rig = rig_of()
    rig.add_event("idro-0", "latched", reason=NO_EFFECT)
    rig.step(MINUTE_MS)
    rig.now_unix_ms -= 30 * 24 * HOUR_MS
    rig.step(61 * MINUTE_MS, 5_000)
    assert titles(receiver)[1] == "farm: Still not acknowledged: idro-0: Dosing is locked"


def test_a_chattering_alarm_is_notified_once_in_half_an_hour(rig_of, receiver):
    rig = rig_of()
    for _ in range(6):
        rig.fail("idro-0", air__rh_pct="crc")
        rig.step(130_000, 5_000)
        rig.heal("idro-0")
        rig.step(70_000, 5_000)
    assert len(receiver.messages) == 1


def test_an_unacknowledged_alarm_escalates_to_more_people(rig_of, receiver):
    boss = NoticeReceiver()
    rig = rig_of(targets=[
        {"name": "phone", "url": receiver.url()},
        {"name": "boss", "url": boss.url(), "escalation_only": True}])
    rig.add_event("idro-0", "latched", reason=NO_EFFECT)
    rig.step(5 * MINUTE_MS, 5_000)
    assert (len(receiver.messages), len(boss.messages)) == (1, 0)
    rig.step(60 * MINUTE_MS, 5_000)
    assert titles(boss) == ["farm: Still not acknowledged: idro-0: Dosing is locked"]
    assert len(receiver.messages) == 2
    rig.alarms.acknowledge(["dosing_latched/idro-0"], "anna", "", rig.now_unix_ms)
    rig.step(6 * HOUR_MS, 20_000)
    assert len(receiver.messages) == 2
    boss.close()


def test_quiet_hours_let_only_the_urgent_through(rig_of, receiver):
    rig = rig_of(quiet_from="00:00", quiet_until="07:00")
    rig.add_event("idro-0", "latched", reason=NO_EFFECT)
    rig.step(2 * HOUR_MS, 20_000)
    assert receiver.messages == []
    rig.add_event("idro-0", "water", state="falls", moved_mm=20)
    rig.step(MINUTE_MS)
    assert "Water leaves" in titles(receiver)[0]
    assert "Dosing is locked" in receiver.messages[0]["message"]
    rig.alarms.acknowledge(["leak/idro-0"], "anna", "", rig.now_unix_ms)
    rig.step(6 * HOUR_MS, 20_000)
    assert len(receiver.messages) == 2  # in the morning, the reminder that had to wait


def test_what_is_low_stays_on_the_page(rig_of, receiver):
    rig = rig_of()
    rig.more["idro-0"] = {"left_pct": {"ph_down": 10.0}}
    rig.step(HOUR_MS, 20_000)
    assert rig.states() == {"bottle_low/idro-0/ph_down": "unacknowledged"}
    assert receiver.messages == []


def test_an_address_takes_only_what_it_asked_for(rig_of, receiver):
    rig = rig_of(targets=[{"name": "siren", "url": receiver.url(), "from_priority": "urgent"}])
    rig.add_event("idro-0", "latched", reason=NO_EFFECT)
    rig.step(HOUR_MS // 2, 20_000)
    assert receiver.messages == []
    rig.add_event("idro-0", "water", state="falls", moved_mm=20)
    rig.step(9 * MINUTE_MS, 5_000)
    assert len(receiver.messages) == 1


def test_a_restart_sends_no_notice_twice(rig_of, receiver):
    rig = rig_of()
    rig.add_event("idro-0", "latched", reason=NO_EFFECT)
    rig.step(MINUTE_MS)
    assert len(receiver.messages) == 1
    for _ in range(3):
        rig.restart()
        rig.step(5 * MINUTE_MS, 5_000)
    assert len(receiver.messages) == 1


def fill_disk(outbox, *, is_full):
    with outbox._locked() as connection:
        connection.execute(f"PRAGMA query_only={int(is_full)}")


def test_a_full_disk_keeps_no_notice_back_and_repeats_none(rig_of, receiver):
    rig = rig_of(daily_at="00:30")
    rig.add_event("idro-0", "latched", reason=NO_EFFECT)
    receiver.status = 500
    rig.step(MINUTE_MS)
    assert [d.state for _, [d] in rig.outbox.newest(5)] == ["waiting"]
    fill_disk(rig.outbox, is_full=True)
    receiver.status = 200
    rig.step(2 * MINUTE_MS)
    assert titles(receiver) == ["farm: idro-0: Dosing is locked"]
    rig.add_event("idro-0", "water", state="falls", moved_mm=20)
    rig.step(2 * MINUTE_MS)
    rig.alarms.acknowledge(rig.states(), "anna", "", rig.now_unix_ms)
    rig.step(HOUR_MS, 5_000)
    assert titles(receiver)[1:] == [
        "farm: idro-0: Water leaves faster than plants drink",
        "farm: alarm system working, 2 active alarms, 0 not acknowledged"]
    assert "readonly" in rig.scheduler.storage_error
    fill_disk(rig.outbox, is_full=False)
    rig.step(MINUTE_MS)
    assert rig.scheduler.storage_error == ""
    assert [(notice.kind, d.state) for notice, [d] in rig.outbox.newest(5)] == [
        ("daily", "sent"), ("alarm", "sent"), ("alarm", "sent")]
    rig.restart()
    rig.step(HOUR_MS, 5_000)
    assert len(receiver.messages) == 3


def test_failed_notices_are_retried_shown_and_then_sent_as_one(rig_of, receiver):
    rig = rig_of()
    receiver.status = 500
    rig.add_event("idro-0", "latched", reason=NO_EFFECT)
    rig.step(3 * MINUTE_MS)
    assert rig.states()["not_delivered/phone"] == "unacknowledged"
    [target] = rig.dispatcher.status()["targets"]
    assert target["error"]["code"] == "sentence"
    assert target["next_try_unix_ms"] > rig.now_unix_ms
    rig.add_event("idro-0", "water", state="falls", moved_mm=20)
    rig.step(20 * MINUTE_MS, 5_000)
    waits = [notice for notice in rig.dispatcher.status()["notices"]]
    assert {d["state"] for notice in waits for d in notice["deliveries"]} == {"waiting"}
    rig.restart()  # what waits survives
    receiver.status = 200
    rig.step(40 * MINUTE_MS, 5_000)
    first = receiver.messages[0]
    assert "earlier)" in first["title"]
    assert "Dosing is locked" in first["message"]
    assert rig.dispatcher.undelivered() == {}
    assert "not_delivered/phone" not in rig.states() or (
        rig.states()["not_delivered/phone"] == "returned")


def test_tries_are_far_apart_and_end_after_a_day(rig_of, receiver):
    rig = rig_of()
    receiver.status = 503
    rig.add_event("idro-0", "latched", reason=NO_EFFECT)
    rig.step(25 * HOUR_MS, 60_000)
    [*_, oldest] = rig.outbox.newest(50)
    assert oldest[1][0].state == "failed"
    assert 40 < oldest[1][0].tries < 70  # half a minute, doubled up to half an hour, for a day


def test_a_test_is_tried_once_and_says_what_came_of_it(rig_of, receiver):
    rig = rig_of()
    number = rig.scheduler.test("anna", rig.now_unix_ms)
    rig.dispatcher.step()
    assert titles(receiver) == ["farm: test of the notifications"]
    assert "Requested by anna" in receiver.messages[0]["message"]
    receiver.status = 401
    rig.scheduler.test("anna", rig.now_unix_ms)
    rig.dispatcher.step()
    newest, older = rig.dispatcher.status()["notices"]
    assert (older["id"], older["deliveries"][0]["state"]) == (number, "sent")
    [delivery] = newest["deliveries"]
    assert (delivery["state"], delivery["tries"]) == ("failed", 1)
    assert "error=401" in delivery["error"]["text"]


def test_tests_to_one_recipient_are_limited_in_time(rig_of, receiver):
    rig = rig_of()
    for _ in range(MOST_TESTS):
        rig.scheduler.test("anna", rig.now_unix_ms)
    with pytest.raises(TooManyTests, match="5 tests in 10 min"):
        rig.scheduler.test("anna", rig.now_unix_ms)
    with pytest.raises(TooManyTests):
        rig.scheduler.test("anna", rig.now_unix_ms, "phone")
    rig.dispatcher.step()
    assert len(rig.outbox.newest(50)) == MOST_TESTS
    rig.now_unix_ms += 10 * MINUTE_MS
    assert rig.scheduler.test("anna", rig.now_unix_ms, "phone")
    rig.now_unix_ms -= 24 * HOUR_MS  # the clock of the host is set back
    assert rig.scheduler.test("anna", rig.now_unix_ms, "phone")


def test_a_daily_message_reports_that_alarms_work(rig_of, receiver):
    rig = rig_of(daily_at="08:00")
    rig.step(3 * 24 * HOUR_MS, 60_000)
    assert titles(receiver) == ["farm: alarm system working, no active alarms"] * 3


def test_the_heartbeat_is_held_back_while_alarms_do_not_work(rig_of, receiver):
    rig = rig_of(heartbeat_url=f"http://127.0.0.1:{receiver.port}/beat", heartbeat_every_min=5)
    rig.step(11 * MINUTE_MS, 5_000)
    assert receiver.pings == ["/beat"] * 3
    rig.is_alive = False
    rig.step(30 * MINUTE_MS, 5_000)
    assert len(receiver.pings) == 3
    assert rig.dispatcher.status()["heartbeat"]["error"]["code"] == "beat_not_evaluated"
    rig.is_alive = True
    receiver.status = 500
    rig.add_event("idro-0", "latched", reason=NO_EFFECT)
    rig.step(4 * MINUTE_MS, 5_000)
    assert "phone" in rig.dispatcher.undelivered()
    count = len(receiver.pings)
    rig.step(10 * MINUTE_MS, 5_000)
    assert len(receiver.pings) == count


@pytest.mark.parametrize("status", [200, 401, 500])
def test_a_secret_is_nowhere_but_in_the_configuration(rig_of, receiver, caplog, capfd, status):
    caplog.set_level(logging.DEBUG)
    rig = rig_of()
    receiver.status = status
    rig.scheduler.test("anna", rig.now_unix_ms)
    rig.add_event("idro-0", "latched", reason=NO_EFFECT)
    rig.step(5 * MINUTE_MS, 5_000)
    dump = (rig.folder / "alarms.db").read_bytes() + (rig.folder / "alarms.db-wal").read_bytes()
    said = caplog.text + "".join(capfd.readouterr()) + str(rig.dispatcher.status())
    said += str(rig.config) + repr(rig.config.targets)
    assert "s3cretToken" not in said
    assert b"s3cretToken" not in dump


def test_an_address_that_is_none_is_refused_without_saying_it(rig_of, tmp_path):
    with pytest.raises(ConfigError) as refused:
        rig_of(targets=[{"name": "phone", "url": "nosuch://s3cretToken"}])
    assert "targets.phone.url" in str(refused.value)
    assert "s3cretToken" not in str(refused.value)
    with pytest.raises(ConfigError, match="twice"):
        rig_of(targets=[{"name": "a", "url": "json://127.0.0.1"}] * 2)
    file = tmp_path / "host.toml"
    file.write_text('[[alarms.targets]]\nname = "x"\nurl = "json://s3cretToken"\nkind = 1\n')
    with pytest.raises(ConfigError) as refused:
        load_config(file)
    assert "s3cretToken" not in str(refused.value)


def test_half_a_quiet_time_is_refused():
    for wrong in ({"quiet_from": "22:00"}, {"daily_at": "25:00"}, {"heartbeat_url": "ftp://x"}):
        with pytest.raises(ValidationError):
            validate(wrong, AlarmsConfig)


def test_an_address_taken_out_of_the_configuration_holds_nothing_up(rig_of, receiver):
    rig = rig_of()
    receiver.status = 500
    rig.add_event("idro-0", "latched", reason=NO_EFFECT)
    rig.step(MINUTE_MS)
    rig.config = AlarmsConfig()
    rig.restart()
    rig.step(2 * MINUTE_MS, 5_000)
    [(_, [delivery])] = rig.outbox.newest(5)
    assert isinstance(delivery, Delivery)
    assert (delivery.state, delivery.error) == ("failed", Reason("target_removed"))
    assert rig.now_unix_ms > T0


def test_each_address_is_notified_in_its_language(rig_of, receiver):
    others = [NoticeReceiver() for _ in range(2)]
    rig = rig_of(daily_at="12:00", targets=[
        {"name": "phone", "url": receiver.url()},
        {"name": "nonna", "url": others[0].url(), "language": "it"},
        {"name": "office", "url": others[1].url(), "language": "zh"}])
    rig.host = {"broker": "connecting: no route"}
    rig.silence(*rig.nodes)
    rig.step(14 * MINUTE_MS, 5_000)
    assert titles(receiver)[-1] == "farm: The broker does not answer"
    assert titles(others[0])[-1] == "farm: Il broker non risponde"
    text = others[0].messages[-1]["message"]
    assert text.startswith("URGENTE Il broker non risponde: ")
    assert "\nAzione: Riavviare il broker" in text
    assert not any(word in others[1].messages[-1]["message"] for word in ("Action:", "Explains"))
    assert others[1].messages[-1]["message"].startswith("紧急")
    shown = [one["title"] for one in rig.dispatcher.status()["notices"]]
    assert shown[0] == "farm: The broker does not answer"
    for other in others:
        other.close()


def test_the_last_notifications_of_an_older_database_are_kept(tmp_path):
    path = tmp_path / "alarms.db"
    with sqlite3.connect(path) as older:
        older.execute("CREATE TABLE told (key TEXT PRIMARY KEY, raised_unix_ms INTEGER NOT NULL,"
                      " told_unix_ms INTEGER NOT NULL, reminders INTEGER NOT NULL) WITHOUT ROWID")
        older.execute("INSERT INTO told VALUES ('farm//disk_full', 1, 2, 3)")
    for _ in range(2):
        outbox = Outbox(path)
        assert list(outbox.last_notifications()) == ["farm//disk_full"]
        outbox.close()


def test_a_notice_ends_with_the_states_of_its_nodes(rig_of, receiver):
    rig = rig_of(count=2)
    rig.node_states = {"idro-0": "Dosing is locked.", "idro-1": "pH has a fault."}
    for name in rig.nodes:
        rig.add_event(name, "latched", reason=NO_EFFECT)
    rig.step(2 * MINUTE_MS)
    assert receiver.messages[0]["message"].splitlines()[-2:] == [
        "idro-0 now: Dosing is locked.", "idro-1 now: pH has a fault."]
