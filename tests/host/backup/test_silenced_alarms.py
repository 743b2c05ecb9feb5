"""A restore brings back no alarm that was silenced at the time of the backup without a word."""

from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest

from idroserra.alarms.active import ActiveAlarm
from idroserra.alarms.database import AlarmDatabase
from idroserra.alarms.notify.message import Notice
from idroserra.alarms.notify.outbox import Outbox
from idroserra.alarms.notify.policy import LastNotification
from idroserra.alarms.page_settings import RECIPIENTS, RULES
from idroserra.alarms.rules import load_rules
from idroserra.alarms.state_machine import NORMAL
from idroserra.backup.create import make_backup
from idroserra.backup.restore import restore
from idroserra.core.config import load_config
from idroserra.core.page_settings import PageSettings
from idroserra.core.reasons import Reason

MADE = datetime(2026, 11, 5, 14, 0, tzinfo=UTC)
NOW = MADE + timedelta(days=20)
MADE_UNIX_MS, NOW_UNIX_MS = (int(at.timestamp() * 1_000) for at in (MADE, NOW))
WEEK_MS = 7 * 86_400_000
# own_rule: of the configuration of a host.
RULES_BY_NAME = load_rules({"own_rule": {
    "title": "Own", "watch": "silent", "priority": "low", "consequence": "none",
    "action": "none", "respond_min": 1, "limit": 1}}, only_enabled=False)
ACTIVE = NORMAL._replace(is_active=True, is_acked=False, raised_unix_ms=MADE_UNIX_MS)
OUT = NORMAL._replace(is_out_of_service=True)
SHELVED = NORMAL._replace(shelved_until_unix_ms=NOW_UNIX_MS + WEEK_MS)
AGAIN = "are annunciated again: "


def save(folder, **alarms):
    """Save the state of the alarm of each rule."""
    with closing(AlarmDatabase(folder / "alarms.db")) as database:
        database.save([
            ActiveAlarm(f"{name}/idro-a", RULES_BY_NAME[name], "farm", "idro-a", "", None, alarm)
            for name, alarm in alarms.items()], [])


def states(folder):
    """Return {rule: alarm}, and {rule: (was, state, reason)} of the journal."""
    with closing(AlarmDatabase(folder / "alarms.db")) as database:
        alarms = {one.rule.name: one.alarm for one in database.not_normal(RULES_BY_NAME).values()}
        rows = database.history(0, 2 * NOW_UNIX_MS, 100)
    return alarms, {one.rule: (one.was, one.state, one.reason) for one in rows}


def settings_of(folder, **sections):
    with closing(PageSettings(folder)) as settings:
        for section in (RULES, RECIPIENTS):
            for name in settings.all(section):
                settings.remove(section, name)
        for name, changes in sections.get("rules", {}).items():
            settings.put(RULES, name, changes, "anna", 1)
        for name in sections.get("recipients", ()):
            settings.put(RECIPIENTS, name, {"url": "json://x"}, "anna", 1)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "old").mkdir()
    return tmp_path / "old"


def back_up(folder):
    make_backup(load_config(None, {"site": "farm", "data_dir": str(folder)}),
                folder.parent / "a.backup", with_keys=True, on_file=lambda *_: None)


def put_back(folder, now=NOW):
    said = []
    restore(folder.parent / "a.backup", folder, now, said.append)
    return " ".join(said)


def test_an_alarm_out_of_service_in_the_backup_is_back_in_service(folder):
    save(folder, ph_high=OUT, ph_low=ACTIVE._replace(is_out_of_service=True), ec_high=SHELVED,
         own_rule=OUT)
    back_up(folder)
    save(folder, ph_high=NORMAL, ph_low=NORMAL, ec_high=NORMAL, own_rule=NORMAL)
    said = put_back(folder)
    alarms, journal = states(folder)
    assert alarms == {"ph_low": ACTIVE}
    why = Reason("backup_restored")
    assert journal == {
        "ph_high": ("out_of_service", "normal", why), "ec_high": ("shelved", "normal", why),
        "own_rule": ("out_of_service", "normal", why),
        "ph_low": ("out_of_service", "unacknowledged", why)}
    assert f"{AGAIN}ec_high/idro-a, own_rule/idro-a, ph_high/idro-a, ph_low/idro-a" in said


def test_an_alarm_that_is_silenced_now_too_stays_so_as_it_is_now(folder):
    until_unix_ms = NOW_UNIX_MS + 60_000
    save(folder, ph_high=OUT, ec_high=SHELVED, ph_low=OUT, ec_low=SHELVED)
    back_up(folder)
    save(folder, ph_high=OUT, ec_high=SHELVED._replace(shelved_until_unix_ms=until_unix_ms),
         ph_low=SHELVED, ec_low=OUT)
    said = put_back(folder)
    assert states(folder)[0] == {
        "ph_high": OUT, "ec_high": SHELVED._replace(shelved_until_unix_ms=until_unix_ms)}
    assert f"{AGAIN}ec_low/idro-a, ph_low/idro-a" in said


def test_on_a_new_machine_no_alarm_is_silenced(folder):
    save(folder, ph_high=OUT)
    back_up(folder)
    folder.rename(folder.parent / "gone")
    folder.mkdir()
    assert f"{AGAIN}ph_high/idro-a" in put_back(folder)
    assert states(folder)[0] == {}


def test_an_acknowledged_alarm_waits_for_an_acknowledgement(folder):
    ended = ACTIVE._replace(is_active=False)
    save(folder, ph_high=ACTIVE._replace(is_acked=True), ph_low=ACTIVE, ec_high=ended)
    back_up(folder)
    assert "annunciated" not in put_back(folder)
    alarms, journal = states(folder)
    assert alarms == {"ph_high": ACTIVE, "ph_low": ACTIVE, "ec_high": ended}
    assert journal == {"ph_high": ("acknowledged", "unacknowledged", Reason("backup_restored"))}


def test_people_are_notified_again_of_what_is_active(folder):
    save(folder, ph_high=ACTIVE)
    with closing(Outbox(folder / "alarms.db")) as outbox:
        outbox.post(Notice(MADE_UNIX_MS, "alarm", "urgent", "pH", "pH"), ["desk"], [
            LastNotification("ph_high/idro-a", MADE_UNIX_MS, MADE_UNIX_MS, 99)])
    back_up(folder)
    put_back(folder)
    with closing(Outbox(folder / "alarms.db")) as outbox:
        assert outbox.last_notifications() == {}


def test_an_alarm_file_that_is_damaged_now_silences_nothing_and_stops_no_restore(folder):
    save(folder, ph_high=OUT)
    back_up(folder)
    (folder / "alarms.db").write_text("damaged")
    said = put_back(folder)
    assert str(folder / "alarms.db") in said
    assert f"{AGAIN}ph_high/idro-a" in said


def test_a_restore_says_what_its_settings_make_quieter(folder):
    off = {"enabled": False}
    settings_of(folder, rules={"ph_high": off, "ph_low/idro-a": off, "ec_high": off,
                               "ec_low": {"priority": "low"}}, recipients=["anna", "bob"])
    back_up(folder)
    assert "switches off" not in put_back(folder)  # as it is now
    settings_of(folder, rules={"ec_high": off, "ph_high": {"enabled": True}}, recipients=["anna"])
    said = put_back(folder, NOW + timedelta(minutes=1))
    assert "that the backup switches off: ph_high, ph_low/idro-a" in said
    assert "recipients who were removed since the backup are notified again: bob" in said
    (folder / "settings.db").write_text("damaged")
    assert str(folder / "settings.db") in put_back(folder, NOW + timedelta(minutes=2))
