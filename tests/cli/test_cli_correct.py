"""`idroserra node correct`, end-correction and titrate against a running host."""

import json
import os
import pty
import signal
import subprocess
import sys
import threading

import pytest

from idro.protocol.reason import Reason
from support.command_line import idroserra, read_until

STATE = {"actuator": "ph_down", "given_ul": 0, "left_ul": 400_000, "next_ul": 0,
         "target_milli_ph": 5_900, "reason": Reason("correction_volume",
                                                         volume_ul=400_000).as_json(),
         "by": "cli"}
PATIENCE_S = 180


def publish_state(node, state, code=None, values=None, **more):
    if code is not None:
        more["reason"] = Reason(code, **(values or {})).as_json()
    node.tell("correction", STATE | {"state": state} | more)


@pytest.fixture
def correct(host):
    """correct(*words, **popen): start the command on the node; killed at the end."""
    started = []

    def start(*words, **popen):
        process = subprocess.Popen(
            [sys.executable, "-m", "idroserra.cli", "node", "correct", "idro-a", "--url", host.url,
             "--target", "5.9", *words],
            **{"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE,
               "stderr": subprocess.PIPE, "text": True} | popen)
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.fixture
def reading(node):
    """Publish the pH of `water` five times a second, as a node that samples would."""
    water = {"ph": 7.8}
    ended = threading.Event()

    def publish():
        while not ended.wait(0.2):
            node.read({"reservoir.ph": water["ph"]})

    thread = threading.Thread(target=publish)
    thread.start()
    yield water
    ended.set()
    thread.join()


def wait_for_command(node, eventually, verb="correct"):
    eventually(lambda: any(c.verb == verb for c in node.commands), 20, f"{verb} at the node")


def test_it_is_followed_to_its_target(node, correct, eventually):
    process = correct("--total-ml", "400")
    wait_for_command(node, eventually)
    assert node.commands[0].args == {
        "actuator": "ph_down", "target_milli_ph": 5_900, "volume_ul": 400_000}
    publish_state(node, "opened")
    publish_state(node, "held", "mixing", {"left_ms": 600_000})
    publish_state(node, "ready", "press_button", next_ul=25_000)
    publish_state(node, "given", "step_given", {"volume_ul": 25_000}, given_ul=25_000,
                  left_ul=375_000)
    publish_state(node, "ended", "target_reached", given_ul=25_000, left_ul=375_000)
    out, err = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, err) == (0, "")
    assert out.splitlines() == [
        "Correction with pH down to pH 5.90 opened by cli: at most 400.0 ml",
        "Correction with pH down waits: the water is mixing, 10 min left",
        "Correction with pH down is ready to give 25.0 ml: press the button on the board",
        "Correction with pH down: a step of 25.0 ml given, 25.0 ml so far, 375.0 ml left",
        "Correction with pH down is over: the target is reached, 25.0 ml given",
        "idro-a: the target is reached, pH 5.80; 25.0 ml of pH down given"]


def test_another_end_is_exit_code_1_with_the_reason_and_json_is_one_event_a_line(
    node, correct, host, eventually
):
    publish_state(node, "ended", "target_reached")  # of an earlier one: none of ours
    eventually(lambda: host.view("idro-a")["correction"], 20, "the earlier one at the host")
    process = correct("--total-ml", "400", "--json")
    wait_for_command(node, eventually)
    publish_state(node, "opened")
    publish_state(node, "ended", "latch_no_effect", given_ul=90_000)
    out, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 1
    assert [json.loads(line)["detail"]["state"] for line in out.splitlines()] == [
        "opened", "ended"]
    assert err == ("idroserra: idro-a: correction ended: doses had no effect; "
                   "90.0 ml given\n")


