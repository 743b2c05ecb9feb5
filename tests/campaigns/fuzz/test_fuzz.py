"""The short variant of `make fuzz`, and earlier findings as regression tests."""

import random
from itertools import islice
from pathlib import Path

import pytest

from campaigns.fuzz import files, line_protocol, mutate
from campaigns.fuzz.targets import TARGETS

FOUND = Path(__file__).parent / "found"


@pytest.mark.parametrize("name", TARGETS)
def test_seeds_and_mutated_seeds_are_accepted_or_refused(name):
    target = TARGETS[name]
    seeds = list(target.seeds())
    count = 30 if name in ("board", "backup") else 150
    for data in (*seeds, b"", *islice(mutate.inputs(seeds, target.words, random.Random(name)),
                                      count)):
        target.check(data)


@pytest.mark.parametrize("path", sorted(FOUND.glob("*/*")), ids=lambda path: path.name)
def test_earlier_findings_stay_fixed(path):
    TARGETS[path.parent.name].check(path.read_bytes())


@pytest.mark.parametrize("campaign", [files.settings, files.board_files])
def test_mutated_files_are_refused_or_within_the_limits(campaign):
    done, wrong = campaign(200, 7, lambda: None)
    assert wrong == []
    assert len(done) > 1, "some are accepted and some refused"


@pytest.mark.parametrize("text", [
    "sample,site=a b=1 1\nsample b=1 1", "sample,site=a,site=b c=1 1", "sample b=1,b=2 1",
    "sample,site=a\\ b=1 1", "sample b=1", "sample b=NaN 1", "sample b= 1", 'sample b="a"c" 1',
    'sample b="a\\" 1', "sample,site= b=1 1", ",site=a b=1 1", "sample b=1 1 1", "sample b=1i1 1",
    "sample b=9223372036854775808i 1", "sample,site=a\\n b=1 1", "sample b=1 1e3", "",
])
def test_the_line_protocol_parser_is_strict(text):
    with pytest.raises(line_protocol.LineError):
        line_protocol.read(text)


def test_the_line_protocol_parser_reads_a_valid_line():
    line = line_protocol.read('sample,site=a\\ b\\,c\\=d,node=n ph=6.02,n=3i,t="x\\"y\\\\" 17')
    assert line == ("sample", {"site": "a b,c=d", "node": "n"}, {"ph": 6.02, "n": 3, "t": 'x"y\\'},
                    17)
