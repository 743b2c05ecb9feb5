"""Tests that every shipped scenario is valid and keeps its promises.

Of close relatives one runs, and all with `make campaign-scenarios`. The week and the crop of
lettuce run in full with `idroserra sim run`, test_offline_doses runs three days without network.
"""

import json
import os
import re
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

from idro.protocol.reasons import REASONS
from idroserra.boards import compiler
from idroserra.image import build as image_build
from idrosim.scenarios import run as scenario_run
from idrosim.scenarios.expectations import Evidence, Expectation, evaluate
from idrosim.scenarios.trace_reader import TraceReader
from support.readable_events import readable
from support.run_once import once

FOLDER = Path(__file__).resolve().parents[3] / "sim" / "scenarios"
FILES = sorted(FOLDER.glob("*.toml"))
PAGE = FOLDER.parents[1] / "docs" / "scenarios.md"
ELSEWHERE = {"lettuce-7-days", "lettuce-35-days", "network-away-72-hours"}
# {scenario that runs on request: its relative that always runs}
RELATIVES = {
    "brown-out-every-second": "brown-out-loop", "ec-probe-bubbles": "ec-probe-bubble",
    "hard-water-1000-l": "hard-water-20-l", "heater-weak": "heater-relay-welded",
    "hot-reservoir": "cold-water-15-c", "latch-released-at-once": "latch-hidden-by-a-stop",
    "network-outage": "flash-full", "neutral-at-any-temperature": "cold-water-15-c",
    "new-node-unread": "new-node", "oxygen-falls": "circulation-stuck-off",
    "ph-probe-old": "ph-probe-slow", "power-cut-in-flash-operations": "power-cut-in-every-dose",
    "probe-gap-hard-water": "probe-unplugged", "pump-drip": "pump-strong",
    "pump-weak": "pump-line-empty", "ro-water-1000-l": "ro-water-20-l", "rtc-lost": "clock-jumps",
    "slow-link": "lossy-link", "soft-water-20-l": "ro-water-20-l",
    "warm-day-cooled": "vpd-kept-in-band", "wifi-password-wrong": "broker-refuses"}
ON_REQUEST = () if os.environ.get("IDROSERRA_SCENARIOS") == "all" else RELATIVES
SHORT = [file.stem for file in FILES if file.stem not in {*ELSEWHERE, *ON_REQUEST}]


@pytest.fixture(scope="module")
def image_dir(tmp_path_factory):
    """Return the folder with the images of all boards of scenarios."""
    def build(folder):
        for board in {scenario_run.load(file).board for file in FILES}:
            image_build.build_image(board, folder / board)

    return once(tmp_path_factory, "images-of-scenarios", build)


def run(found, image_dir, **more):
    return readable(
        scenario_run.run(found, compiler.load(found.board), image_dir / found.board, **more))


def broken(result):
    return [f"{v.expectation.text}: {v.why}" for v in result.verdicts if not v.is_kept]


def outcome(name, image_dir):
    """Return (speed-up, broken promises) of a shipped scenario; runs in a process pool."""
    result = run(scenario_run.load(FOLDER / f"{name}.toml"), image_dir)
    return result.speed_up, broken(result)


@pytest.fixture(scope="module")
def outcomes(request, image_dir):
    """Return a function that returns the outcome of a scenario, computed ahead, two at a time."""
    wanted = [
        item.callspec.params["name"] for item in request.session.items
        if getattr(item, "originalname", "") == "test_promises_are_kept"]
    if "PYTEST_XDIST_WORKER" in os.environ:  # the other workers run the rest
        yield lambda name: outcome(name, image_dir)
        return
    with ProcessPoolExecutor(2) as pool:
        futures = {name: pool.submit(outcome, name, image_dir) for name in wanted}
        yield lambda name: futures[name].result()


@pytest.mark.parametrize("name", SHORT)
def test_promises_are_kept(name, outcomes, capfd):
    speed_up, wrong = outcomes(name)
    with capfd.disabled():
        print(f"\n{name}: {speed_up:,.0f} times real time ", end="")
    assert not wrong