def test_a_refusal_and_a_reset_are_reported(node, correct, eventually):
    node.answer, node.reason = "refused", Reason("correction_already")
    process = correct("--total-ml", "400")
    assert process.communicate(timeout=PATIENCE_S)[1] == (
        "idroserra: idro-a: correct refused: a correction is open already\n")
    assert process.returncode == 1
    node.answer, node.reason = "done", None
    process = correct("--total-ml", "400")
    eventually(lambda: len(node.commands) == 2, 20, "the second command")
    publish_state(node, "opened")
    node.tell("boot", {"reset": "power_on", "version": "0.1.0", "last_error": None})
    assert "the board was reset" in process.communicate(timeout=PATIENCE_S)[1]
    assert process.returncode == 1


def test_on_a_terminal_it_shows_what_to_do_and_ctrl_c_asks_whether_to_end_it(
    node, correct, eventually
):
    ours, theirs = pty.openpty()
    environment = os.environ | {"COLUMNS": "100", "TERM": "xterm"}
    process = correct("--total-ml", "400", stdin=theirs, stdout=theirs, stderr=theirs, text=False,
                      env=environment)
    os.close(theirs)
    try:
        wait_for_command(node, eventually)
        publish_state(node, "held", "mixing", {"left_ms": 600_000}, given_ul=25_000,
                      left_ul=375_000)
        shown = read_until(ours, "10 min left")
        assert "the water is mixing" in shown
        assert "25.0 ml of 400.0 ml of pH down given; pH 5.80" in read_until(ours, "5.90")
        publish_state(node, "ready", "press_button", next_ul=25_000)
        read_until(ours, "Press the button on the board: 25.0 ml")
        process.send_signal(signal.SIGINT)
        read_until(ours, "End the correction at the node?")
        os.write(ours, b"y\n")
        wait_for_command(node, eventually, "end_correction")
        publish_state(node, "ended", "ended_by", {"by": "cli"})
        assert "correction ended: ended by cli" in read_until(ours, "given\r\n")
        assert process.wait(PATIENCE_S) == 1
    finally:
        os.close(ours)


def test_without_a_terminal_ctrl_c_leaves_it_open_and_says_how_to_end_it(
    node, correct, eventually, host
):
    process = correct("--total-ml", "400")
    wait_for_command(node, eventually)
    publish_state(node, "opened")
    assert "opened" in process.stdout.readline()
    process.send_signal(signal.SIGINT)
    err = process.communicate(timeout=PATIENCE_S)[1]
    assert "`idroserra node end-correction idro-a` ends it" in err
    assert process.returncode == 1
    done = idroserra("node", "end-correction", "idro-a", url=host.url)
    assert done.stdout == "idro-a: confirmed, the correction is over\n"
    assert node.commands[-1].verb == "end_correction"


@pytest.fixture
def water(host, reading, eventually):
    """water(ph): the water has that pH, and the host has read it."""

    def change(ph):
        reading["ph"] = ph
        eventually(lambda: host.view("idro-a")["channels"]["reservoir.ph"]["value"] == ph, 20,
                   f"pH {ph} at the host")

    return change


@pytest.fixture
def handmade(node, host, eventually):
    """A node without a button whose own dosing is off, and the host knows."""
    node.values = node.values | {"dosing.enabled": False, "ph.down_ul_per_ph": 100_000}
    node.has_button = False
    node.announce()
    eventually(lambda: not host.view("idro-a")["has_button"]
               and host.view("idro-a")["dosing"]["state"] == "off", 20, "a node for hands")
    return node


def by_hand(correct, water, answers, moves, *words):
    """Pour by hand: with each answer the water has moved on. Returns (exit code, out, err)."""
    process = correct("--total-ml", "300", "--mixing-s", "0.3", *words, stdin=subprocess.PIPE)
    out = []
    for answer, ph in zip(answers, moves, strict=True):
        while "Pour " not in (line := process.stdout.readline()) and '"pour"' not in line:
            assert line, process.stderr.read()
            out.append(line)
        out.append(line)
        water(ph)
        process.stdin.write(answer)
        process.stdin.flush()
    rest, err = process.communicate(timeout=PATIENCE_S)
    return process.returncode, "".join(out) + rest, err


