"""Short campaign: cases of the matrix, seeds and a hostile host violate no invariant, and the
invariants detect planted defects.

`make campaign-safety` runs all 3,150 cases and 500 seeds.
"""

import itertools
import json
import random
import statistics
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from idro.control import plausibility
from idroserra.boards import compiler
from idroserra.cli.main import main
from idroserra.cli.sim.app import app
from idroserra.image import build
from idrosim.campaign import case as random_case
from idrosim.campaign import fault_matrix, mutation, random_cases, run
from idrosim.campaign.invariants import CaseTerms, RunTrace, dosing
from idrosim.campaign.run import CaseId, Outcome
from idrosim.probes import water_probes
from idrosim.scenarios import events

DEFECTS = {
    defect.name: defect
    for defect in mutation.load(Path(__file__).resolve().parents[3] / "sim" / "defects")
}


def number(sensor, actuator, network, reset):
    """Return the index of a case of the matrix."""
    parts = (
        (fault_matrix.SENSORS, sensor),
        (fault_matrix.ACTUATORS, actuator),
        (fault_matrix.NETWORKS, network),
        (fault_matrix.RESETS, reset),
    )
    found = 0
    for choices, name in parts:
        found = found * len(choices) + list(choices).index(name)
    return found


UV_PER_PH = 177_000  # of the front end of an analog probe

# Covers each actuator, network and reset, and twelve sensor faults.
SPREAD = (
    ("ok", "200%", "up", "ledger-write"), ("stuck-last", "ok", "flapping", "pump-start"),
    ("stuck-7.00", "50%", "down", "none"), ("open-ramp", "dead", "up", "mid-dose"),
    ("in-air", "ok", "evil-host", "none"), ("no-number", "acid-base-swapped", "up", "none"),
    ("no-ack", "siphon", "partition", "ledger-write"), ("out-of-range", "ok", "up", "boot-loop"),
    ("spikes", "stuck-on", "slow-dup", "none"), ("drift", "200%", "evil-host", "pump-start"),
    ("stale", "ok", "up", "none"), ("ph-ec-swapped", "ok", "slow-dup", "mid-dose"),
)


@pytest.fixture(scope="module")
def board():
    return compiler.load(random_case.BOARD)


@pytest.fixture(scope="module")
def image_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("image")
    build.build_image(random_case.BOARD, folder)
    return folder


def test_the_matrix_is_complete():
    assert fault_matrix.COUNT == 15 * 7 * 6 * 5 == 3_150
    assert {part for names in SPREAD for part in names} >= {
        *fault_matrix.ACTUATORS, *fault_matrix.NETWORKS, *fault_matrix.RESETS,
    }


@pytest.mark.parametrize("make", [
    lambda: [fault_matrix.case(index) for index in range(0, fault_matrix.COUNT, 7)],
    lambda: [random_cases.case(seed) for seed in range(1, 200)],
], ids=["matrix", "seeds"])
def test_cases_differ_and_are_well_formed(make):
    cases = make()
    assert len({case.name for case in cases}) == len(cases)
    assert len({json.dumps(case.timeline) for case in cases}) > len(cases) // 2
    for case in cases:
        for key, value in case.plant.items():
            events.check_parameter(Path(case.name), "plant", key, value)
        times = [event["at_ms"] for event in case.timeline]
        assert times == sorted(times)
        for event in case.timeline:
            for key, value in event.get("set", {}).items():
                events.check_parameter(Path(case.name), "set", key, value)


def test_a_case_is_a_function_of_its_name():
    assert fault_matrix.case(1_234) == fault_matrix.case(1_234)
    assert random_cases.case(7) == random_cases.case(7)
    assert random_cases.case(7) != random_cases.case(8)


@pytest.mark.parametrize("names", SPREAD, ids=" x ".join)
def test_a_case_of_the_matrix_violates_no_invariant(names, board, image_dir):
    found = run.outcome(CaseId("matrix", number(*names), 1.2), board, image_dir)
    assert found.violations == ()
    assert found.doses > 0


