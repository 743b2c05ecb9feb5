"""The settings of a node over time: in force at each instant, however reports and events come."""

import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idro.protocol.messages import ConfigReport
from idro.protocol.settings import defaults
from idroserra.core.errors import StoreUnavailable
from idroserra.nodes.node import Node
from idroserra.setpoints.history import SettingsHistory
from idroserra.setpoints.series import series_of, with_event, with_report

NODE, BOOT = "idro-a", "b0b0b0b0"
DAY_MS = 86_400_000
T0 = 20_783 * DAY_MS


def settings(ph, **more):
    return defaults() | {"ph.target": ph} | more


@pytest.fixture
def history(tmp_path):
    history = SettingsHistory(tmp_path / "state.db")
    yield history
    history.close()


def report(history, rev, ph, day, boot=BOOT, **more):
    history.on_report(NODE, ConfigReport(rev, None, settings(ph, **more)), boot,
                      round(T0 + day * DAY_MS))


def configured(history, rev, day, boot=BOOT):
    history.on_configured(NODE, {"rev": rev, "by": "ann"}, boot, round(T0 + day * DAY_MS))


def targets(history, report=None):
    """[(day from when on, pH target)]"""
    found = history.of(Node(NODE, "farm", report=report))
    return [((begin - T0) / DAY_MS, values["ph.target"])
            for begin, values in zip(found.begins, found.values, strict=True)]


@st.composite
def lives(draw):
    """Return [(begin, boot, rev, target)] of the revisions of a node that may lose its settings
    at a boot, and the (kind, number of the revision) of its messages.

    Events come at any time, reports in order, because they are of one topic. A copy that the
    broker kept comes at any time too."""
    begins = sorted(draw(st.lists(st.integers(1, 10_000), min_size=1, max_size=8, unique=True)))
    truth, boot, rev = [], 0, -1
    for begin in begins:
        next_is = draw(st.sampled_from(("change", "change after a boot", "loss")))
        boot += next_is != "change"
        rev = draw(st.integers(0, 3)) if next_is == "loss" else rev + draw(st.integers(1, 3))
        truth.append((begin, f"boot{boot}", rev, draw(st.sampled_from((5.5, 6.0, 6.5)))))
    numbers = range(len(truth))
    messages = [(kind, number) for number in numbers for kind in ("report", "copy", "event")]
    messages = draw(st.permutations(messages + draw(st.lists(st.sampled_from(messages)))))
    reports = iter(sorted(number for kind, number in messages if kind == "report"))
    return truth, [(kind, next(reports) if kind == "report" else number)
                   for kind, number in messages]


def is_next_change(truth, newest, number):
    """Whether a copy of a revision, older than the newest message, reads like the next change."""
    return number < newest and truth[number][2] >= truth[newest][2]


