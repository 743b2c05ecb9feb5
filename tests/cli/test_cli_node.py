"""The commands that speak to a running host: what they print, and their exit codes."""

import json
import subprocess
import sys
import threading
from dataclasses import replace

import pytest

from idro.protocol.reason import Reason
from idroserra.nodes.restored import RestoredSettings
from support.command_line import idroserra


@pytest.fixture
def ask(host):
    """ask("node", "list"): run a command against the host."""
    return lambda *words: idroserra(*words, url=host.url)


def test_list_and_show_print_readings_and_state(node, ask):
    listed = ask("node", "list")
    assert listed.returncode == 0
    assert "idro-a" in listed.stdout
    assert "1.59" in listed.stdout
    assert "All is well" in listed.stdout
    rows = json.loads(ask("node", "list", "--json").stdout)
    assert rows[0]["channels"]["reservoir.ec_us_cm"]["value"] == 1590
    shown = ask("node", "show", "idro-a")
    assert shown.returncode == 0
    assert "1.52–1.68" in shown.stdout
    assert "pH down, 2.50 ml given: pH is high, 6.04 (target 5.90)" in shown.stdout


def test_set_waits_for_the_nodes_report(node, ask):
    done = ask("node", "set", "idro-a", "ph.target=6.1", "dosing.enabled=off")
    assert (done.returncode, done.stderr) == (0, "")
    assert "revision 1 confirmed: ph.target = 6.1, dosing.enabled = false" in done.stdout
    assert node.values["dosing.enabled"] is False
    assert "ph.target" in ask("node", "set", "idro-a").stdout
    wrong = ask("node", "set", "idro-a", "ph.target=99")
    assert wrong.returncode == 2
    assert wrong.stderr == "idroserra: ph.target: a number in 4.5..7.5 pH is needed\n"
    assert ask("node", "set", "idro-a", "nonsense").returncode == 2


def test_dose_run_stop_and_resume_end_with_the_nodes_answer(node, ask):
    assert "confirmed, 2.5 ml of ph_down given" in ask(
        "node", "dose", "idro-a", "ph_down", "2.5").stdout
    assert ask("node", "run", "idro-a", "circulation", "--for", "90s").returncode == 0
    assert ask("node", "stop", "idro-a").stdout == "idro-a: confirmed, all dosing stopped\n"
    resumed = json.loads(ask("node", "resume", "idro-a", "--json").stdout)
    assert resumed["state"] == "done"
    assert [(c.verb, c.args) for c in node.commands] == [
        ("dose", {"actuator": "ph_down", "volume_ul": 2_500}),
        ("run", {"actuator": "circulation", "for_ms": 90_000}), ("stop", {}), ("resume", {})]


def test_a_refusal_is_exit_code_1_with_the_reason(node, ask):
    node.answer, node.reason = "refused", Reason("channel_stale", channel="reservoir.ph")
    done = ask("node", "dose", "idro-a", "ph_down", "2")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "idroserra: idro-a: dose refused: pH has no recent reading\n"


def test_refused_settings_are_exit_code_1_with_the_reason_also_the_second_time(node, ask):
    node.refuse_config = Reason("setting_range", setting="ph.target", range="4.5..7.5 pH")
    for value in (6.2, 6.3):
        done = ask("node", "set", "idro-a", f"ph.target={value}")
        assert done.returncode == 1
        assert done.stderr == (
            "idroserra: idro-a: settings refused: ph.target: a number in 4.5..7.5 pH is needed\n")
    node.refuse_config = None
    assert ask("node", "set", "idro-a", "ph.target=6.4").returncode == 0


def test_calling_it_wrong_is_exit_code_2(ask):
    for words in (
        ("node", "dose", "idro-a", "ph_down", "many"), ("node", "dose", "idro-a", "ph_down", "99"),
        ("node", "run", "idro-a", "light", "--for", "soon"), ("node", "explode"), ("nothing",),
    ):
        done = ask(*words)
        assert done.returncode == 2, words
        assert done.stderr


def test_an_unknown_node_and_a_missing_host_are_one_clear_line(ask, free_port):
    done = ask("node", "stop", "absent")
    assert (done.returncode, done.stderr) == (1, "idroserra: unknown node absent\n")
    url = f"http://127.0.0.1:{free_port()}"
    for words in (("node", "list"), ("watch",)):
        done = idroserra(*words, url=url)
        assert done.returncode == 1
        assert done.stderr.startswith(f"idroserra: no host answers at {url} (connection refused)")
        assert done.stderr.count("\n") == 1
    assert idroserra("node", "list", url="not a url").returncode == 2


def test_watch_prints_lines_without_a_terminal(node, host, eventually):
    process = subprocess.Popen(
        [sys.executable, "-m", "idroserra.cli", "watch", "--json", "--url", host.url,
         "--duration", "300"], stdout=subprocess.PIPE, text=True)
    records, came = [], threading.Event()

    def take():
        for message in map(json.loads, process.stdout):
            if message["type"] == "record":
                records.append(message)
                came.set()

    def is_told():
        node.read({"reservoir.ph": 5.9})
        return came.wait(0.5)

    taking = threading.Thread(target=take)
    taking.start()
    try:
        # The stream carries only new readings, so the node publishes until it is open.
        eventually(is_told, 30, "a reading")
        assert records[0]["values"]["reservoir.ph"] == 5.9
    finally:
        process.kill()
        process.wait()
        taking.join()
        process.stdout.close()


def test_help_names_every_command():
    done = idroserra("--help")
    assert done.returncode == 0
    for command in ("demo", "serve", "watch", "node", "board", "sim", "doctor"):
        assert command in done.stdout
    assert idroserra("--version").stdout.strip() == "0.1.0"


def test_restored_shows_both_settings_and_takes_the_choice(node, host, ask):
    assert "nothing of a backup waits" in ask("node", "restored", "idro-a").stdout
    rev = host.view("idro-a")["config"]["rev"]
    for choice, slope in (("--keep", -177_480), ("--send", -160_000)):
        known = host.service.nodes.get("idro-a")
        restored = RestoredSettings(1_795_507_200_000, 5, {"ph.slope_uv_per_ph": -160_000})
        host.service.nodes._nodes["idro-a"] = replace(known, restored=restored)
        shown = ask("node", "restored", "idro-a").stdout
        assert "backup of 2026-11-24 08:00:00+00:00, revision 5" in shown
        assert "-177480" in shown
        assert "-160000" in shown
        done = ask("node", "restored", "idro-a", choice)
        assert (done.returncode, done.stderr) == (0, "")
        assert node.values["ph.slope_uv_per_ph"] == slope
        assert host.view("idro-a")["config"]["restored"] is None
    assert host.view("idro-a")["config"]["rev"] == rev + 1
    wrong = ask("node", "restored", "idro-a", "--keep", "--send")
    assert wrong.returncode == 2
