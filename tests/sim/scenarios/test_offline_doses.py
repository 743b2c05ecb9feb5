"""Tests three days without network: promises are kept, and all dosing edges equal those with
network (I28)."""

import json
from dataclasses import replace
from pathlib import Path

from idroserra.boards import compiler
from idroserra.image import build
from idrosim.scenarios import run as scenario_run

AWAY = Path(__file__).resolve().parents[3] / "sim" / "scenarios" / "network-away-72-hours.toml"
DOSERS = ("ph_down", "ph_up", "nutrient_a", "nutrient_b")


def run(wanted, image_dir, trace):
    """Return (broken promises, every edge of the dosing pump pins with time and level)."""
    result = scenario_run.run(wanted, compiler.load(wanted.board), image_dir, trace=trace)
    broken = [f"{v.expectation.text}: {v.why}" for v in result.verdicts if not v.is_kept]
    lines = map(json.loads, trace.read_text(encoding="utf-8").splitlines())
    return broken, [line for line in lines if line.get("pin") in DOSERS]


def test_72_hours_without_network_dose_as_with_network(tmp_path):
    away = scenario_run.load(AWAY)
    with_network = [event for event in away.timeline if "network" not in event]
    assert len(away.timeline) == len(with_network) + 1
    build.build_image(away.board, tmp_path / "image")
    broken, found = run(away, tmp_path / "image", tmp_path / "away.jsonl")
    assert not broken
    online = replace(away, timeline=with_network)
    _, expected = run(online, tmp_path / "image", tmp_path / "online.jsonl")
    assert len(expected) >= 40
    assert found == expected