@pytest.mark.parametrize("case", [
    pytest.param(299, id="a stuck pH is recalibrated again and again"),
    pytest.param(3094, id="swapped bottles look like a drift"),
    pytest.param(376, id="and again after a dose by hand"),
])
def test_cases_that_once_violated_an_invariant_pass(case, board, image_dir):
    found = run.outcome(CaseId("matrix", case, 6.0), board, image_dir)
    assert found.violations == ()


@pytest.mark.parametrize("seed", [11, 12])
def test_a_random_seed_violates_no_invariant(seed, board, image_dir):
    found = run.outcome(CaseId("seed", seed, 3.0), board, image_dir)
    assert found.violations == ()
    assert found.at_ms == 3 * random_case.HOUR_MS


def test_a_hostile_host_with_the_key_violates_no_invariant(board, image_dir):
    found = run.outcome(CaseId("evil", 3, 0.7, 1_400), board, image_dir)
    assert found.violations == ()
    assert found.doses > 0


def hanging(case):
    """Return the case with a hang of 20 s in its first dose."""
    hang = {"at_ms": 1_000, "fault": "hang", "args": {"for_ms": 20_000, "after_dose_ms": 300}}
    return replace(case, timeline=[hang, *case.timeline])


def without_circulation():
    """Return a case in which circulation is off whenever acid is requested."""
    case = fault_matrix.case(number("ok", "ok", "up", "none"), 0.4)
    timeline = []
    for at_ms in range(300_000, 1_400_000, 310_000):
        for name, later_ms, verb, args in (
            ("off", 0, "run", {"actuator": "circulation", "for_ms": 300_000, "duty_pct": 0}),
            ("acid", 60_000, "dose", {"actuator": "ph_down", "volume_ul": 1_000}),
        ):
            command = {"verb": verb, "args": args, "by": f"once-{name}-{at_ms}"}
            timeline.append({"at_ms": at_ms + later_ms, "command": command})
    return replace(case, timeline=timeline)


def failing_fills():
    """Return a case of an hour in which the tank leaks and a task fails in each fill."""
    case = fault_matrix.case(number("ok", "ok", "up", "none"), 1.0)
    args = {"error": "MemoryError", "coroutine": "_supervise", "after_fill_ms": 20_000}
    failures = [{"at_ms": at_ms, "fault": "task_fails", "args": args}
                for at_ms in range(300_000, 3_300_000, 600_000)]
    return replace(
        case, plant=case.plant | {"reservoir.leak_ml_per_h": 8_000.0},
        timeline=sorted([*case.timeline, *failures], key=lambda event: event["at_ms"]))


def test_random_days_fail_tasks_in_a_dose_in_a_fill_and_at_any_time():
    failures = [
        event["args"] for seed in range(1, 41) for event in random_cases.case(seed).timeline
        if event.get("fault") == "task_fails"]
    assert len(failures) > 100
    assert {one["error"] for one in failures} == {"MemoryError", "OSError", "RuntimeError"}
    assert {one["coroutine"] for one in failures} == {"", "_supervise"}
    assert any("after_dose_ms" in one for one in failures)
    assert any("after_fill_ms" in one for one in failures)
    assert any("after_dose_ms" not in one and "after_fill_ms" not in one for one in failures)


def test_failed_tasks_violate_no_invariant(board, image_dir):
    trace, found, _ = run.run_case(failing_fills(), board, image_dir)
    assert found == []
    failed = [detail["task"] for _, kind, detail in trace.events if kind == "restarted"]
    assert "control" in failed
    assert len(trace.spans["top_off"]) >= 2


DETECTED = {
    "off-all-unsettled": ("I6", failing_fills),
    "failed-task-left-on": ("I3", failing_fills),
    "no-budget-by-hand": ("I1", lambda: random_case.hostile_case(3, 1_800_000, 1_000)),
    "doses-unwatched": (
        "I7",
        lambda: fault_matrix.case(number("ok", "ok", "up", "boot-loop"), 0.5),
    ),
    "books-after-dosing": (
        "I6",
        lambda: fault_matrix.case(number("ok", "ok", "up", "mid-dose"), 0.5),
    ),
    "no-watchdog": (
        "I2",
        lambda: hanging(fault_matrix.case(number("ok", "ok", "up", "none"), 0.1)),
    ),
    "flat-signal-believed": (
        "I10",
        lambda: fault_matrix.case(number("stuck-last", "ok", "up", "none"), 2.0),
    ),
    "unsigned-runs": ("I21", lambda: random_case.hostile_case(3, 1_800_000, 1_000)),
    "doses-into-still-water": ("I15", without_circulation),
    "acid-meets-base": ("I1", lambda: random_case.hostile_case(3, 1_800_000, 1_000)),
}


