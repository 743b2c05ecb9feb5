"""Tests of bench/where.py: it times all parts, and names a missing method."""

import importlib.util
import sys
from pathlib import Path

import pytest

from idroserra.image import build
from idrosim.runner import process
from idrosim.scenarios import run

ROOT = Path(__file__).resolve().parents[3]
DAYS = 0.03
# Without wrapped methods, 99 % goes to one of these; a busy machine blurs the shares.
MOST = {"scheduling": 0.9, "start of the firmware": 0.9}


@pytest.fixture
def bench(monkeypatch):
    """Return bench/bench_sim.py as a module."""
    spec = importlib.util.spec_from_file_location("bench_sim", ROOT / "bench" / "bench_sim.py")
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "bench_sim", module)
    spec.loader.exec_module(module)
    return module


def where(bench, folder, sources=None, days=DAYS):
    wanted = run.with_changes(run.load(bench.WEEK), days=days)
    build.build_image(wanted.board, folder / "image", sources)
    return bench.where(wanted, folder / "image", folder / "node")


def test_every_part_has_a_share_of_the_time(bench, tmp_path):
    parts = where(bench, tmp_path)
    whole_us = sum(parts.values())
    assert all(us > 0 for part, us in parts.items() if part not in bench.OPTIONAL_PARTS), parts
    assert all(parts[part] < most * whole_us for part, most in MOST.items()), parts
    assert process.START.name == "main.py"


@pytest.mark.parametrize(("file", "method", "missing"), [
    ("idro/app/control_cycle.py", "cycle", "idro.app.control_cycle.ControlCycle.cycle"),
    ("idro/safety/supervisor.py", "_supervise", "idro.safety.supervisor.Supervisor._supervise"),
])
def test_a_missing_method_is_named(bench, tmp_path, file, method, missing):
    sources = build.firmware_sources()
    renamed = tmp_path / "renamed.py"
    renamed.write_text(sources[file].read_text("utf-8").replace(f"def {method}(", "def _gone("))
    with pytest.raises(process.SimulatorError, match=f"where.py: no method {missing}"):
        where(bench, tmp_path, {**sources, file: renamed})


def test_a_part_without_time_is_an_error(bench, tmp_path):
    with pytest.raises(process.SimulatorError, match="no time measured in .*firmware sampling"):
        where(bench, tmp_path, days=1e-5)  # ends before the firmware starts