def test_by_hand_it_counts_down_to_the_target(handmade, correct, water):
    water(7.8)
    code, out, err = by_hand(correct, water, ["\n", "50\n", "\n"], [6.85, 6.35, 5.94])
    assert (code, "3 steps" in err) == (0, False)
    assert "this board has no button" in out
    assert "pH 7.80, 300.0 ml left. Pour 95 ml of pH down where the water circulates." in out
    assert "50 ml poured" in out
    assert out.splitlines()[-1].startswith("Target reached: pH 5.94")
    assert handmade.commands == []


def test_by_hand_it_says_that_nothing_happens_and_that_the_wrong_thing_does(
    handmade, correct, water
):
    water(7.8)
    code, out, err = by_hand(correct, water, ["\n"] * 3, [7.8] * 3, "--json")
    assert code == 1
    assert "! No response: expected 0.95 pH, measured 0.00" in err
    assert "three steps that should have moved the pH by" in err
    assert json.loads(out.splitlines()[-1])["state"] == "mixing"
    code, out, err = by_hand(correct, water, ["\n"] * 2, [8.0, 8.2])
    assert code == 1
    assert "! The pH moved the wrong way, from 7.80 to 8.00" in err
    assert "the pH moves the wrong way, by 0.40" in err


def test_by_hand_the_nodes_own_dosing_must_rest(node, correct, reading):
    process = correct("--total-ml", "300", "--by-hand", stdin=subprocess.PIPE)
    err = process.communicate("n\n", timeout=PATIENCE_S)[1]
    assert process.returncode == 1
    assert "automatic dosing is on" in err
    process = correct("--total-ml", "300", "--by-hand", stdin=subprocess.PIPE)
    err = process.communicate("y\nq\n", timeout=PATIENCE_S)[1]
    assert [c.verb for c in node.commands] == ["stop"]
    assert "idroserra node resume idro-a" in err
    assert "ended by user; 0.0 ml poured" in err
    process = correct("--total-ml", "300", "--by-hand")
    assert "no input" in process.communicate(timeout=PATIENCE_S)[1]


def test_the_total_is_computed_from_the_alkalinity_and_the_level(
    node, correct, water, eventually
):
    water(7.8)
    process = correct("--alkalinity-meq-l", "6")
    wait_for_command(node, eventually)
    # 203 mm of 2,000 cm2 are 40.6 litres: about 150 ml of 10 % phosphoric acid, and 60 % to spare.
    assert 220_000 < node.commands[0].args["volume_ul"] < 255_000
    publish_state(node, "ended", "target_reached")
    err = process.communicate(timeout=PATIENCE_S)[1]
    assert "41 L of 6 meq/L at pH" in err
    assert "plus a margin of 60 %" in err  # for the CO2 that hard water loses meanwhile
    process = correct()
    err = process.communicate(timeout=PATIENCE_S)[1]
    assert process.returncode == 2
    assert "idroserra chem --recipe lettuce --volume-l 41 --target-ph 5.9" in err


def test_soft_water_needs_a_smaller_margin(node, correct, water, eventually):
    water(7.8)
    process = correct("--alkalinity-meq-l", "0.9")
    wait_for_command(node, eventually)
    publish_state(node, "ended", "target_reached")
    assert "plus a margin of 15 %" in process.communicate(timeout=PATIENCE_S)[1]


def test_a_sample_is_titrated_and_set_when_confirmed(node, host):
    figures = ("--stock-ml", "6.6", "--from-ph", "7.8", "--to-ph", "5.8", "--litres", "100")
    shown = idroserra("node", "titrate", "idro-a", *figures, url=host.url)
    assert shown.returncode == 0
    assert "ph.down_ul_per_ph: 330000 ul/pH, from the sample (current: 40000)" in shown.stdout
    assert "no settings changed" in shown.stdout  # standard input is not a terminal
    done = idroserra("node", "titrate", "idro-a", *figures, "--yes", url=host.url)
    assert "revision 1 confirmed: ph.down_ul_per_ph = 330000" in done.stdout
    assert node.values["ph.down_ul_per_ph"] == 330_000


