"""Tests of the planted defects: the list fits the firmware, and scenarios detect them.

Three defects run here, all of them with `make mutate`.
"""

from pathlib import Path

import pytest

from idroserra.boards import compiler
from idroserra.cli.sim.app import build_mutated
from idroserra.image import build
from idrosim.campaign import mutation

FOLDER = Path(__file__).resolve().parents[3] / "sim" / "scenarios"
DEFECTS = mutation.load(FOLDER.parent / "defects")
BY_NAME = {defect.name: defect for defect in DEFECTS}


def outcome_of(defect):
    sources = build.firmware_sources()
    return mutation.run_defect(defect, FOLDER, sources, build_mutated, compiler.load)


def test_there_are_enough_defects_with_existing_scenarios():
    assert len(BY_NAME) == len(DEFECTS) >= 12
    assert {name for d in DEFECTS for name in d.scenarios} <= {
        file.stem for file in FOLDER.glob("*.toml")
    }


@pytest.mark.parametrize("defect", DEFECTS, ids=lambda defect: defect.name)
def test_every_defect_still_fits_the_firmware(defect, tmp_path):
    sources = build.firmware_sources()
    changed = mutation.mutated(defect, sources, tmp_path)
    assert {path for path in sources if changed[path] != sources[path]} == {
        file for file, _, _ in defect.changes
    }


@pytest.mark.parametrize("name", ["cut-off-not-armed", "retained-runs", "acid-meets-base"])
def test_a_defect_is_caught(name):
    outcome = outcome_of(BY_NAME[name])
    assert outcome.caught_by in BY_NAME[name].scenarios, outcome.why


def test_an_undetected_defect_has_survived():
    harmless = mutation.Defect(
        "harmless", "Changes a comment.", ("retained-command",),
        (("idro/app/clock.py", "runs on", "runs on"),),
    )
    with pytest.raises(mutation.MutationError, match="0 times, not once"):
        outcome_of(harmless)
    harmless = mutation.Defect(
        "harmless", "Changes a comment.", ("retained-command",),
        (("idro/safety/gate.py", "the one path", "the only path"),),
    )
    outcome = outcome_of(harmless)
    assert outcome.caught_by is None


def test_a_bad_list_is_one_error(tmp_path):
    file = tmp_path / "defects.toml"
    with pytest.raises(mutation.MutationError, match="defects.toml"):
        mutation.load(file)
    file.write_text("[[defect]]\nname = 'x'\n")
    with pytest.raises(mutation.MutationError, match="text"):
        mutation.load(file)
