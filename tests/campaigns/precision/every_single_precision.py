"""Every scenario on floats of single precision: `make single-precision`."""

import pytest

from campaigns.precision.rounded_run import FOLDER, run
from campaigns.precision.single_precision import SINGLE_BITS
from idrosim.scenarios import run as scenario_run

NAMES = [file.stem for file in sorted(FOLDER.glob("*.toml")) if "lettuce" not in file.stem]
ONE_ML = 1.0


@pytest.mark.parametrize("name", NAMES)
def test_its_promises_are_kept_and_it_doses_the_same(name, tmp_path):
    found = scenario_run.load(FOLDER / f"{name}.toml")
    as_it_is = run(found, tmp_path / "double", None)
    on_board = run(found, tmp_path / "single", SINGLE_BITS)
    assert on_board.broken == []
    # A reading on a threshold to its last bit goes one way or the other; volumes stay.
    assert on_board.dosed_ml == pytest.approx(as_it_is.dosed_ml, rel=0.02, abs=ONE_ML)
