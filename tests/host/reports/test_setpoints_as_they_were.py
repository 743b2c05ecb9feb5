"""A change of a setpoint changes nothing about the past: summary, report, charts, export."""

import sqlite3
from contextlib import closing
from dataclasses import asdict
from datetime import UTC

import pytest

from idroserra.history.models import SamplePoint
from idroserra.recipes import model
from idroserra.reports.builder import Range
from idroserra.server.service import Service
from idroserra.web.api.export import balance_csv, read_balance
from idroserra.web.api.setpoints import setpoints_json
from idroserra.web.api.tables import NODE_TABLES, TableQuery
from idroserra.web.app import web_context
from support.host_without_broker import BEGIN_UNIX_MS, NODE, HostWithoutBroker
from support.samples import write_samples

MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000
WEEK_MS = 7 * DAY_MS
PH, EC, LEVEL = "reservoir.ph", "reservoir.ec_us_cm", "reservoir.level_mm"
# By stage: target pH and EC, which the readings of its week meet exactly.
STAGES = ((6.2, 800), (5.9, 1_400), (5.6, 2_000))
RECIPE = model.parse(("""
[recipe]
name = "mine"
text = "Three stages."
crop = "lettuce"
ppfd_umol_m2_s = 250
source = ["my own beds"]
""" + "".join(f"""
[[stage]]
name = "stage {number}"
days = 7
text = ""
source = "my own beds"
settings.ph = {{ target = {ph}, deadband = 0.1 }}
settings.ec = {{ target_us_cm = {ec}, deadband_us_cm = 50 }}
settings.light = {{ on_minutes = 960 }}
""" for number, (ph, ec) in enumerate(STAGES, 1))).encode(), "mine.toml")


class Crop:
    """A host whose node has followed a recipe of three stages, of a week each."""

    def __init__(self, folder):
        self.host = HostWithoutBroker(folder)
        self.context = web_context(self.host.service)
        # Midnight, so that each stage begins with its week; long ago, so that all weeks are past.
        self.begin_unix_ms = self.host.unix_ms = (BEGIN_UNIX_MS // DAY_MS - 60) * DAY_MS
        self.host.boot()
        self.host.service.recipes.start(NODE, RECIPE, "ann")
        for ph, ec in STAGES:
            self._pass_week(ph, ec)

    def _pass_week(self, ph, ec):
        begin = self.host.unix_ms
        self.host.service.recipes.update()
        self.follow()
        samples = []
        for at in range(begin, begin + WEEK_MS, 10 * MINUTE_MS):
            level_mm = 200 - (at - begin) / HOUR_MS / 24
            samples += [SamplePoint(NODE, PH, at, ph), SamplePoint(NODE, EC, at, ec),
                        SamplePoint(NODE, LEVEL, at, level_mm),
                        SamplePoint(NODE, "air.temp_c", at, 22)]
        write_samples(self.host.service.store, samples, [])
        self.host.unix_ms = begin + WEEK_MS

    def follow(self):
        """The node applies what the host wants, and reports it."""
        wanted = self.host.node
        if wanted.wanted_rev == self.host.rev:
            return
        self.host.tell("configured", rev=wanted.wanted_rev, by=wanted.wanted_by)
        self.host.report(rev=wanted.wanted_rev, **{
            key.replace(".", "__"): value for key, value in wanted.wanted_values.items()})

    def change(self, **values):
        """A person changes settings of the node."""
        self.host.unix_ms += HOUR_MS
        self.host.service.commands.set_config(NODE, {
            key.replace("__", "."): value for key, value in values.items()}, "ann")
        self.follow()

    def week(self, number):
        begin = self.begin_unix_ms + number * WEEK_MS
        return Range(begin, begin + WEEK_MS, UTC)

    def report(self, span):
        return asdict(self.context.report(self.host.node, span))

    def in_band(self, span):
        """{channel: (shares, sentence)}: of the report and of the summary."""
        table = next(one for one in self.report(span)["sections"]
                     if one["title"] == "Time in band")["table"]
        texts = [one.text for one in self.context.summarize(self.host.node, span).sentences]
        return {name: (next(row[2] for row in table["rows"] if row[0] == name),
                       next(text for text in texts if text.startswith(name)))
                for name in ("pH", "EC")}

    def past(self, span):
        """Everything the host says of a range."""
        context, node = self.context, self.host.node
        query = TableQuery(None, NODE, span.from_unix_ms, span.to_unix_ms)
        times = (span.from_unix_ms, span.to_unix_ms)
        balance = read_balance(context, NODE, times, None)
        return {"report": self.report(span),
                "summary": context.summarize(node, span)._asdict(),
                "happened": list(NODE_TABLES["happened"].rows(context, query)),
                "setpoints": list(NODE_TABLES["setpoints"].rows(context, query)),
                "chart": setpoints_json(node, context.settings_history.of(node), None, *times),
                "balance": list(balance_csv(balance, None))}


@pytest.fixture
def crop(tmp_path):
    crop = Crop(tmp_path)
    yield crop
    crop.host.close()


@pytest.mark.parametrize("stage", [0, 1, 2])
def test_each_stage_of_a_recipe_is_judged_by_its_own_setpoints(crop, stage):
    found = crop.in_band(crop.week(stage))
    assert [share for share, _ in found.values()] == ["100.0 %", "100.0 %"]
    assert all("in its band all the time" in text for _, text in found.values())


def test_a_host_that_did_not_keep_setpoints_says_until_when_they_are_not_known(tmp_path):
    crop = Crop(tmp_path)
    crop.host.close()
    with closing(sqlite3.connect(tmp_path / "state.db")) as database:
        database.execute("DROP TABLE settings_history")
    upgraded = Service(crop.host.service.config, lambda: crop.host.unix_ms)
    context, node = web_context(upgraded), upgraded.nodes.get(NODE)
    span = crop.week(0)
    known = "Setpoints before Fri 16 Oct, 00:00 are not known: the earliest known ones are used."
    texts = [one.text for one in context.summarize(node, span).sentences]
    assert known in texts
    assert "pH was in its band 0 % of the time: 6.20." in texts
    assert known in asdict(context.report(node, span))["sections"][0]["lines"]
    upgraded.stop()


def test_a_change_of_settings_changes_nothing_about_the_weeks_before(crop):
    weeks = [crop.week(number) for number in range(3)]
    whole = Range(weeks[0].from_unix_ms, weeks[-1].to_unix_ms, UTC)
    before = [*map(crop.past, weeks), crop.report(whole)]
    crop.change(ph__target=7.0, ec__target_us_cm=3_000, reservoir__area_cm2=4_000,
                level__full_mm=260)
    assert [*map(crop.past, weeks), crop.report(whole)] == before
