"""The greenhouses that dosing once missed, on their first day."""

from pathlib import Path

import pytest

from idrosim.benchmark import case_file, run

CELLS = case_file.load(Path(__file__).parents[3] / "bench" / "cells" / "missed.toml")


@pytest.mark.parametrize("cell", CELLS, ids=[cell.name for cell in CELLS])
def test_a_fresh_fill_is_in_band_within_two_hours_and_stays_there(cell):
    found = run.run(cell, "idroserra", 1.0)
    assert found.to_band_h <= 2.0
    assert found.in_band_ratio >= 0.97
    assert found.over_ph <= 0.10
    assert found.over_ms_cm <= 0.1
