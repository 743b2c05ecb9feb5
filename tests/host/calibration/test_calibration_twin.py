"""Calibration of a worn probe with the real firmware: readings are right afterwards."""

import json

import pytest

from idro.protocol import settings
from idroserra.boards import compiler
from idroserra.calibration.errors import BadPoint
from idroserra.calibration.procedures import PROCEDURES, Measurement, PointRequest
from idroserra.calibration.reference_solutions import buffer_ph, standard_us_cm
from idroserra.calibration.stability import Reading, judge
from idroserra.image import build
from idrosim.runner import process
from support import analog_board
from support.simulated_board import KEY, START_UNIX_MS

BOARD = "esp32-reservoir"
MINUTE_MS = 60_000
TANK_C = 21.5
PLANT = {
    "reservoir.temp_c": TANK_C, "outside.temp_c": TANK_C,
    "probe.ph.slope_ratio": 0.93, "probe.ph.offset_mv": 14.0, "probe.ph.slope_loss_per_month": 0.0,
    "probe.ph.offset_walk_mv": 0.0, "probe.ec.cell_ratio": 1.12,
}
HOLD = {"command": {"verb": "hold", "args": {"for_ms": 60 * MINUTE_MS}, "by": "ada"}}


@pytest.fixture(scope="module", params=[BOARD, "analog"])
def run(request, tmp_path_factory):
    """run(name, settings, timeline, minutes): the lines of the greenhouse."""
    if request.param == BOARD:
        board, image_dir = compiler.load(BOARD), tmp_path_factory.mktemp("image")
        build.build_image(BOARD, image_dir)
    else:
        board, image_dir = analog_board.built(tmp_path_factory.mktemp("board"))

    def start(values, timeline, minutes):
        lines = []
        job = process.make_job(
            "node-1", board, tmp_path_factory.mktemp("node"), key=KEY, seed=11,
            start_unix_ms=START_UNIX_MS, settings=values, timeline=timeline, plant=PLANT,
            duration_ms=minutes * MINUTE_MS, trace_every_ms=10_000,
        )
        process.install_image(job, image_dir)
        process.run_lockstep(job, lines.append)
        return lines

    return start


def published(lines, leaf):
    """Every record of the node, once."""
    found = {}
    for line in lines:
        if line["t"] == "up" and line["topic"].endswith("/" + leaf):
            for record in json.loads(line["payload"])["records"]:
                found[record["seq"]] = record
    return [found[seq] for seq in sorted(found)]


def cup(minute, **values):
    return {"at_ms": minute * MINUTE_MS,
            "set": {f"probe.{key.replace('__', '.')}": value for key, value in values.items()}}


def calibrated(lines, kind_name, cups):
    """Take a point at the first moment in each cup at which it may be taken."""
    kind = PROCEDURES[kind_name]
    readings = [
        Reading(r["at_ms"], r["values"].get(kind.channel), r["faults"].get(kind.channel),
                r["values"].get("reservoir.temp_c"))
        for r in published(lines, "telemetry")
    ]
    values, taken = settings.defaults(), []
    for reference, minute in cups:
        since_ms, until_ms = minute * MINUTE_MS, (minute + 8) * MINUTE_MS
        for count, reading in enumerate(readings):
            if not since_ms <= reading.unix_ms < until_ms:
                continue
            seen = Measurement(
                readings[: count + 1], judge(readings[: count + 1], kind.limits, since_ms), values
            )
            try:
                taken.append(kind.take(PointRequest(reference), seen, taken))
                break
            except BadPoint as refusal:
                last = refusal
        else:
            pytest.fail(f"{reference} was never taken: {last}")
        print(f"{reference} after {(reading.unix_ms - since_ms) / 1_000:.0f} s")
    return kind.propose(taken, values)


def test_after_a_calibration_in_the_twin_the_tank_reads_right(run):
    timeline = [
        {"at_ms": 5 * MINUTE_MS, **HOLD},
        cup(6, ph__in_buffer_ph=buffer_ph("7.00", TANK_C)),
        cup(14, ph__in_buffer_ph=buffer_ph("4.01", TANK_C), ec__bubble_ratio=1.0),
        cup(22, ph__in_buffer_ph=buffer_ph("10.01", TANK_C), ec__bubble_ratio=0.0,
            ec__in_standard_us_cm=standard_us_cm("1413", TANK_C)),
        cup(30, ph__in_buffer_ph=0.0, ec__in_standard_us_cm=standard_us_cm("12880", TANK_C)),
        cup(38, ec__in_standard_us_cm=0.0),
    ]
    dosing = {"dosing.enabled": True, "reservoir.area_cm2": 3_000}
    lines = run(dosing, timeline, 46)
    ph = calibrated(lines, "ph", (("7.00", 6), ("4.01", 14), ("10.01", 22)))
    assert ph.results["slope_pct"] == pytest.approx(93, abs=0.5)
    assert ph.results["offset_mv"] == pytest.approx(14, abs=0.7)
    ec = calibrated(lines, "ec", (("dry", 14), ("1413", 22), ("12880", 30)))
    assert ec.results["cell"] == pytest.approx(1.12, rel=0.01)
    events = published(lines, "event")
    assert not any(e["kind"] == "dosed" and e["at_ms"] > 5 * MINUTE_MS for e in events)
    held = [e["detail"] for e in events if e["kind"] == "decided"]
    assert "calibration" in [one["reason"]["code"] for one in held if one["loop"] == "ph"]

    before, after = worst_error(lines, 4), worst_error(
        run(dosing | dict(ph.settings) | dict(ec.settings), [], 10), 4)
    assert before[0] > 0.15
    assert after[0] < 0.05
    assert before[1] > 0.08
    assert after[1] < 0.015


def worst_error(lines, from_minute):
    """Return the worst errors of (pH, EC as a share) in the minute from `from_minute` on."""
    truth = {line["at_ms"]: line["values"] for line in lines if line["t"] == "truth"}
    errors = []
    for record in published(lines, "telemetry"):
        if not 0 <= record["at_ms"] - from_minute * MINUTE_MS < MINUTE_MS:
            continue
        true = min(truth, key=lambda at_ms: abs(at_ms - record["at_ms"]))
        shown, values = record["values"], truth[true]
        errors.append((abs(shown["reservoir.ph"] - values["reservoir.ph"]),
                       abs(shown["reservoir.ec_us_cm"] / values["reservoir.ec_us_cm"] - 1)))
    assert len(errors) >= 5
    return tuple(max(pair[index] for pair in errors) for index in (0, 1))
