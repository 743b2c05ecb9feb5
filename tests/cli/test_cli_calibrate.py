"""`idroserra calibrate`: the walk with and without a person, and what Ctrl-C leaves behind."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time

import pytest

from idroserra.calibration.reference_solutions import buffer_ph, standard_us_cm
from support.calibration_cups import Cups

PATH = "/api/nodes/idro-a/calibrations"
PATIENCE_S = 180
PACE_S = 0.1  # between two readings of the node


class Terminal:
    """A walk in a process of its own, and somebody who carries the probe from cup to cup."""

    def __init__(self, host, node):
        self._host = host
        self.node, self.cups = node, Cups(node)
        self._process = None

    def start(self, *words, typed=None):
        self._process = subprocess.Popen(
            [sys.executable, "-m", "idroserra.cli", "calibrate", *words, "--url", self._host.url],
            stdin=subprocess.PIPE if typed else subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, env=os.environ | {"COLUMNS": "120"})
        if typed:
            self._process.stdin.write(typed)
            self._process.stdin.flush()

    def open(self):
        return self._host.client.get(PATH).json()["open"]

    def carry(self, *cups, count=2):
        """Let the node read `count` times in the cup of the point that comes next, until the walk
        has ended; return (exit code, what it printed, its errors)."""
        deadline_s = time.monotonic() + PATIENCE_S
        while self._process.poll() is None:
            assert time.monotonic() < deadline_s, f"the walk does not end: {self.open()}"
            state = self.open()
            at = 0 if state is None else min(len(state["points"]), len(cups) - 1)
            values, faults = cups[at]
            self.cups.read(values, faults, count=count)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(PACE_S)
        out, err = self._process.communicate(timeout=PATIENCE_S)
        return self._process.returncode, out, err

    def until_said(self, text):
        """Return once the walk has printed a line with that text."""
        while text not in (line := self._process.stdout.readline()):
            assert line, f"it ended before it said {text!r}: {self._process.stderr.read()}"

    def interrupt(self):
        self._process.send_signal(signal.SIGINT)
        out, err = self._process.communicate(timeout=PATIENCE_S)
        return self._process.returncode, out, err

    def ph(self, *buffers):
        return [({"reservoir.ph": self.cups.ph(buffer_ph(name, self.cups.temp_c))}, None)
                for name in buffers]


@pytest.fixture
def terminal(host):
    return Terminal(host, host.node("idro-a"))


def test_ph_without_a_person_and_its_history(terminal):
    terminal.start("ph", "idro-a", "--points", "7.00,4.01,10.01", "--yes", "--json")
    code, out, err = terminal.carry(*terminal.ph("7.00", "4.01", "10.01"))
    assert (code, err) == (0, "")
    state = json.loads(out)
    assert state["state"] == "done"
    assert state["proposal"]["results"]["slope_pct"] == pytest.approx(93.0, abs=0.2)
    assert terminal.cups.ph(5.8) == pytest.approx(5.8, abs=0.01)
    terminal.start("history", "idro-a")
    code, out, err = terminal.carry(({}, None))
    assert code == 0
    assert "slope 93.0 %, offset 14.0 mV" in out
    assert "Health of the pH probe: 86 of 100" in out


def test_ph_with_a_person_shows_old_and_new_and_asks(terminal):
    # Enter for each cup, yes to the result, Enter once the probe is back.
    terminal.start("ph", "idro-a", typed="\n\ny\n\n")
    code, out, err = terminal.carry(*terminal.ph("7.00", "4.01"))
    assert (code, err) == (0, "")
    assert "into buffer 7.00" in out
    assert "buffer 4.01: pH" in out
    assert "stable: moves 0.000 pH a minute. Taken." in out
    words = out.split()
    assert words[words.index("slope"):][:5] == ["slope", "100.0", "%", "93.0", "%"]
    assert "put it back into the tank" in out
    assert "Automatic dosing resumes in four minutes" in out


def test_no_to_the_result_changes_nothing_and_ends_the_hold(terminal, eventually):
    terminal.start("ph", "idro-a", "--points", "7.00", typed="\nn\n")
    code, out, _ = terminal.carry(*terminal.ph("7.00"))
    assert code == 1
    assert "Apply this calibration?" in out
    assert terminal.open() is None
    assert terminal.node.values["ph.neutral_uv"] == 1_500_000
    eventually(lambda: terminal.node.commands[-1].args == {"for_ms": 120_000}, 10, "the end")


def test_ctrl_c_ends_the_hold(terminal, eventually):
    terminal.start("ph", "idro-a", "--yes")
    terminal.until_said("off during the calibration")
    assert terminal.open()["hold"]["is_held"]
    code, _, err = terminal.interrupt()
    assert code != 0
    assert "Traceback" not in err
    assert terminal.open() is None
    eventually(lambda: terminal.node.commands[-1].args == {"for_ms": 120_000}, 10, "the end")


def test_a_wrong_standard_ends_the_calibration_with_the_reason(terminal):
    terminal.start("ph", "idro-a", "--points", "4.01", "--yes", "--wait", "15")
    code, _, err = terminal.carry(*terminal.ph("7.00"), count=25)  # stable well within the wait
    assert code == 1
    assert err.startswith("idroserra: idro-a: buffer 4.01: this is not buffer 4.01")
    assert terminal.open() is None


def test_ec_level_and_pump(terminal):
    cups = terminal.cups
    terminal.start("ec", "idro-a", "--points", "dry,1413", "--yes", "--json")
    code, out, err = terminal.carry(
        (None, {"reservoir.ec_us_cm": "in_air"}),
        ({"reservoir.ec_us_cm": cups.ec(standard_us_cm("1413", cups.temp_c))}, None))
    assert (code, err) == (0, "")
    assert json.loads(out)["proposal"]["results"]["cell"] == pytest.approx(1.12, abs=0.003)
    terminal.start("level", "idro-a", "--points", "50,250", "--yes", "--json")
    code, out, err = terminal.carry(*(
        ({"reservoir.level_mm": cups.level(depth_mm)}, None) for depth_mm in (50, 250)))
    assert (code, err) == (0, "")
    assert cups.level(150) == pytest.approx(150, abs=1)


def test_a_pump_whose_runs_the_gate_refuses(terminal):
    assert terminal.node.answer == "done"
    terminal.start("pump", "idro-a", "nutrient_a", "--yes")
    code, _, err = terminal.carry(({}, None))
    assert code == 2
    assert "measured volumes" in err
    terminal.start("pump", "idro-a", "light", "--points", "3", "--yes")
    code, _, err = terminal.carry(({}, None))
    assert (code, err) == (1, "idroserra: which pump? This node has ph_down, ph_up, nutrient_a, "
                              "nutrient_b\n")
