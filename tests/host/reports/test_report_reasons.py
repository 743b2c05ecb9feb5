"""Reasons in the report and the summary: counted by code, in the reader's language."""

import tracemalloc
from contextlib import closing
from datetime import UTC

import pytest

from idroserra.alarms.active import Transition
from idroserra.alarms.database import AlarmDatabase
from idroserra.core.config import load_config
from idroserra.core.reasons import Reason
from idroserra.history.models import EventPoint, Instant
from idroserra.history.paging import PAGE, TooManyEvents
from idroserra.i18n.reasons import reason_text
from idroserra.i18n.translate import Locale, use_locale
from idroserra.reports import summary
from idroserra.reports.alarm_summary import alarms_of
from idroserra.reports.builder import Range, build_report
from idroserra.reports.sources import ReportSources
from idroserra.reports.summary import summarize
from idroserra.server.service import Service
from support.old_folder import NODE, T0, make_old_folder
from support.samples import write_samples

HOUR_MS = 3_600_000
SPAN = Range(T0 - HOUR_MS, T0 + 6 * HOUR_MS, UTC)
BLOCKED = Reason("hour_spent", volume_ul=12_000, share_pct=100)


@pytest.fixture
def host(tmp_path):
    """A host on the folder of an earlier version, with newer events."""
    make_old_folder(tmp_path)
    service = Service(load_config(overrides={"data_dir": str(tmp_path), "site": "farm"}))
    yield service
    service.stop()


def sources(host):
    return ReportSources(host.store, host.alarms.alarms, host.calibrations, host.journal,
                         host.settings_history)


def refuse(host, *reasons):
    write_samples(host.store, [], [
        EventPoint(NODE, (T0 + HOUR_MS + seq * 1_000) * 1_000 + seq, seq, "b2", "refused",
                   {"actuator": "ph_down", "reason": reason.as_json()})
        for seq, reason in enumerate(reasons, 1)])


def sentences(host):
    return [one.text for one in summarize(sources(host), host.nodes.get(NODE), SPAN).sentences]


def test_refusals_are_counted_by_their_code_whatever_their_numbers(host):
    gaps = [Reason("gap", actuator="ph_down", left_ms=left) for left in (9_000, 5_000)]
    refuse(host, *gaps, BLOCKED)  # and one of an earlier version
    assert (f"Doses were refused 4 times, most of them: {reason_text(gaps[-1])}."
            in sentences(host))


def test_a_refusal_of_an_earlier_version_is_shown_as_it_was(host):
    assert "A dose was refused once: circulation is off." in sentences(host)


def flood(host, count, actuators=1, channels=1):
    """Store as many faults, and as many refusals with different numbers."""
    details = [
        ("fault_began", {"channel": f"s{seq % channels}.ph", "fault": "crc"}) if seq % 2 else (
            "refused", {"reason": Reason(
                "gap", actuator=f"p{seq // 2 % actuators}", left_ms=seq).as_json()})
        for seq in range(2 * count)]
    host.store.write([], [
        EventPoint(NODE, (T0 + HOUR_MS + seq) * 1_000 + seq % 1_000, seq, "b3", *detail)
        for seq, detail in enumerate(details)])


@pytest.mark.usefixtures("any_number_of_events")
def test_a_flood_of_events_is_summarized_in_little_memory(host):
    many = 5 * PAGE
    flood(host, many)
    tracemalloc.start()
    try:
        found = sentences(host)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    why = reason_text(Reason("gap", actuator="p0", left_ms=2 * many - 2))
    assert f"Doses were refused {many + 1} times, most of them: {why}." in found
    assert any(text.endswith(f" ({many} times)") for text in found)
    assert peak < 5_000_000


@pytest.mark.parametrize("different", [{"actuators": 50}, {"channels": 100}])
def test_more_different_events_than_a_node_has_are_refused(host, monkeypatch, different):
    monkeypatch.setattr(summary, "MOST_DIFFERENT", 20)
    flood(host, 50, **different)
    with pytest.raises(TooManyEvents, match="more than 20 different events in this period"):
        sentences(host)


