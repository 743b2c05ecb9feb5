"""A few cases of `make campaign-pairs`, and that it counts what went wrong."""

import msgspec
import pytest

from campaigns.pairs import campaign
from campaigns.pairs.paired_tank import run_case
from campaigns.pairs.probe_faults import KINDS


@pytest.mark.parametrize("kind", ["cable-break", "swapped-buffers", "dry-out", "noise"])
def test_a_failed_probe_is_named_and_no_dose_is_given_on_its_lie(kind):
    outcome = run_case(list(KINDS).index(kind))
    assert outcome.named == outcome.wrong
    assert campaign.failures([outcome]) == []
    assert campaign.counts(outcome)


RIGHT = campaign.Outcome(
    number=7, kind="stuck", cell="ro", wrong=1, first=1, named=1, code="pair_deaf", hours=2.0,
    lied=True, early=False, lied_doses=1, blind_doses=0, worst_hour=1.0, worst_day=1.0,
    signs=[], days=3.0)


def test_a_case_that_kept_every_promise_is_no_failure():
    assert campaign.failures([RIGHT]) == []
    assert campaign.share_named([RIGHT]) == 1


@pytest.mark.parametrize("wrong", [
    {"early": True}, {"lied_doses": 2}, {"blind_doses": 1}, {"worst_hour": 1.01},
    {"worst_day": 1.01}])
def test_each_broken_promise_is_a_failure(wrong):
    assert len(campaign.failures([msgspec.structs.replace(RIGHT, **wrong)])) == 1


@pytest.mark.parametrize("other", [{"named": 0}, {"named": None}, {"early": True}])
def test_only_the_wrong_probe_counts_as_named(other):
    outcomes = [RIGHT, msgspec.structs.replace(RIGHT, **other)]
    assert campaign.share_named(outcomes) == 0.5


def test_the_name_that_stands_counts_and_the_first_is_told():
    renamed = msgspec.structs.replace(RIGHT, first=0)
    assert campaign.share_named([RIGHT, renamed]) == 1
    assert campaign.share_named([RIGHT, renamed], "first") == 0.5


def test_a_fault_that_never_shows_does_not_count():
    assert not campaign.counts(msgspec.structs.replace(RIGHT, named=None, lied=False))
    assert campaign.counts(msgspec.structs.replace(RIGHT, named=None, lied=True))
