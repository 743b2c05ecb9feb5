"""A correction poured by hand: how much, wait until it has mixed, read the pH, how much is left.

The steps are those of the node's own correction (docs/adr/0011): half of what is left, and half of
what the titration says lies between here and the target.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass, field
from typing import Any

import typer

from idroserra import contract
from idroserra.cli_ask import CommandFailed, ask, check_done
from idroserra.host_client import HostClient
from idroserra.web.display import duration_text, plain_name
from idroserra.web.words import fault_text

SMALLEST_ML = 0.2
REACHED_PH = 0.05
_JUDGED = 3
_PREDICTED_PH = 0.2
_SEEN_PH = 0.03
_OPPOSITE_PH = 0.15
_POLL_S = 0.2
_READING_S = 300.0
_TITRATIONS = {"ph_down": "ph.down_ul_per_ph", "ph_up": "ph.up_ul_per_ph"}


@dataclass
class Pour:
    """What is to be poured of `doser`'s bottle, at most `left_ml` more, and what was so far."""

    doser: str
    target_ph: float
    left_ml: float
    ml_per_ph: float = 0.0
    given_ml: float = 0.0
    steps: list[tuple[float, float]] = field(default_factory=list)  # (pH before it, ml)

    def __post_init__(self) -> None:
        self._sign = 1.0 if self.doser == "ph_down" else -1.0
        self._last_ml = max(2 * SMALLEST_ML, self.left_ml / 20)

    def distance_ph(self, ph: float) -> float:
        """Return how far the water still is from the target, 0 or less where it is there."""
        return round(self._sign * (ph - self.target_ph), 6)  # 5.95 is 0.05 from 5.9, no more

    def step_ml(self, ph: float) -> float:
        """Return the next step, as one measures it; 0 where it is too little or there."""
        distance = self.distance_ph(ph)
        if distance <= REACHED_PH:
            return 0.0
        half_ml = self.left_ml if self.left_ml <= self._last_ml else self.left_ml / 2
        step = min(half_ml, distance * self.ml_per_ph / 2)
        step = float(int(step)) if step >= 10 else int(step * 10) / 10
        return step if step >= SMALLEST_ML else 0.0

    def poured(self, ph: float, volume_ml: float) -> None:
        """Book a step that was poured at `ph`."""
        self.left_ml = max(0.0, self.left_ml - volume_ml)
        self.given_ml += volume_ml
        self.steps = [*self.steps, (ph, volume_ml)][-_JUDGED:]

    def verdict(self, ph: float) -> str | None:
        """Return what is wrong with how the water answered, None where nothing is."""
        if not self.steps:
            return None
        moved = self._sign * (self.steps[0][0] - ph)
        if len(self.steps) >= 2 and moved < -_OPPOSITE_PH:
            return (f"the pH moves the wrong way, by {abs(moved):.2f}: "
                    "is the right stock in the bottle?")
        predicted = sum(step[1] for step in self.steps) / self.ml_per_ph
        if len(self.steps) == _JUDGED and predicted >= _PREDICTED_PH and moved < _SEEN_PH:
            return (f"three steps that should have moved the pH by {predicted:.2f} did not: check "
                    "the bottle, the probe and the circulation")
        return None


def correct_by_hand(
    client: HostClient, node: dict[str, Any], pour: Pour, mixing_s: float | None, *, as_json: bool
) -> None:
    """Walk somebody through it. Raises CommandFailed unless the target is reached."""
    name = node["node"]
    values = node["config"]["values"]
    key = _TITRATIONS[pour.doser]
    if key not in values or "mixing.wait_ms" not in values:
        raise CommandFailed(f"{name}: its settings are not known yet")
    pour.ml_per_ph = values[key] / 1_000
    if values[key] == contract.SETTINGS[key].default:
        _say(f"{key} is at its default: with `idroserra node titrate {name}` the steps fit")
    if mixing_s is None:
        mixing_s = values["mixing.wait_ms"] / 1_000
    walk = _Walk(client, name, pour, mixing_s, as_json=as_json)
    try:
        walk.rest(node["dosing"]["state"])
        walk.to_target()
    except KeyboardInterrupt:
        raise CommandFailed(f"{name}: ended by you; {pour.given_ml:.1f} ml poured") from None