@pytest.mark.parametrize("name", DETECTED)
def test_the_invariants_detect_broken_firmware(name, board, tmp_path):
    invariant, make = DETECTED[name]
    changed = mutation.mutated(DEFECTS[name], build.firmware_sources(), tmp_path)
    build.build_image(random_case.BOARD, tmp_path / "image", changed)
    _, found, _ = run.run_case(make(), board, tmp_path / "image")
    assert invariant in {violation.invariant for violation in found}


def cli(*words):
    return CliRunner().invoke(app, ["campaign", *words])


def test_the_command_prints_outcomes_and_resumes_from_its_file(tmp_path):
    resume = tmp_path / "outcomes.jsonl"
    words = ("--matrix", "--cases", "0-5", "--every", "5", "--hours", "0.2", "--json")
    done = cli(*words, "--resume", str(resume))
    assert done.exit_code == 0, done.output
    report = json.loads(done.output)
    assert {o["name"] for o in report["outcomes"]} == {"matrix-0", "matrix-5"}
    assert report["broken"] == 0
    lines = resume.read_text().splitlines()
    assert len(lines) == 2
    resume.write_text(lines[0] + "\n" + lines[1][:40])  # interrupted while writing
    again = json.loads(cli(*words, "--resume", str(resume)).output)
    assert {o["name"] for o in again["outcomes"]} == {"matrix-0", "matrix-5"}
    assert resume.read_text().splitlines()[0] == lines[0]
    assert len(resume.read_text().splitlines()) == 2


def test_a_trace_replays_a_case(tmp_path):
    trace = tmp_path / "trace.jsonl"
    words = ("--seeds", "1", "--first-seed", "5", "--hours", "0.1", "--json")
    assert cli(*words, "--trace", str(trace)).exit_code == 0
    first = trace.read_bytes()
    assert b'"t": "truth"' in first
    assert cli(*words, "--trace", str(trace)).exit_code == 0
    assert [line for line in trace.read_bytes().splitlines() if b'"wall_ms"' not in line] == [
        line for line in first.splitlines() if b'"wall_ms"' not in line
    ]


