"""Runs a scenario with the firmware in double precision or in a reduced one."""

import json
from dataclasses import dataclass
from pathlib import Path

from campaigns.precision.single_precision import rounded
from idroserra.boards import compiler
from idroserra.image import build
from idrosim.scenarios import run as scenario_run

FOLDER = Path(__file__).resolve().parents[3] / "sim" / "scenarios"
DOSERS = ("ph_down", "ph_up", "nutrient_a", "nutrient_b")


@dataclass
class Run:
    """Result of a run: edges of the dosing pumps, broken promises, true ml of each pump."""

    edges: list[tuple[str, int, int]]
    broken: list[str]
    dosed_ml: dict[str, float]


def run(found, folder, mantissa_bits):
    """Run a scenario with floats of `mantissa_bits`; None leaves the firmware unchanged."""
    sources = build.firmware_sources()
    folder.mkdir()
    if mantissa_bits is not None:
        sources = rounded(sources, folder, mantissa_bits)
    build.build_image(found.board, folder / "image", sources)
    trace = folder / "trace.jsonl"
    result = scenario_run.run(found, compiler.load(found.board), folder / "image", trace=trace)
    lines = map(json.loads, trace.read_text(encoding="utf-8").splitlines())
    return Run(
        [(line["pin"], line["at_us"], line["level"]) for line in lines
         if line.get("pin") in DOSERS],
        [f"{v.expectation.text}: {v.why}" for v in result.verdicts if not v.is_kept],
        {name: dose["true_ml"] for name, dose in result.to_json()["doses"].items()},
    )