class _Walk:
    """One guided correction by hand."""

    def __init__(
        self, client: HostClient, name: str, pour: Pour, mixing_s: float, *, as_json: bool
    ) -> None:
        self._client = client
        self._name = name
        self._pour = pour
        self._mixing_s = mixing_s
        self._as_json = as_json

    def rest(self, dosing: str) -> None:
        """Have the node's own dosing rest: two hands on one tank give too much."""
        if dosing not in ("on", "unknown"):
            return
        wish = _answer("The node doses by itself meanwhile. Stop that for now? [Y/n] ")
        if wish.lower() not in ("", "y", "yes"):
            raise CommandFailed(f"{self._name}: not begun: dosing by itself is on")
        check_done(self._name, ask(self._client, self._name, "stop", {}))
        _say(f"Stopped. Afterwards: idroserra node resume {self._name}")

    def to_target(self) -> None:
        """Step by step. Raises CommandFailed where it ends elsewhere."""
        pour, what = self._pour, plain_name(self._pour.doser)
        ph = self._fresh_ph()
        while True:
            wrong = pour.verdict(ph)
            if wrong:
                raise self._ended(wrong)
            if pour.distance_ph(ph) <= REACHED_PH:
                self._tell("ended", ph, 0.0, f"The target is reached: pH {ph:.2f}, "
                           f"{pour.given_ml:.1f} ml of {what} poured")
                return
            step_ml = pour.step_ml(ph)
            if not step_ml:
                raise self._ended(f"all of the volume was given, and the pH is {ph:.2f}")
            self._tell("pour", ph, step_ml, f"pH {ph:.2f}, {pour.left_ml:.1f} ml left. Pour "
                       f"{step_ml:g} ml of {what} where the water moves.")
            self._pour_and_mix(ph, step_ml)
            ph, before = self._fresh_ph(), ph
            self._judge_step(before, ph)

    def _pour_and_mix(self, ph: float, step_ml: float) -> None:
        poured_ml = self._poured_ml(step_ml)
        self._pour.poured(ph, poured_ml)
        left = f"{self._pour.left_ml:.1f} ml left"
        self._tell("mixing", ph, 0.0, f"{poured_ml:g} ml poured, {left}. Mixing for "
                   f"{duration_text(round(self._mixing_s * 1_000))}.")
        _count_down(self._mixing_s)

    def _poured_ml(self, step_ml: float) -> float:
        while True:
            text = _answer(f"Enter when {step_ml:g} ml are in, or how many ml are, or q to end: ")
            if text.lower() in ("q", "quit"):
                raise self._ended("ended by you")
            try:
                poured_ml = float(text.replace(",", ".")) if text else step_ml
            except ValueError:
                _say(f"{text!r} is no number of ml")
                continue
            if 0.0 < poured_ml <= self._pour.left_ml + step_ml:
                return poured_ml
            _say(f"{poured_ml:g} ml: more than 0 and at most {self._pour.left_ml:g} were expected")

    def _judge_step(self, before: float, ph: float) -> None:
        """Say at once where a step did nothing, or the opposite; three of them end it."""
        moved = self._pour.distance_ph(before) - self._pour.distance_ph(ph)
        predicted = self._pour.steps[-1][1] / self._pour.ml_per_ph
        if moved < -_SEEN_PH:
            _say(f"! The pH moved the wrong way, from {before:.2f} to {ph:.2f}: "
                 "look at the bottle")
        elif predicted >= 0.1 and moved < _SEEN_PH:
            _say(f"! No response: {predicted:.2f} pH were expected, {moved:.2f} seen")

    def _fresh_ph(self) -> float:
        """Wait for a reading that was not there yet. Raises CommandFailed where none comes."""
        known: int | None = None
        told = ""
        deadline_s = time.monotonic() + _READING_S
        while time.monotonic() < deadline_s:
            node = self._client.node(self._name)
            channel = node["channels"].get("reservoir.ph")
            if channel is None:
                raise CommandFailed(f"{self._name}: it measures no pH")
            if known is None:
                known = channel["unix_ms"] or 0
            if channel["fault"]:
                why = fault_text(channel["fault"])
            elif not node["online"]:
                why = "the node is offline"
            elif channel["value"] is not None and (channel["unix_ms"] or 0) > known:
                return float(channel["value"])
            else:
                why = ""
            if why and why != told:
                _say(f"Waiting for a pH: {why}")
            told = why or told
            time.sleep(_POLL_S)
        raise self._ended(f"no fresh pH for five minutes. {told}".strip())

    def _ended(self, why: str) -> CommandFailed:
        return CommandFailed(f"{self._name}: {why}; {self._pour.given_ml:.1f} ml poured")

    def _tell(self, state: str, ph: float, next_ml: float, text: str) -> None:
        if not self._as_json:
            typer.echo(text)
            return
        pour = self._pour
        print(json.dumps({
            "state": state, "actuator": pour.doser, "ph": ph, "target_ph": pour.target_ph,
            "given_ml": round(pour.given_ml, 3), "left_ml": round(pour.left_ml, 3),
            "next_ml": next_ml}), flush=True)


def _say(text: str) -> None:
    typer.echo(text, err=True)


def _answer(question: str) -> str:
    """Ask on stderr and read a line. Raises CommandFailed where nobody can answer."""
    sys.stderr.write(question)
    sys.stderr.flush()
    line = sys.stdin.readline() if sys.stdin is not None else ""
    if not line:
        sys.stderr.write("\n")
        raise CommandFailed("ended: nobody answers at the keyboard")
    return line.strip()


def _count_down(seconds: float) -> None:
    """Wait, and show what is left on a terminal."""
    ends = time.monotonic() + seconds
    while (left_s := ends - time.monotonic()) > 0:
        if sys.stderr.isatty():
            sys.stderr.write(f"\rmixing, {int(left_s) // 60}:{int(left_s) % 60:02d} left ")
            sys.stderr.flush()
        time.sleep(min(1.0, left_s))
    if sys.stderr.isatty():
        sys.stderr.write("\r\033[K")