@given(lives())
def test_any_order_of_reports_and_events_gives_what_was_active_at_each_instant(life):
    truth, messages = life
    known, newest = [], 0
    for at, (kind, number) in enumerate(messages):
        begin, boot, rev, target = truth[number]
        if kind == "copy" and is_next_change(truth, newest, number):
            continue
        newest = max(newest, number)
        if kind == "event":
            known = with_event(known, rev, begin, boot)
        else:
            known = with_report(known, rev, {"ph.target": target},
                                boot if kind == "report" else "", 20_000 + at)
    series = series_of(known)
    assert series.known_from_unix_ms == truth[0][0]
    for (begin, _, _, target), (end, *_) in zip(truth, [*truth[1:], (30_000,)], strict=True):
        assert {series.at(instant)["ph.target"] for instant in (begin, (begin + end) // 2, end - 1)
                } == {target}


@given(st.lists(st.tuples(st.integers(0, 5), st.sampled_from((5.5, 6.0))), min_size=1))
def test_without_events_settings_begin_when_they_are_first_reported(reports):
    """Each report is of a boot of its own, so a lower revision is one after lost settings."""
    known = []
    for at, (rev, target) in enumerate(reports):
        known = with_report(known, rev, {"ph.target": target}, f"boot{at}", 100 * at)
        series = series_of(known)
        assert [series.at(100 * past)["ph.target"] for past in range(at + 1)] == [
            target for _, target in reports[: at + 1]]


def test_a_change_counts_from_its_event_and_until_that_is_known_from_its_report(history):
    report(history, 1, 5.8, 0)
    report(history, 2, 6.2, 9)  # the node was offline
    assert targets(history) == [(0, 5.8), (9, 6.2)]
    configured(history, 2, 7)
    configured(history, 2, 7)
    assert targets(history) == [(0, 5.8), (7, 6.2)]
    configured(history, 3, 12)
    assert targets(history) == [(0, 5.8), (7, 6.2)]
    report(history, 3, 6.4, 20, boot="")
    assert targets(history) == [(0, 5.8), (7, 6.2), (12, 6.4)]


def test_an_older_copy_changes_nothing_but_a_node_that_lost_its_settings_does(history):
    report(history, 1, 5.8, 0)
    report(history, 2, 6.2, 1)
    report(history, 1, 5.8, 2, boot="")
    report(history, 1, 5.8, 2)
    assert targets(history) == [(0, 5.8), (1, 6.2)]
    report(history, 0, 5.5, 3, boot="c0c0c0c0")
    report(history, 2, 6.2, 4, boot="c0c0c0c0")
    configured(history, 2, 3.5, boot="c0c0c0c0")
    assert targets(history) == [(0, 5.8), (1, 6.2), (3, 5.5), (3.5, 6.2)]


def test_a_copy_of_a_lower_revision_counts_once_the_node_confirms_it(tmp_path, history):
    """The host was down when the node lost its settings, and finds the copy of the broker."""
    report(history, 5, 5.8, 0)
    history.close()
    history = SettingsHistory(tmp_path / "state.db")
    report(history, 3, 6.2, 7, boot="")
    assert targets(history) == [(0, 5.8)]
    configured(history, 3, 6.5, boot="c0c0c0c0")
    assert targets(history) == [(0, 5.8)]
    report(history, 3, 6.2, 8, boot="c0c0c0c0")
    assert targets(history) == [(0, 5.8), (6.5, 6.2)]
    history.close()


def test_a_late_event_dates_the_revision_of_its_boot_not_that_of_a_newer_life(history):
    report(history, 4, 5.6, 0)
    report(history, 5, 5.8, 6)
    report(history, 0, 5.5, 7, boot="c0c0c0c0")
    report(history, 5, 6.2, 9, boot="c0c0c0c0")
    configured(history, 5, 2)
    assert targets(history) == [(0, 5.6), (2, 5.8), (7, 5.5), (9, 6.2)]
    configured(history, 5, 8, boot="c0c0c0c0")
    assert targets(history) == [(0, 5.6), (2, 5.8), (7, 5.5), (8, 6.2)]


def test_an_event_dates_a_revision_that_a_later_boot_reports_first(history):
    report(history, 4, 5.6, 0)
    configured(history, 5, 2)
    assert targets(history) == [(0, 5.6)]
    report(history, 5, 5.8, 6, boot="c0c0c0c0")
    assert targets(history) == [(0, 5.6), (2, 5.8)]


def test_the_series_outlives_the_host_and_holds_what_changed(tmp_path, history):
    report(history, 1, 5.8, 0)
    report(history, 2, 6.2, 1)
    report(history, 3, 6.2, 2, **{"ec.target_us_cm": 900})
    for end in (history.close, lambda: None):
        end()
        history = SettingsHistory(tmp_path / "state.db")
        found = history.of(Node(NODE, "farm"))
        assert found.changes(T0, T0 + 3 * DAY_MS)["ph.target"] == [
            (T0, 5.8), (T0 + DAY_MS, 6.2)]
        assert found.at(T0 + 3 * DAY_MS) == settings(6.2, **{"ec.target_us_cm": 900})
        report(history, 3, 6.2, 5, **{"ec.target_us_cm": 900})
    history.close()
    database = sqlite3.connect(tmp_path / "state.db")
    rows = database.execute("SELECT changes FROM settings_history ORDER BY rev").fetchall()
    database.close()
    assert [row[0] for row in rows[1:]] == ['{"ph.target": 6.2}', '{"ec.target_us_cm": 900}']


def test_the_settings_of_an_earlier_version_count_from_the_first_opening(tmp_path, history):
    old = Node(NODE, "farm", report=ConfigReport(4, None, settings(5.8)))
    for day in range(2):
        history.begin([old, Node("idro-b", "farm")], T0 + day * DAY_MS)
    assert targets(history) == [(0, 5.8)]
    assert history.of(old).at(T0 - 9 * DAY_MS)["ph.target"] == 5.8
    assert history.of(Node("idro-b", "farm")).at(T0) == {}


def test_expired_settings_are_deleted_but_the_last_before(tmp_path):
    history = SettingsHistory(tmp_path / "state.db", keep_days=10)
    for day in range(30):
        report(history, day, 5 + day / 100, day)
    found = targets(history)
    assert found[0] == (19, 5.19)
    assert len(found) == 11
    history.close()


def test_what_a_full_disk_refused_is_written_later(history, monkeypatch):
    def refuse():
        raise StoreUnavailable("disk is full")

    report(history, 1, 5.8, 0)
    assert targets(history) == [(0, 5.8)]
    with monkeypatch.context() as patch:
        patch.setattr(history._database, "transaction", refuse)
        for rev, ph in ((2, 6.0), (3, 6.2)):
            report(history, rev, ph, rev - 1)
            assert targets(history) == [(0, 5.8)]
    configured(history, 3, 1.5)
    assert targets(history) == [(0, 5.8), (1, 6.0), (1.5, 6.2)]
