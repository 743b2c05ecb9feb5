"""Guides a manual correction: volume of each step, mixing time, fresh pH."""

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
from idroserra.i18n.reasons import fault_text
from idroserra.nodes.manual_correction import TITRATION_SETTINGS, ManualCorrection

_POLL_S = 0.2
_READING_TIMEOUT_S = 300.0


def correct_by_hand(
    client: HostClient, node: dict[str, Any], args: dict[str, Any], mixing_s: float | None, *,
    as_json: bool,
) -> None:
    """Guide the user to the target pH. Raises CommandFailed unless it is reached."""
    name, values = node["node"], node["config"]["values"]
    doser = args["actuator"]
    key = TITRATION_SETTINGS[doser]
    if key not in values or "mixing.wait_ms" not in values:
        raise CommandFailed(f"{name}: its settings are unknown")
    if values[key] == protocol.SETTINGS[key].default:
        _print_status(f"{key} is at its default: run `idroserra node titrate {name}` first for "
                      "better steps")
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
        raise guide.ended("ended by user") from None


@dataclass(frozen=True)
class _Guide:
    """Prompts and prints for one correction."""

    client: HostClient
    name: str
    correction: ManualCorrection
    mixing_s: float
    as_json: bool

    def stop_dosing(self, dosing: str) -> None:
        """Stop automatic dosing: both together would overdose."""
        if dosing not in ("on", "held", "unknown"):
            return
        answer = _prompt("Automatic dosing is on. Stop it for now? [Y/n] ")
        if answer.lower() not in ("", "y", "yes"):
            raise CommandFailed(f"{self.name}: not started: automatic dosing is on")
        raise_unless_done(self.name, send_and_wait(self.client, self.name, "stop", {}))
        _print_status(f"Dosing stopped. To resume it later: idroserra node resume {self.name}")

    def go_to_target(self) -> None:
        """Repeat steps up to the target. Raises CommandFailed if it is not reached."""
        correction, what = self.correction, plain_name(self.correction.doser)
        ph = self._fresh_ph()
        while True:
            if wrong := correction.verdict(ph):
                raise self.ended(wrong)
            if correction.is_reached(ph):
                self._print_step("ended", ph, 0.0, f"Target reached: pH {ph:.2f}, "
                                 f"{correction.given_ml:.1f} ml of {what} poured")
                return
            step_ml = correction.step_ml(ph)
            self._print_step("pour", ph, step_ml, f"pH {ph:.2f}, {correction.left_ml:.1f} ml "
                             f"left. Pour {step_ml:g} ml of {what} where the water circulates.")
            poured_ml = self._poured_ml(step_ml)
            correction.poured(ph, poured_ml)
            wait = duration_text(round(self.mixing_s * 1_000))
            self._print_step("mixing", ph, 0.0, f"{poured_ml:g} ml poured, "
                             f"{correction.left_ml:.1f} ml left. Mixing for {wait}.")
            _count_down(self.mixing_s)
            ph = self._fresh_ph()
            if warning := correction.warning(ph):
                _print_status(f"! {warning}")

    def ended(self, why: str) -> CommandFailed:
        """Return the error with the reason of the end and the volume poured."""
        return CommandFailed(f"{self.name}: {why}; {self.correction.given_ml:.1f} ml poured")

    def _poured_ml(self, step_ml: float) -> float:
        left_ml = self.correction.left_ml
        while True:
            text = _prompt(f"Press Enter after pouring {step_ml:g} ml, or enter the ml; q: quit: ")
            if text.lower() in ("q", "quit"):
                raise self.ended("ended by user")
            try:
                poured_ml = float(text.replace(",", ".")) if text else step_ml
            except ValueError:
                _print_status(f"{text!r} is not a volume in ml")
                continue
            if 0.0 < poured_ml <= left_ml + step_ml:
                return poured_ml
            _print_status(f"{poured_ml:g} ml: must be above 0 and at most {left_ml:g}")

    def _fresh_ph(self) -> float:
        """Return the next new pH reading. Raises CommandFailed if none arrives."""
        known_unix_ms: int | None = None
        printed = ""
        deadline_s = time.monotonic() + _READING_TIMEOUT_S
        while time.monotonic() < deadline_s:
            node = self.client.node(self.name)
            channel = node["channels"].get("reservoir.ph")
            if channel is None:
                raise CommandFailed(f"{self.name}: no pH sensor")
            unix_ms = channel["unix_ms"] or 0
            if known_unix_ms is None:
                known_unix_ms = unix_ms
            why = "" if node["online"] else "the node is offline"
            if channel["fault"]:
                why = fault_text(channel["fault"])
            if not why and channel["value"] is not None and unix_ms > known_unix_ms:
                return float(channel["value"])
            if why and why != printed:
                _print_status(f"Waiting for a pH reading: {why}")
                printed = why
            time.sleep(_POLL_S)
        raise self.ended(f"no new pH reading for five minutes. {printed}".strip())

    def _print_step(self, state: str, ph: float, next_ml: float, text: str) -> None:
        if not self.as_json:
            typer.echo(text)
            return
        correction = self.correction
        print(json.dumps({
            "state": state, "actuator": correction.doser, "ph": ph,
            "target_ph": correction.target_ph, "given_ml": round(correction.given_ml, 3),
            "left_ml": round(correction.left_ml, 3), "next_ml": next_ml}), flush=True)


def _print_status(text: str) -> None:
    typer.echo(text, err=True)


def _prompt(question: str) -> str:
    """Prompt on stderr and read a line. Raises CommandFailed at end of input."""
    typer.echo(question, err=True, nl=False)
    line = sys.stdin.readline() if sys.stdin is not None else ""
    if not line:
        _print_status("")
        raise CommandFailed("ended: no input")
    return line.strip()


def _count_down(seconds: float) -> None:
    """Wait, showing the time left on a terminal."""
    is_shown = sys.stderr.isatty()
    ends_s = time.monotonic() + seconds
    while (left_s := ends_s - time.monotonic()) > 0:
        if is_shown:
            minutes, left = divmod(int(left_s), 60)
            typer.echo(f"\rmixing, {minutes}:{left:02d} left ", err=True, nl=False)
        time.sleep(min(1.0, left_s))
    if is_shown:
        typer.echo("\r\033[K", err=True, nl=False)
