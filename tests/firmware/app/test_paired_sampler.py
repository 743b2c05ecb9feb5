"""Tests of the sampler of a board with two pH probes: faults, the gate, and the authority."""

import asyncio

import pytest

from idro.app.probe_pairs import PairedSampler
from idro.control.plausibility import CALIBRATING, UNDISTURBED
from idro.errors import SensorError
from idro.safety.limits import REDUCED_PCT

EVERY_MS = 10_000
VALUES = {"doser.ul_per_s": 1_000, "ph.down_ul_per_ph": 40_000, "ph.up_ul_per_ph": 40_000}
FIRST, SECOND = "reservoir.ph", "second.ph"


class Clock:
    def __init__(self):
        self.at_ms = 0

    def now_ms(self):
        return self.at_ms


class Part:
    spread_uv = 1_000

    def __init__(self):
        self.ph, self.fault = 5.8, None

    async def read(self, context):
        if self.fault:
            raise SensorError("part", self.fault)
        return {"ph": self.ph}


class Bench:
    def __init__(self):
        self.clock, self.events = Clock(), []
        self.first, self.second = Part(), Part()
        sensors = [
            ({"source": "reservoir", "measures": ["ph"]}, self.first),
            ({"source": "second", "measures": ["ph"], "pair": "reservoir"}, self.second)]
        self.sampler = PairedSampler(
            sensors, self.clock, lambda kind, detail: self.events.append((kind, detail)), {},
            VALUES)

    def run(self, minutes, moved_by=UNDISTURBED):
        for step in range(minutes * 60_000 // EVERY_MS):
            self.clock.at_ms += EVERY_MS
            for part in (self.first, self.second):
                part.ph += 0.01 if step % 2 else -0.01
            asyncio.run(self.sampler.cycle(moved_by))
        return [self.sampler.readings[channel].fault for channel in (FIRST, SECOND)]

    def began(self):
        return [(detail["channel"], detail["fault"], detail["reason"].values["channel"])
                for kind, detail in self.events if kind == "fault_began" and "reason" in detail]


@pytest.fixture
def bench():
    bench = Bench()
    assert bench.run(120) == [None, None]
    return bench


def test_a_board_that_agrees_has_full_authority(bench):
    assert (bench.sampler.authority_pct, bench.sampler.doubt) == (100, None)
    assert bench.events == []


def test_the_first_has_no_value_while_it_is_likelier_wrong(bench):
    bench.first.ph += 0.5
    assert bench.run(15) == ["pair_suspect", None]
    assert bench.sampler.reading(FIRST, 60_000).fault == "pair_suspect"
    assert bench.began() == [(FIRST, "pair_suspect", FIRST)]


def test_neither_has_a_value_while_the_second_is_likelier_wrong(bench):
    bench.second.ph += 0.5
    assert bench.run(15) == ["pair_differs", "pair_suspect"]
    assert bench.began() == [(FIRST, "pair_differs", SECOND), (SECOND, "pair_suspect", SECOND)]


def test_the_authority_is_reduced_while_they_differ(bench):
    bench.second.ph += 0.5
    bench.run(15)
    assert bench.sampler.authority_pct == REDUCED_PCT
    assert bench.sampler.doubt.code == "authority_pair"
    bench.second.ph -= 0.5
    assert bench.run(45) == [None, None]
    assert (bench.sampler.authority_pct, bench.sampler.doubt) == (100, None)
    assert [kind for kind, _ in bench.events].count("fault_ended") == 2


@pytest.mark.parametrize(("failed", "faults"), [
    ("first", ["no_ack", None]), ("second", [None, "no_ack"])])
def test_one_that_fails_reduces_the_authority_and_the_other_keeps_its_value(bench, failed, faults):
    getattr(bench, failed).fault = "no_ack"
    assert bench.run(15) == faults
    assert bench.sampler.authority_pct == REDUCED_PCT


def test_a_person_who_calibrates_sees_what_a_probe_reads(bench):
    bench.first.ph += 0.5
    bench.run(15)
    assert bench.run(5, CALIBRATING) == [None, None]
    assert bench.run(1) == ["pair_suspect", None]


@pytest.mark.parametrize("named", [0, 1])
def test_events_follow_a_name_that_changes(bench, named):
    [bench.first, bench.second][named].ph += 0.5
    bench.run(15)
    bench.sampler.pair.suspect = 1 - named
    bench.events.clear()
    faults = ["pair_differs", "pair_suspect"] if named == 0 else ["pair_suspect", None]
    assert bench.run(1) == faults
    suspect = [FIRST, SECOND][1 - named]
    assert (FIRST, faults[0], suspect) in bench.began()
    ended = [(detail["channel"], detail["fault"]) for kind, detail in bench.events
             if kind == "fault_ended"]
    was = ["pair_suspect", "pair_differs"][named]
    assert (FIRST, was) in ended
    assert ((SECOND, "pair_suspect") in ended) == (named == 1)


def test_a_name_that_changes_ends_no_fault_of_the_first_itself(bench):
    bench.first.fault = "no_ack"
    for named in (1, 0):
        bench.sampler.pair.suspect = named
        assert bench.run(1)[0] == "no_ack"
    assert (FIRST, "no_ack") not in [(detail["channel"], detail["fault"])
                                     for kind, detail in bench.events if kind == "fault_ended"]