@pytest.mark.parametrize(("words", "why"), [
    (("--matrix", "--cases", "4000"), "outside 0-3149"),
    (("--matrix", "--cases", "x"), "a case such as 17"),
    (("--cases", "4"), "requires --matrix"),
    (("--trace", "x.jsonl"), "requires a single case, not 20"),
])
def test_invalid_arguments_give_one_error(words, why, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["idroserra", "sim", "campaign", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert why in capsys.readouterr().err


def outcome(index, ml, violations=()):
    return Outcome(
        CaseId("matrix", index, 6.0), f"matrix-{index}", "", "", violations, 21_600_000, 1_000, 0,
        1, {"dosed.ph_down_ml": ml}, 0, "image",
    )


def test_a_case_that_doses_differently_without_network_is_reported():
    online = number("ok", "ok", "up", "none")
    offline = fault_matrix.offline_twin(online)
    assert offline == number("ok", "ok", "down", "none")
    assert fault_matrix.offline_twin(number("ok", "ok", "up", "mid-dose")) is None
    asked = []

    def again(wanted, latency_ms):
        asked.append(latency_ms)
        assert wanted.number == online
        return outcome(online, 22.2 if latency_ms == 12 and is_chance else 20.0)

    is_chance = False
    assert run.offline_differs([outcome(online, 20.0), outcome(offline, 20.3)], again) == []
    assert asked == []
    pair = [outcome(online, 20.0), outcome(offline, 22.0)]
    assert run.offline_differs(pair, again) == [
        "matrix-5: I28: dosed.ph_down_ml 22.00 without network, 20.00 in matrix-0"
    ]
    assert asked == list(run.OTHER_LATENCIES_MS)
    is_chance = True
    assert run.offline_differs(pair, again) == []


def test_only_detectable_noise_forbids_doses():
    """A probe is as noisy as its glass is cold: 18 mV at 25 C are 0.3 pH, 15 C warmer half."""
    assert random_cases.warmest_noise_c(17.748, 0.3) == pytest.approx(25.0)
    assert random_cases.warmest_noise_c(17.748, 0.15) == pytest.approx(41.0, abs=0.01)
    for temp_c in (10.0, 41.0):
        noise_mv = 0.15 * 59.16 / water_probes.glass_ratio(temp_c)
        assert random_cases.warmest_noise_c(noise_mv, 0.15) == pytest.approx(temp_c)


@pytest.mark.parametrize(("temp_c", "count"), [(24.0, 2), (41.0, 1), (44.0, 0)])
def test_noise_in_water_too_warm_to_detect_it_forbids_nothing(temp_c, count):
    """Seed 910003: a heater warmed the water to 44 C, where a probe of 18 mV scatters by 0.13 pH,
    and control dosed 985 s into it."""
    plan = random_case.CasePlan(4 * random_case.HOUR_MS)
    plan.plant["probe.ph.noise_mv"] = 0.3
    plan.settings |= {"sample.every_ms": 10_000, "mixing.wait_ms": 300_000}
    random_cases.noise_silences(plan, 600_000, 6_000_000, plan.duration_ms)
    trace = RunTrace()
    trace.take({"t": "boot", "at_ms": 400, "cause": "power"})
    trace.take({"t": "truth", "at_ms": 60_000, "values": {"reservoir.temp_c": temp_c}})
    trace.take({"t": "pin", "at_us": 2_100_000_000, "name": "ph_down", "level": 1})
    trace.take({"t": "pin", "at_us": 2_101_000_000, "name": "ph_down", "level": 0})
    trace.finish()
    found = dosing.silences(trace, CaseTerms(silences=plan.terms["silences"]))
    assert [violation.invariant for violation in found] == ["I10"] * count


def test_seed_910003_forbids_no_dose_in_warm_water():
    silences = [one for one in random_cases.case(910003).terms.silences
                if one.text == "reservoir.ph is noisy" and one.from_ms == 66_494_652]
    assert [round(one.warmest_c) for one in silences] == [25, 41]


def test_a_manual_dose_before_noise_is_detectable_is_no_violation():
    """Noise of 0.18 pH read every 20 s, and a manual dose after seven samples. A hostile host may
    sample every 60 s."""
    at_ms = 53_334_843
    cold, warm = (one for one in random_cases.case(2002, 60.0).terms.silences
                  if one.text == "reservoir.ph is noisy" and one.from_ms < at_ms < one.until_ms)
    assert cold.warmest_c < 16.0
    assert warm.from_ms + warm.detect_ms > at_ms
    assert (warm.detect_ms, warm.most) == (140 * 60_000 + 120_000, 1 + 140 // 2)


def samples_until_noisy(noise_ph, rng):
    """Return the number of samples until the firmware detects that noise."""
    track = plausibility.ChannelPlausibility("ph")
    for count in itertools.count(1):
        burst = [rng.gauss(6.0, noise_ph) for _ in range(3)]
        spread_uv = (max(burst) - min(burst)) * UV_PER_PH
        value = statistics.median(burst)
        if track.check(value, spread_uv, count * 20_000, plausibility.UNDISTURBED) == "noisy":
            return count
    raise AssertionError("itertools.count never ends")


@pytest.mark.parametrize("noise_ph", [0.151, 0.2, 0.3, 0.6])
def test_noise_is_detected_within_the_samples_allowed_by_the_judge(noise_ph):
    rng = random.Random(17)
    worst = max(samples_until_noisy(noise_ph, rng) for _ in range(1_000))
    samples = next(n for least_ph, n in random_cases.NOISY_SAMPLES if noise_ph >= least_ph)
    assert worst <= samples <= 4 * worst


def test_a_foreign_file_is_refused(tmp_path):
    file = tmp_path / "outcomes.jsonl"
    file.write_text('{"x": 1}\n{"y": 2}\n')
    with pytest.raises(ValueError, match="line 1 is not an outcome"):
        run.read_outcomes(file)
