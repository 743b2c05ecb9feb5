"""Reasons in the report and the summary: counted by code, in the reader's language."""

from datetime import UTC

import pytest

from idroserra.core.config import load_config
from idroserra.core.reasons import Reason
from idroserra.history.models import EventPoint
from idroserra.i18n.reasons import reason_text
from idroserra.i18n.translate import Locale, use_locale
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