def test_there_are_enough_scenarios_each_with_a_sentence():
    assert len(FILES) >= 40
    texts = [scenario_run.load(file).text for file in FILES]
    assert len(set(texts)) == len(texts)
    assert all(text.endswith(".") for text in texts)
    assert {*RELATIVES, *RELATIVES.values()} <= {file.stem for file in FILES} - ELSEWHERE
    assert not set(RELATIVES) & set(RELATIVES.values())


def test_the_page_lists_every_scenario_with_its_sentence():
    page = PAGE.read_text("utf-8").partition("\n## The scenarios\n")[2]
    rows = dict(re.findall(r"^\| `([a-z0-9-]+)` \| (.+) \|$", page, re.M))
    assert rows == {file.stem: scenario_run.load(file).text for file in FILES}


def test_reasons_in_promises_are_codes_of_the_contract():
    wanted = [
        promise.where["reason"] for file in FILES
        for promise in scenario_run.load(file).expectations if "reason" in promise.where]
    assert wanted
    for reason in wanted:
        code, *values = (reason,) if isinstance(reason, str) else (reason["code"], *reason)
        assert code in REASONS
        assert set(values) <= {"code", *REASONS[code].values}


def test_a_reason_is_picked_by_its_code_and_values():
    why = {"code": "no_ph", "values": {"fault": "flat"}}
    events = [
        (1, "decided", {"loop": "ph", "reason": why}),
        (2, "decided", {"loop": "ph", "reason": {"code": "advice", "values": {"why": why}}}),
    ]
    evidence = Evidence(events=events)

    def count(**where):
        verdict = evaluate(promise("always", 1, 1, "events:decided", where=where), evidence)
        return verdict.is_kept

    assert count(reason="no_ph")
    assert count(reason={"code": "no_ph", "fault": "flat"})
    assert not count(reason={"code": "no_ph", "fault": "noisy"})
    assert count(reason={"code": "advice", "why": "no_ph"})
    assert not count(reason="flat")


def test_a_scenario_runs_the_same_twice_and_leaves_a_trace(image_dir, tmp_path):
    found = scenario_run.with_changes(scenario_run.load(FOLDER / "lettuce-7-days.toml"), days=0.1)
    progress = []
    for name in ("first", "again"):
        run(found, image_dir, trace=tmp_path / name, on_progress=progress.append)
    first = (tmp_path / "first").read_bytes()
    assert first == (tmp_path / "again").read_bytes()
    assert b'"measured"' in first
    assert b'"true"' in first
    assert progress[-1] == 1.0


def test_a_broken_promise_is_reported_with_time_and_value(image_dir):
    found = scenario_run.with_changes(scenario_run.load(FOLDER / "stop-button.toml"), days=0.1)
    result = run(found, image_dir)
    report = result.to_json()
    assert not result.is_kept
    assert report["kept"] is False
    assert report["promises"][-1]["why"].endswith("first 0 at 03:00:00")
    assert report["doses"]["ph_down"]["count"] >= 1


def test_a_killed_broker_loses_messages_and_operations_are_listed(tmp_path):
    more = EVENT + 'network = "broker_killed"\nunsaved = "3s"\nlasts = "4s"\n' + EVENT + (
        'fault = "power_cut"\noperation = [1, 2]\nwritten = [0, 0.5]\ntimes = 5\nevery = "1h"'
    )
    found = scenario_run.load(write(tmp_path, more=more)).timeline
    hour_ms = 3_600_000
    assert [(e["at_ms"] - hour_ms, e["network"]) for e in found if "network" in e] == [
        (0, "host_down"), (3_000, "broker_down"), (7_000, "up"),
    ]
    cuts = [(e["args"]["operation"], e["args"]["written"]) for e in found if "fault" in e]
    assert cuts == [(1, 0), (1, 0.5), (2, 0), (2, 0.5), (1, 0)]


def test_arrived_messages_are_counted():
    observer = TraceReader(frozenset({"records:conflicts", "records:holes", "messages:event"}))
    observer.take({"t": "boot", "at_ms": 0, "cause": "power"})
    for at_ms, seq, kind in ((10, 1, "armed"), (20, 1, "armed"), (30, 4, "armed"), (40, 4, "x")):
        record = {"seq": seq, "at_ms": at_ms, "kind": kind, "detail": {}}
        batch = json.dumps({"boot_id": "b", "records": [record if seq == 4 else record | {
            "at_ms": 10}]})
        observer.take({"t": "up", "at_ms": at_ms, "topic": "idro/v1/n/up/event", "payload": batch})
    observer.finish()

    def exactly(count, signal, **more):
        return evaluate(promise("always", count, count, signal, **more), observer.evidence).is_kept

    assert exactly(2, "records:holes")
    assert exactly(1, "records:conflicts")
    assert exactly(4, "messages:event")
    assert exactly(2, "messages:event", after_ms=15, before_ms=30)


