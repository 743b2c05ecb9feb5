"""The figures of a comparison: per day of the history, and light by the recipe of its time."""

from datetime import UTC

import pytest

from idro.protocol import settings
from idroserra.history.models import EventPoint, SamplePoint
from idroserra.recipes import model
from idroserra.reports.builder import Range
from idroserra.web.app import web_context
from idroserra.web.computed_readings import ComputedSeries, lamp_ppfd
from support.host_without_broker import BEGIN_UNIX_MS, NODE, HostWithoutBroker
from support.samples import write_samples

MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000
DLI = "light.dli_mol_per_m2"
RECIPE = model.parse(b"""
[recipe]
name = "mine"
text = "One stage."
crop = "lettuce"
ppfd_umol_m2_s = 250
source = ["my own beds"]

[[stage]]
name = "only"
days = 30
text = ""
source = "my own beds"
settings.ph = { target = 5.8 }
""", "mine.toml")


class Bed:
    """A host with three days of history: lamps on for 16 hours, a dose of 10 ml, a litre drunk."""

    def __init__(self, folder):
        self.host = HostWithoutBroker(folder)
        self.begin_unix_ms = self.host.unix_ms = (BEGIN_UNIX_MS // DAY_MS - 60) * DAY_MS
        self.host.boot()
        self.area_cm2 = settings.defaults()["reservoir.area_cm2"]
        for day in range(3):
            self._pass_day(self.begin_unix_ms + day * DAY_MS)
            if day == 1:
                self.host.service.recipes.start(NODE, RECIPE, "ann")
                self.recipe_unix_ms = self.host.unix_ms

    def _pass_day(self, begin):
        samples = []
        for at in range(begin, begin + DAY_MS, 10 * MINUTE_MS):
            is_lit = at - begin < 16 * HOUR_MS
            samples.append(SamplePoint(NODE, "light.duty_pct", at, 100.0 if is_lit else 0.0))
            days = (at - self.begin_unix_ms) / DAY_MS
            samples.append(
                SamplePoint(NODE, "reservoir.level_mm", at, 250 - days * 10_000 / self.area_cm2))
        dose = EventPoint(NODE, (begin + 12 * HOUR_MS) * 1_000, begin // DAY_MS, "7f3a11aa",
                          "dosed", {"actuator": "ph_down", "volume_ul": 10_000})
        write_samples(self.host.service.store, samples, [dose])
        self.host.unix_ms = begin + DAY_MS

    def figures(self, from_day, to_day):
        """{key: value} of days since the history began."""
        span = Range(self.begin_unix_ms + int(from_day * DAY_MS),
                     self.begin_unix_ms + int(to_day * DAY_MS), UTC)
        found = web_context(self.host.service).figures(self.host.node, span)
        return {one.key: one.value for one in found}


@pytest.fixture
def bed(tmp_path):
    bed = Bed(tmp_path)
    yield bed
    bed.host.close()


@pytest.mark.parametrize("days", [(0, 3), (-27, 3), (-1, 2), (1, 9)])
def test_a_span_longer_than_the_history_is_divided_by_the_days_of_the_history(bed, days):
    found = bed.figures(*days)
    assert found["light"] == pytest.approx(16, abs=0.2)
    assert found["dosed ph_down"] == pytest.approx(10, rel=0.01)
    assert found["left"] == pytest.approx(1, rel=0.02)


def test_a_span_without_history_has_no_figures_a_day(bed):
    found = bed.figures(-9, -1)
    assert found["dosed ph_down"] is None
    assert not {"light", "left"} & {key for key, value in found.items() if value is not None}


def test_hours_of_history_are_not_taken_for_days(bed):
    """One dose in the first hours of a week is no volume a day."""
    assert bed.figures(-6.5, 0.75)["dosed ph_down"] is None
    assert bed.figures(0.25, 0.75)["dosed ph_down"] == pytest.approx(20, rel=0.02)


def test_light_is_not_told_of_days_that_were_hardly_read(bed):
    write_samples(bed.host.service.store, [SamplePoint(
        NODE, "light.duty_pct", bed.begin_unix_ms + 9 * DAY_MS, 0.0)], [])
    assert bed.figures(0, 9).get("light") is None


def test_light_is_judged_by_a_recipe_from_its_start_on(bed):
    assert bed.figures(2, 3)["dli"] == pytest.approx(14.4, rel=0.02)
    assert bed.figures(1, 3).get("dli") is None
    assert bed.figures(0, 2).get("dli") is None


def test_the_chart_of_the_dli_begins_with_the_recipe(bed):
    service = bed.host.service
    series = ComputedSeries(service.store, lamp_ppfd(service.recipes)).series
    found = series(bed.host.node, [DLI], bed.begin_unix_ms, bed.begin_unix_ms + 3 * DAY_MS, 600)
    times = [one.unix_ms for one in found[DLI]]
    # The column that ends with the start of the recipe is before it.
    assert bed.recipe_unix_ms <= times[0] <= bed.recipe_unix_ms + 15 * MINUTE_MS
    assert times[-1] >= bed.begin_unix_ms + 3 * DAY_MS - 15 * MINUTE_MS
