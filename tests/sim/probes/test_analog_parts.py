"""The firmware on a board with linear_analog for pH, EC, level, moisture: readings and dosing."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from idrosim.runner import process
from idrosim.scenarios import run as scenario_run
from support import analog_board
from support.simulated_board import START_UNIX_MS

SCENARIOS = Path(__file__).parents[3] / "sim" / "scenarios"
DAY_MS = 86_400_000
# What dosing may still do where a sen0161 fails, as the scenario states; test_linear_analog
# compares more failures reading by reading.
FAILURES = ("ph-probe-shorted", "water-thermometer-lost")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return analog_board.built(tmp_path_factory.mktemp("board"))


def lines_of(folder, made, **more):
    board, image = made
    job = process.make_job("node-1", board, folder, start_unix_ms=START_UNIX_MS, **more)
    process.install_image(job, image)
    said = []
    assert process.run_lockstep(job, said.append).resets == []
    return said


def published(said, leaf):
    return [record for line in said if line["t"] == "up" and line["topic"].endswith("/" + leaf)
            for record in json.loads(line["payload"])["records"]]


def test_reads_what_is_there(tmp_path, made):
    plant = {"probe.ph.slope_ratio": 1.0, "probe.ph.offset_mv": 0.0,
             "probe.ph.slope_loss_per_month": 0.0, "probe.ph.offset_walk_mv": 0.0,
             "probe.ec.cell_ratio": 1.0, "probe.ec.fouling_per_month": 0.0}
    said = lines_of(tmp_path, made, duration_ms=240_000, trace_every_ms=10_000, plant=plant)
    true = [line for line in said if line["t"] == "truth"][-1]["values"]
    last = published(said, "telemetry")[-1]
    for key, off in (("ph", 0.03), ("ec_us_cm", 15), ("level_mm", 3)):
        assert abs(last["values"][f"reservoir.{key}"] - true[f"reservoir.{key}"]) <= off, key
    assert last["values"]["bed.moisture_pct"] > 99
    assert not last["faults"]


def today(unix_ms):
    """Return a day as `ph.calibrated_day` counts."""
    return (unix_ms - 946_684_800_000) // DAY_MS


@pytest.mark.parametrize("name", FAILURES)
def test_dosing_survives_the_failures_of_a_probe(made, name):
    board, image = made
    scenario = scenario_run.load(SCENARIOS / f"{name}.toml")
    settings = dict(scenario.settings) | {"ph.calibrated_day": today(scenario.start_unix_ms)}
    result = scenario_run.run(replace(scenario, settings=settings), board, image)
    assert not [f"{v.expectation.text}: {v.why}" for v in result.verdicts if not v.is_kept]


@pytest.mark.parametrize(("age_days", "doses"), [(59, True), (61, False), (None, False)])
def test_an_old_calibration_or_none_gives_no_acid(made, age_days, doses):
    board, image = made
    scenario = scenario_run.load(SCENARIOS / "ph-probe-shorted.toml")
    day = 0 if age_days is None else today(START_UNIX_MS) - age_days
    found = replace(scenario, timeline=[], expectations=[], duration_ms=2_700_000,
                    start_unix_ms=START_UNIX_MS,
                    settings=dict(scenario.settings) | {"ph.calibrated_day": day})
    result = scenario_run.run(found, board, image)
    assert (result.doses["ph_down"]["count"] > 0) == doses
    assert result.measured["reservoir.ph"] > 6.0  # there is something to correct


@pytest.mark.parametrize("is_calibrated", [True, False])
def test_a_correction_waits_for_the_first_calibration(made, is_calibrated):
    board, image = made
    scenario = scenario_run.load(SCENARIOS / "fresh-fill-corrected.toml")
    day = today(scenario.start_unix_ms) if is_calibrated else 0
    found = replace(scenario, expectations=[], duration_ms=1_500_000,
                    settings=dict(scenario.settings) | {"ph.calibrated_day": day})
    result = scenario_run.run(found, board, image)
    assert (result.doses["ph_down"]["count"] > 0) == is_calibrated


def test_a_cut_cable_is_a_fault_of_that_channel_only(tmp_path, made):
    cut = ("reservoir.ph", "reservoir.level_mm", "bed.moisture_pct")
    said = lines_of(tmp_path, made, duration_ms=240_000, timeline=[
        {"at_ms": 60_000 * (1 + index), "fault": "unplugged", "args": {"target": target}}
        for index, target in enumerate(cut)])
    records = published(said, "telemetry")
    for index in range(1, 4):
        record = [r for r in records if r["at_ms"] < 60_000 * (1 + index)][-1]
        assert record["faults"] == {key: "saturated" for key in cut[:index]} | (
            {"reservoir.volume_ml": "saturated"} if index > 1 else {})
        assert "reservoir.ec_us_cm" in record["values"]
