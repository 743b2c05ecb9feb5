"""Guides a person through a correction poured by hand: what to pour, how long to wait."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass
from typing import Any

import typer

from idroserra.client.http import HostClient
from idroserra.client.requests import CommandFailed, raise_unless_done, send_and_wait
from idroserra.core import protocol
from idroserra.i18n.channels import duration_text, plain_name
from idroserra.i18n.events import fault_text
from idroserra.nodes.manual_correction import TITRATION_SETTINGS, ManualCorrection

_POLL_S = 0.2
_READING_S = 300.0


def correct_by_hand(
    client: HostClient, node: dict[str, Any], args: dict[str, Any], mixing_s: float | None, *,
    as_json: bool,
) -> None:
    """Guide a person to the target. Raises CommandFailed unless it is reached."""
    name, values = node["node"], node["config"]["values"]
    doser = args["actuator"]
    key = TITRATION_SETTINGS[doser]
    if key not in values or "mixing.wait_ms" not in values:
        raise CommandFailed(f"{name}: its settings are not known yet")
    if values[key] == protocol.SETTINGS[key].default:
        _say(f"{key} is at its default: with `idroserra node titrate {name}` the steps fit")
    correction = ManualCorrection(
        doser, target_ph=args["target_milli_ph"] / 1_000, left_ml=args["volume_ul"] / 1_000,
        ml_per_ph=values[key] / 1_000)
    if mixing_s is None:
        mixing_s = values["mixing.wait_ms"] / 1_000
    guide = _Guide(client, name, correction, mixing_s, as_json)
    try:
        guide.stop_dosing(node["dosing"]["state"])
        guide.go_to_target()
    except KeyboardInterrupt:
        raise guide.ended("ended by you") from None


@dataclass(frozen=True)
class _Guide:
    """Prompts and prints for one correction."""

    client: HostClient
    name: str
    correction: ManualCorrection
    mixing_s: float
    as_json: bool

    def stop_dosing(self, dosing: str) -> None:
        """Stop the node's own dosing: two hands on one tank give too much."""
        if dosing not in ("on", "unknown"):
            return
        wish = _answer("The node doses by itself meanwhile. Stop that for now? [Y/n] ")
        if wish.lower() not in ("", "y", "yes"):
            raise CommandFailed(f"{self.name}: not begun: dosing by itself is on")
        raise_unless_done(self.name, send_and_wait(self.client, self.name, "stop", {}))
        _say(f"Stopped. Afterwards: idroserra node resume {self.name}")

    def go_to_target(self) -> None:
        """Take step after step. Raises CommandFailed where it ends short of the target."""
        correction, what = self.correction, plain_name(self.correction.doser)
        ph = self._fresh_ph()
        while True:
            if wrong := correction.verdict(ph):
                raise self.ended(wrong)
            if correction.is_reached(ph):
                self._tell("ended", ph, 0.0, f"The target is reached: pH {ph:.2f}, "
                           f"{correction.given_ml:.1f} ml of {what} poured")
                return
            step_ml = correction.step_ml(ph)
            self._tell("pour", ph, step_ml, f"pH {ph:.2f}, {correction.left_ml:.1f} ml left. Pour "
                       f"{step_ml:g} ml of {what} where the water moves.")
            poured_ml = self._poured_ml(step_ml)
            correction.poured(ph, poured_ml)
            self._tell("mixing", ph, 0.0, f"{poured_ml:g} ml poured, {correction.left_ml:.1f} ml "
                       f"left. Mixing for {duration_text(round(self.mixing_s * 1_000))}.")
            _count_down(self.mixing_s)
            ph = self._fresh_ph()
            if warning := correction.warning(ph):
                _say(f"! {warning}")

    def ended(self, why: str) -> CommandFailed:
        """Return the error that says why it ends, and how much was poured."""
        return CommandFailed(f"{self.name}: {why}; {self.correction.given_ml:.1f} ml poured")

    def _poured_ml(self, step_ml: float) -> float:
        left_ml = self.correction.left_ml
        while True:
            text = _answer(f"Enter when {step_ml:g} ml are in, or how many ml are, or q to end: ")
            if text.lower() in ("q", "quit"):
                raise self.ended("ended by you")
            try:
                poured_ml = float(text.replace(",", ".")) if text else step_ml
            except ValueError:
                _say(f"{text!r} is no number of ml")
                continue
            if 0.0 < poured_ml <= left_ml + step_ml:
                return poured_ml
            _say(f"{poured_ml:g} ml: more than 0 and at most {left_ml:g} were expected")

    def _fresh_ph(self) -> float:
        """Return the first reading from now on. Raises CommandFailed where none comes."""
        known_unix_ms: int | None = None
        said = ""
        deadline_s = time.monotonic() + _READING_S
        while time.monotonic() < deadline_s:
            node = self.client.node(self.name)
            channel = node["channels"].get("reservoir.ph")
            if channel is None:
                raise CommandFailed(f"{self.name}: it measures no pH")
            unix_ms = channel["unix_ms"] or 0
            if known_unix_ms is None:
                known_unix_ms = unix_ms
            why = "" if node["online"] else "the node is offline"
            if channel["fault"]:
                why = fault_text(channel["fault"])
            if not why and channel["value"] is not None and unix_ms > known_unix_ms:
                return float(channel["value"])
            if why and why != said:
                _say(f"Waiting for a pH: {why}")
                said = why
            time.sleep(_POLL_S)
        raise self.ended(f"no fresh pH for five minutes. {said}".strip())

    def _tell(self, state: str, ph: float, next_ml: float, text: str) -> None:
        if not self.as_json:
            typer.echo(text)
            return
        correction = self.correction
        print(json.dumps({
            "state": state, "actuator": correction.doser, "ph": ph,
            "target_ph": correction.target_ph, "given_ml": round(correction.given_ml, 3),
            "left_ml": round(correction.left_ml, 3), "next_ml": next_ml}), flush=True)


def _say(text: str) -> None:
    typer.echo(text, err=True)


def _answer(question: str) -> str:
    """Ask on stderr and read a line. Raises CommandFailed at the end of the input."""
    typer.echo(question, err=True, nl=False)
    line = sys.stdin.readline() if sys.stdin is not None else ""
    if not line:
        _say("")
        raise CommandFailed("ended: nobody answers at the keyboard")
    return line.strip()


def _count_down(seconds: float) -> None:
    """Wait, and show the time left on a terminal."""
    is_shown = sys.stderr.isatty()
    ends_s = time.monotonic() + seconds
    while (left_s := ends_s - time.monotonic()) > 0:
        if is_shown:
            minutes, left = divmod(int(left_s), 60)
            typer.echo(f"\rmixing, {minutes}:{left:02d} left ", err=True, nl=False)
        time.sleep(min(1.0, left_s))
    if is_shown:
        typer.echo("\r\033[K", err=True, nl=False)