def test_settings_the_node_refuses_are_an_error(image_dir, tmp_path):
    with pytest.raises(scenario_run.ScenarioError, match="settings: never became active"):
        run(scenario_run.load(write(tmp_path, settings="ph.target = 99")), image_dir)


CHANGED = """
[[event]]
at = "2min"
settings = { light.on_minutes = 0 }
[[event]]
at = "10min"
fault = "reset"
[[event]]
at = "15min"
settings = { sample.every_ms = 20_000 }
"""


def test_settings_change_at_run_time_and_survive_a_reset(image_dir, tmp_path):
    dark = 'text = "x"\nsignal = "true:light.ppfd_umol_m2_s"\nalways = [0, 0]\nafter = "4min"'
    twice = '\n[[promise]]\ntext = "y"\nsignal = "events:configured"\nalways = [3, 3]'
    file = write(tmp_path, "hours = 0.4", settings="light.ramp_minutes = 0", more=CHANGED,
                 promise=dark + twice)
    result = run(scenario_run.load(file), image_dir)
    assert broken(result) == []
    assert result.resets == ["reset"]


def test_a_change_the_node_refuses_is_an_error(image_dir, tmp_path):
    more = '[[event]]\nat = "1min"\nsettings = { ph.target = 99 }'
    with pytest.raises(scenario_run.ScenarioError, match="event.settings: never became active"):
        run(scenario_run.load(write(tmp_path, more=more)), image_dir)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_scenario_matches_its_board(file):
    found = scenario_run.load(file)
    assert found.name == file.stem
    scenario_run.check_board(found, compiler.load(found.board))


def write(folder, head="hours = 0.1", plant="", settings="", more="", promise=None):
    file = folder / "made.toml"
    if promise is None:
        promise = 'text = "x"\nsignal = "true:reservoir.ph"\nalways = [4, 8]'
    file.write_text(
        f'[scenario]\ntext = "made"\n{head}\n[plant]\n{plant}\n[settings]\n{settings}\n{more}\n'
        f"[[promise]]\n{promise}\n", encoding="utf-8",
    )
    return file