def test_refusals_are_in_the_readers_language_and_number_format(host):
    refuse(host, BLOCKED, BLOCKED)
    with use_locale(Locale("it")):
        why = reason_text(BLOCKED)
        assert "12,0 ml" in why
        assert any(text.endswith(f": {why}.") for text in sentences(host))


def test_alarms_of_an_earlier_version_are_in_the_report(host):
    report = build_report(sources(host), host.nodes.get(NODE), SPAN)
    [alarms] = [one for one in report.sections if one.title == "Alarms"]
    assert sorted(row[0] for row in alarms.table.rows) == [
        "Dosing is locked", "The node is silent"]


def test_an_alarm_of_before_the_period_that_is_still_active_is_in_it(host):
    later = Range(T0 + 5 * HOUR_MS, T0 + 6 * HOUR_MS, UTC)
    store_transition(host, "node_silent", T0 + 5 * HOUR_MS + 1, "acknowledged", "normal")
    found = {one.text: one.level for one in
             summarize(sources(host), host.nodes.get(NODE), later).sentences}
    assert found["Alarm still active: Dosing is locked."] == "bad"
    assert found["Alarm, cleared after 5 h: The node is silent."] == "warn"
    assert "No alarms." not in found


def test_an_alarm_that_ended_or_was_shelved_before_the_period_is_not_in_it(host):
    later = Range(T0 + 5 * HOUR_MS, T0 + 6 * HOUR_MS, UTC)
    store_transition(host, "dosing_latched", T0 + HOUR_MS, "unacknowledged", "shelved")
    store_transition(host, "node_silent", T0 + HOUR_MS, "acknowledged", "normal")
    assert alarms_of(host.alarms.alarms, NODE, later.from_unix_ms, later.to_unix_ms) == []


def test_a_lamp_that_is_only_switched_is_in_report_and_summary(host):
    host.store.write([Instant(NODE, T0 + at * 60_000, {"light.on_pct": 100 if at < 120 else 0})
                      for at in range(240)], [])
    assert "The lamp was on for 2 h." in sentences(host)
    report = build_report(sources(host), host.nodes.get(NODE), SPAN)
    [light] = [one for one in report.sections if one.title == "Light"]
    assert light.lines[0] == "The lamp was on for 2 h, equivalent to 2 h at full output."


def test_a_node_with_a_light_sensor_is_not_said_to_have_none(host):
    host.store.write([Instant(NODE, T0, {"canopy.ppfd_umol_m2_s": 400})], [])
    report = build_report(sources(host), host.nodes.get(NODE), SPAN)
    [light] = [one for one in report.sections if one.title == "Light"]
    assert light.lines == ["This node reports no lamp."]


def test_the_worst_events_are_in_the_summary_and_the_others_counted(host):
    host.store.write([], [EventPoint(NODE, (T0 + HOUR_MS + seq) * 1_000 + seq, seq, "b4", *one)
                          for seq, one in enumerate([
        ("latched", {"reason": Reason("latch_no_effect").as_json()}),
        *(("resumed", {"by": f"person {number}"}) for number in range(9))])])
    found = sentences(host)
    assert "09:00 Dosing is locked until a person resumes it: doses had no effect" in found
    assert sum("by person" in text for text in found) == 4
    assert "Events not shown: 6." in found


def test_gaps_that_are_not_named_are_counted(host):
    times = [hour * HOUR_MS + at for hour in range(6) for at in range(0, HOUR_MS // 2, 60_000)]
    host.store.write([Instant(NODE, T0 - HOUR_MS + at, {"reservoir.ph": 6}) for at in times], [])
    found = sentences(host)
    assert sum(text.startswith("No readings for") for text in found) == 3
    assert found[found.index("And 3 more.") - 1].startswith("No readings for")


def store_transition(host, rule, unix_ms, was, state):
    [key] = {one.key for one in host.alarms.alarms.history(0, unix_ms, 9, NODE)
             if one.rule == rule}
    with closing(AlarmDatabase(host.config.data_dir / "alarms.db")) as database:
        database.save([], [Transition(unix_ms, key, rule, "farm", NODE, "", "high", was, state,
                                      None)])
