"""Report figures of a channel: days, time in band, and gaps."""

from dataclasses import astuple

from idroserra.alarms.active import Transition
from idroserra.history.models import SamplePoint
from idroserra.history.sqlite.store import SqliteStore
from idroserra.reports.alarm_summary import count_alarms
from idroserra.reports.statistics import read_channel
from idroserra.setpoints.bands import BandStep
from support.samples import write_samples

NODE, PH = "idro-a", "reservoir.ph"
MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
T0 = 1_795_478_400_000  # a midnight
DAYS = [(T0, T0 + DAY), (T0 + DAY, T0 + 2 * DAY)]


BANDS = (BandStep(T0, (5.6, 6.0)),)


def read(tmp_path, points, bands=BANDS, days=DAYS):
    store = SqliteStore(tmp_path / "store.db")
    write_samples(store, [SamplePoint(NODE, PH, T0 + at, value) for at, value in points], [])
    try:
        return read_channel(store, NODE, PH, days, bands)
    finally:
        store.close()


def test_a_day_without_a_reading_is_a_gap_and_no_number(tmp_path):
    found = read(tmp_path, [(at, 5.8) for at in range(0, DAY, 5 * MINUTE)])
    assert [day.from_unix_ms for day in found.days] == [T0]
    assert found.gaps == [(T0 + DAY, T0 + 2 * DAY)]
    assert (found.read_ms, found.in_band_pct) == (DAY, 100)


def test_time_counts_not_readings(tmp_path):
    often = [(at, 6.5) for at in range(0, HOUR, 10_000)]
    seldom = [(at, 5.8) for at in range(HOUR, 4 * HOUR, 10 * MINUTE)]
    found = read(tmp_path, often + seldom, days=[(T0, T0 + 4 * HOUR)])
    assert found.in_band_pct == 75
    assert round(found.whole.mean, 3) == round((6.5 + 3 * 5.8) / 4, 3)
    assert (found.whole.low, found.whole.high, found.gaps) == (5.8, 6.5, [])


def test_a_gap_is_neither_in_nor_out_of_band_and_is_listed(tmp_path):
    points = [(at, 5.8) for at in range(0, HOUR, MINUTE)]
    points += [(at, 5.8) for at in range(4 * HOUR, 5 * HOUR, MINUTE)]
    found = read(tmp_path, points, days=[(T0, T0 + 5 * HOUR)])
    assert found.gaps == [(T0 + HOUR, T0 + 4 * HOUR)]
    assert (found.read_ms, found.in_band_pct) == (2 * HOUR, 100)


def test_nothing_read_is_nothing_said(tmp_path):
    found = read(tmp_path, [])
    assert (found.whole, found.in_band_pct, found.gaps) == (None, None, [(T0, T0 + 2 * DAY)])


def test_a_reading_is_judged_by_the_band_of_its_time(tmp_path):
    points = [(at, 5.8) for at in range(0, 4 * HOUR, 10 * MINUTE)]
    bands = (BandStep(T0, (5.6, 6.0)), BandStep(T0 + HOUR, (6.0, 6.4)),
             BandStep(T0 + 2 * HOUR, None), BandStep(T0 + 3 * HOUR + 5 * MINUTE, (5.0, 6.0)))
    found = read(tmp_path, points, bands, [(T0, T0 + 4 * HOUR)])
    assert [(one.read_ms // MINUTE, one.in_band_pct) for one in found.bands] == [
        (60, 100), (60, 0), (65, None), (55, 100)]
    assert found.in_band_pct == 100 * 115 / 175


def change(minute, key, state, was="normal"):
    return Transition(T0 + minute * MINUTE, key, key.split()[0], "farm", NODE, "", "high", was,
                  state, None)


def test_alarms_by_rule_with_the_longest_and_root_causes():
    counts = count_alarms([
        change(0, "offline a", "unacknowledged"), change(1, "ph_high a", "suppressed"),
        change(5, "ph_high a", "normal"), change(10, "offline a", "acknowledged"),
        change(30, "offline a", "normal"), change(50, "ph_high a", "unacknowledged"),
    ], {"offline": "Node offline"}, T0 + HOUR)
    assert [astuple(one) for one in counts] == [
        ("ph_high", 2, 1, 10 * MINUTE, True), ("Node offline", 1, 1, 30 * MINUTE, False)]