EVENT = '[[event]]\nat = "1h"\n'
REFUSED = {
    "no length": ({"head": ""}, "scenario.days: expected either days or hours"),
    "two lengths": ({"head": "days = 1\nhours = 1"}, "scenario.days: expected either"),
    "negative length": ({"head": "days = -1"}, "scenario.days: expected more than 0"),
    "length as text": ({"head": 'days = "1"'}, "scenario.days: expected a number"),
    "unknown key": ({"head": "days = 1\naddressx = 1"}, "scenario.addressx: unknown key"),
    "unknown parameter": ({"plant": "reservoir.volum_ml = 1"}, "plant.reservoir.volum_ml: "),
    "parameter out of range": ({"plant": "reservoir.volume_ml = 1"}, "reservoir.volume_ml: "),
    "unknown probe parameter": ({"plant": "probe.ph.ofset_mv = 1"}, "plant.probe.ph.ofset_mv"),
    "bad time": ({"more": '[[event]]\nat = "soon"\nnetwork = "up"'}, "event[1].at: expected"),
    "event without kind": ({"more": EVENT}, "event[1].at: an event has one of"),
    "event of two kinds": ({"more": EVENT + 'network = "up"\nfault = "reset"'}, "has one of"),
    "no settings": ({"more": EVENT + "settings = {}"}, "event[1].settings: expected at least one"),
    "unknown fault": ({"more": EVENT + 'fault = "eaten"'}, "event[1].fault: 'eaten' is not"),
    "fault without target": ({"more": EVENT + 'fault = "stuck"'}, "event[1].target: is missing"),
    "unknown network": ({"more": EVENT + 'network = "off"'}, "event[1].network: 'off' is not one"),
    "argument of another network": ({"more": EVENT + 'network = "up"\nlasts = "1s"'},
                                    "event[1].lasts: unknown key"),
    "slow without anything": ({"more": EVENT + 'network = "slow"'},
                              "event[1].network: slow needs one of delay, bytes_per_s, loss"),
    "loss": ({"more": EVENT + 'network = "slow"\nloss = 1.5'}, "event[1].loss: expected 0 to 0.9"),
    "Wi-Fi status": ({"more": EVENT + 'network = "wifi_refused"\nstatus = 404'},
                     "event[1].status: expected 200 to 204"),
    "operation": ({"more": EVENT + 'fault = "power_cut"\noperation = 0'},
                  "event[1].operation: expected 1 to 100000"),
    "half an operation": ({"more": EVENT + 'fault = "power_cut"\noperation = 1.5'},
                          "event[1].operation: expected whole numbers"),
    "no operation": ({"more": EVENT + 'fault = "power_cut"\noperation = []'},
                     "event[1].operation: expected 1 to 100000"),
    "written": ({"more": EVENT + 'fault = "brown_out"\noperation = 1\nwritten = [0, 2]'},
                "event[1].written: expected 0 to 1"),
    "written without an operation": ({"more": EVENT + 'fault = "power_cut"\nwritten = 1'},
                                     "event[1].written: unknown key"),
    "operations of no path": (
        {"more": EVENT + 'fault = "power_cut"\noperation = 1\ntarget = "ledger"'},
        "event[1].target: expected the start of a path"),
    "corrupt without a file": ({"more": EVENT + 'fault = "flash_corrupt"'},
                               "event[1].target: is missing"),
    "corrupt no path": ({"more": EVENT + 'fault = "flash_corrupt"\ntarget = "ledger"'},
                        "event[1].target: expected a path such as"),
    "byte": ({"more": EVENT + 'fault = "flash_corrupt"\ntarget = "/a"\nbyte = "last"'},
             "event[1].byte: expected a whole number"),
    "free blocks": ({"more": EVENT + 'fault = "flash_full"\nfree_blocks = -1'},
                    "event[1].free_blocks: expected 0 to"),
    "unknown verb": ({"more": EVENT + 'command = "sing"'}, "event[1].command: 'sing' is not one"),
    "one bracket": ({"more": '[event]\nat = "1h"'}, "event: write [[event]]"),
    "clock": ({"more": EVENT + 'clock = "soon"'}, "event[1].clock: expected a time"),
    "times without every": ({"more": EVENT + 'network = "up"\ntimes = 2'}, "every: is missing"),
    "times": ({"more": EVENT + 'network = "up"\ntimes = 0'}, "times: expected 1 to 10000"),
    "unknown table": ({"more": "[promises]\nx = 1"}, "promises: unknown table"),
    "promise without form": ({"promise": 'text = "x"\nsignal = "true:a"'}, "promise has one of"),
    "unknown signal": ({"promise": 'text = "x"\nsignal = "ph"\nalways = [1, 2]'},
                       "promise[1].signal: 'ph' is not one of"),
    "bad bounds": ({"promise": 'text = "x"\nsignal = "true:a"\nalways = [1]'},
                   "promise[1].always: expected [low, high]"),
    "crossed bounds": ({"promise": 'text = "x"\nsignal = "true:a"\nalways = [2, 1]'},
                       "low 2 is above high 1"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_malformed_scenario_is_one_error_that_names_file_and_key(name, tmp_path):
    changes, expected = REFUSED[name]
    file = write(tmp_path, **changes)
    with pytest.raises(scenario_run.ScenarioError) as caught:
        scenario_run.load(file)
    assert str(caught.value).startswith(f"{file}: ")
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


def test_invalid_toml_and_a_missing_file_are_scenario_errors(tmp_path):
    file = tmp_path / "made.toml"
    with pytest.raises(scenario_run.ScenarioError, match="cannot be read"):
        scenario_run.load(file)
    file.write_bytes(b"[scenario\n")
    with pytest.raises(scenario_run.ScenarioError, match="invalid TOML"):
        scenario_run.load(file)
    file.write_text('[scenario]\ntext = "x"\nhours = 1\n', encoding="utf-8")
    with pytest.raises(scenario_run.ScenarioError, match="needs at least one"):
        scenario_run.load(file)


def test_a_target_the_board_lacks_is_refused(tmp_path):
    more = EVENT + 'fault = "stuck"\ntarget = "reservoir.co2_ppm"'
    found = scenario_run.load(write(tmp_path, more=more))
    with pytest.raises(
        scenario_run.ScenarioError, match="'reservoir.co2_ppm' is not one of adc.main"
    ):
        scenario_run.check_board(found, compiler.load(found.board))


def promise(form, low, high, signal="true:x", **more):
    return Expectation("x", signal, form, low, high, **more)


def test_conditions_are_evaluated_on_the_samples_in_their_time_span():
    evidence = Evidence()
    for at_ms, value in ((0, 1.0), (10, 2.0), (20, 3.0), (30, 9.0)):
        evidence.add("true:x", at_ms, value)
    assert evaluate(promise("always", 1, 3, before_ms=20), evidence).is_kept
    assert not evaluate(promise("always", 1, 3), evidence).is_kept
    assert evaluate(promise("never", 9, 9, before_ms=29), evidence).is_kept
    assert not evaluate(promise("never", 9, 9), evidence).is_kept
    assert evaluate(promise("eventually", 9, 9), evidence).is_kept
    assert evaluate(promise("within", 1, 3, fraction=0.75), evidence).is_kept
    assert not evaluate(promise("within", 1, 3, fraction=0.76), evidence).is_kept
    assert not evaluate(promise("always", 0, 99, after_ms=31), evidence).is_kept


def test_pumped_time_is_evaluated_over_the_worst_span():
    evidence = Evidence(runs={"x": [(0, 4_000_000), (5_000_000, 8_000_000)]})

    def most(seconds, **more):
        return promise("always", 0, seconds, "pumped_s:x", **more)

    assert evaluate(most(7), evidence).is_kept
    assert not evaluate(most(6.9), evidence).is_kept
    assert evaluate(most(4.01, per_ms=5_000), evidence).is_kept
    assert not evaluate(most(3.99, per_ms=5_000), evidence).is_kept
    assert evaluate(most(1.5, after_ms=3_000, before_ms=5_500), evidence).is_kept
    assert evaluate(most(0, after_ms=9_000), evidence).is_kept


def test_the_gap_between_runs_of_two_outputs_is_measured():
    runs = {"a": [(0, 1_000_000), (2_000_000, 3_000_000)], "b": [(64_000_000, 65_000_000)]}
    evidence = Evidence(runs=runs)
    assert evaluate(promise("always", 61, 61, "apart_s:a,b"), evidence).is_kept
    assert not evaluate(promise("always", 61.1, 99, "apart_s:a,b"), evidence).is_kept
    assert not evaluate(promise("always", 0, 99, "apart_s:a,c"), evidence).is_kept
    assert evaluate(promise("always", 1, 1, "longest_s:a"), evidence).is_kept
    runs["b"].append((500_000, 700_000))
    assert evaluate(promise("eventually", -0.5, -0.5, "apart_s:a,b"), evidence).is_kept


def test_the_error_is_the_measured_minus_the_true_value():
    evidence = Evidence()
    for at_ms, value in ((0, 6.0), (60_000, 7.0)):
        evidence.add("true:x", at_ms, value)
    evidence.add("measured:x", 30_000, 6.75)
    evidence.add("measured:x", 90_000, 9.0)  # after the last trace: not evaluated
    assert evaluate(promise("always", 0.25, 0.25, "error:x"), evidence).is_kept
    assert not evaluate(promise("always", 0.26, 1, "error:x"), evidence).is_kept


def test_events_are_counted_by_kind_detail_and_span():
    events = [(0, "dosed", {"actuator": "a"}), (10, "dosed", {"actuator": "b"}),
              (15, "dosed", {"actuator": "a"}), (20, "refused", {})]
    evidence = Evidence(events=events)

    def exactly(count, **more):
        return evaluate(promise("always", count, count, "events:dosed", **more), evidence).is_kept

    assert exactly(3)
    assert exactly(2, where={"actuator": "a"})
    assert exactly(2, per_ms=10)
    assert exactly(1, per_ms=5)
    assert exactly(1, after_ms=12)
