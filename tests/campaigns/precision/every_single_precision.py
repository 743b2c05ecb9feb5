"""`make single-precision`: every scenario with single-precision floats."""

import pytest

from campaigns.precision.rounded_run import FOLDER, run
from campaigns.precision.single_precision import SINGLE_BITS
from idrosim.scenarios import run as scenario_run

NAMES = [file.stem for file in sorted(FOLDER.glob("*.toml")) if "lettuce" not in file.stem]
ONE_ML = 1.0


@pytest.mark.parametrize("name", NAMES)
def test_promises_hold_and_the_doses_are_the_same(name, tmp_path):
    found = scenario_run.load(FOLDER / f"{name}.toml")
    double = run(found, tmp_path / "double", None)
    single = run(found, tmp_path / "single", SINGLE_BITS)
    assert single.broken == []
    # Rounding may move a reading across a threshold, but hardly changes the volumes.
    assert single.dosed_ml == pytest.approx(double.dosed_ml, rel=0.02, abs=ONE_ML)