@pytest.mark.parametrize(("words", "why"), [
    (("--stock-ml", "6.6", "--from-ph", "5.8", "--to-ph", "7.8"), "not down"),
    (("--stock-ml", "6.6", "--from-ph", "5.8"), "--to-ph: missing"),
    (("--doser", "vinegar"), "not one of ph_down, ph_up"),
])
def test_a_nonsense_titration_is_exit_code_2_and_one_line(node, host, words, why):
    done = idroserra("node", "titrate", "idro-a", "--litres", "100", *words, url=host.url)
    assert done.returncode == 2
    assert why in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_titration_beyond_the_settings_range_is_no_proposal(node, host):
    done = idroserra("node", "titrate", "idro-a", "--litres", "20000", "--stock-ml", "90",
                     "--from-ph", "7.8", "--to-ph", "5.8", url=host.url)
    assert done.returncode == 1
    assert "is outside 500 to 2000000: check the values" in done.stderr


def test_the_log_proposes_what_its_doses_did(host, eventually):
    node = host.node("idro-a")
    node.values = node.values | {"mixing.wait_ms": 300_000}
    node.report(0)
    ph, count = 6.6, 0
    for minutes_ago in range(180, 0, -1):
        if minutes_ago % 25 == 0:  # 3 ml, 0.1 pH: 30 ml a pH
            node.tell("dosed", {"actuator": "ph_down", "volume_ul": 3_000, "on_ms": 3_000,
                                "reason": "pH high", "by": "control"}, minutes_ago * 60_000)
            ph, count = ph - 0.1, count + 1
        node.read({"reservoir.ph": round(ph, 3)}, ago_ms=minutes_ago * 60_000 - 30_000)
    host.settle("idro-a", 180 + count)
    done = idroserra("node", "titrate", "idro-a", "--from-log", "--days", "1", "--json",
                     url=host.url)
    found = json.loads(done.stdout)
    assert done.returncode == 0
    (proposal,) = found["proposals"]
    assert proposal["setting"] == "ph.down_ul_per_ph"
    assert proposal["count"] == count == 7
    assert 29_000 <= proposal["value"] <= 31_000
    assert "0 doses" in found["refused"]["ph.up_ul_per_ph"]
    assert "0 doses" in found["refused"]["ec.ul_per_100_us_cm"]
    assert node.values["ph.down_ul_per_ph"] == 40_000


def test_a_log_without_doses_proposes_nothing(node, host):
    done = idroserra("node", "titrate", "idro-a", "--from-log", url=host.url)
    assert done.returncode == 1
    assert "nothing to propose" in done.stderr


def test_needs_are_compared_with_what_the_node_may_give(node, host):
    declared = ("--litres", "100", "--crop-m2", "0.5", "--fill-ph", "7.0")
    enough = idroserra("node", "needs", "idro-a", "--alkalinity-meq-l", "0.5", *declared,
                       url=host.url)
    assert (enough.returncode, enough.stderr) == (0, "")
    assert "nutrient A and B, any day: needs about" in enough.stdout
    hard = idroserra("node", "needs", "idro-a", "--alkalinity-meq-l", "8", *declared, "--json",
                     url=host.url)
    assert hard.returncode == 1
    assert "idro-a: needs more than it may give: acid" in hard.stderr
    assert False in {one["is_met"] for one in json.loads(hard.stdout)}


def test_nutrient_of_a_fresh_fill_is_corrected_with_the_total_of_its_titration(
        node, host, eventually):
    node.read({"reservoir.ec_us_cm": 1_200})
    process = idroserra("node", "correct", "idro-a", "--doser", "nutrient_a", "--target", "9",
                        url=host.url)
    assert process.returncode == 2
    assert process.stderr == "idroserra: command line: --target: 9: not 0.2 to 5\n"
    process = idroserra("node", "correct", "idro-a", "--doser", "nutrient_a", "--target", "1.6",
                        "--by-hand", url=host.url)
    assert process.returncode == 2
    assert "needs the button of the board" in process.stderr
