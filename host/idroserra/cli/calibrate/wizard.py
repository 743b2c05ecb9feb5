"""Runs a calibration step by step on a terminal, with the live reading.

However it ends, Ctrl-C included, the host is notified, so that the node's hold ends.
"""

from __future__ import annotations

import time
from types import TracebackType
from typing import Any

import typer
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from idroserra.client.http import HostClient, HostRefused
from idroserra.client.requests import CommandFailed, node_path, text_of

POLL_S = 0.5
HOLD_S = 30.0
CONFIRM_S = 75.0
# A probe that was just moved may show the previous cup for this long.
MOVED_S = 60.0
_REFUSED = 409

Json = dict[str, Any]

_RESULTS = {  # result: (label, decimals, unit)
    "slope_pct": ("slope", 1, "%"), "offset_mv": ("offset", 1, "mV"),
    "residual_ph": ("largest residual", 3, "pH"),
    "cell": ("cell constant", 3, ""), "apart_pct": ("points differ by", 1, "%"),
    "zero_uv": ("signal at 0 mm", 0, "uV"), "uv_per_mm": ("signal per mm", 0, "uV"),
    "ul_per_s": ("flow", 0, "ul/s"),
}


class Wizard:
    """One calibration. `is_interactive`: prompts at each step; else waits for stable readings."""

    def __init__(
        self, client: HostClient, node: str, body: Json, *, is_interactive: bool, is_quiet: bool,
        wait_s: float,
    ) -> None:
        self._client = client
        self._is_interactive = is_interactive
        self._wait_s = wait_s
        self._console = Console(quiet=is_quiet)
        self._node = node
        self._body = body
        self._path = ""

    def __enter__(self) -> Wizard:
        base = f"{node_path(self._node)}/calibrations"
        started = self._client.send("POST", base, self._body)
        self._path = f"{base}/{started['id']}"
        try:
            self._wait_for_hold()
            self.print("Automatic dosing and filling are off during the calibration.")
        except BaseException:
            self._cancel()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is not None:
            self._cancel()

    def print(self, text: str) -> None:
        """Print a line."""
        self._console.print(text, highlight=False)

    def state(self) -> Json:
        """Return the state of the calibration."""
        return self._client.get(self._path)

    def step(self, text: str) -> None:
        """Print an instruction and wait for Enter."""
        self.print(f"[bold]{text}[/bold]")
        if self._is_interactive:
            typer.prompt("Press Enter when done", default="", show_default=False)

    def confirm(self, question: str) -> bool:
        """Ask for confirmation; return True if not interactive."""
        return not self._is_interactive or typer.confirm(question, default=True)

    def check_current(self, *, to_factory: bool) -> None:
        """Offer the factory values if the current calibration is implausible."""
        advice = self.state()["advice"]
        if to_factory or (advice and self._is_interactive and typer.confirm(
            f"{text_of(advice)}. Do it?", default=True)
        ):
            self._send("factory", {"by": self._body["by"]})
            self.print("Factory values applied.")

    def point(self, name: str, body: Json) -> bool:
        """Take a point once it is stable. Return False if the user skips it."""
        began_s = time.monotonic()
        while True:
            refusal = self._try(name, body, began_s)
            if refusal is None:
                return True
            if not self._is_interactive:
                raise CommandFailed(f"{self._node}: {name}: {refusal}")
            self.print(f"[red]{refusal}[/red]")
            answer = typer.prompt("r to retry, s to skip, q to quit", default="r")
            if answer[:1] == "s":
                return False
            if answer[:1] == "q":
                raise typer.Abort
            began_s = time.monotonic()

    def run_pump(self, volume_ml: float) -> float:
        """Run the pump; return the run time in ms. Retries while the safety gate refuses."""
        deadline_s = time.monotonic() + self._wait_s
        while True:
            run = self._run_once(volume_ml)
            if run["state"] == "given":
                return float(run["on_ms"])
            if time.monotonic() > deadline_s:
                raise CommandFailed(
                    f"{self._node}: the pump did not run: {text_of(run['reason'])}")
            self.print(text_of(run["reason"]))
            if self._is_interactive and not typer.confirm("Try again?", default=True):
                raise typer.Abort
            time.sleep(POLL_S if self._is_interactive else 10 * POLL_S)

    def show_proposal(self) -> None:
        """Print old and new values. Raises CommandFailed if there is no valid result."""
        proposal = self.state()["proposal"]
        if proposal is None:
            raise CommandFailed(f"{self._node}: no point was taken")
        if proposal["error"]:
            raise CommandFailed(f"{self._node}: {text_of(proposal['error'])}")
        self._console.print(results_table(proposal["results"]))
        if proposal["health"] is not None:
            self.print(f"Health of the probe: {proposal['health']} of 100")
        for note in proposal["notes"]:
            self.print(text_of(note))

    def finish(self) -> Json:
        """Apply the proposal and return the state once the node confirms."""
        self._send("finish", {"by": self._body["by"]})
        deadline_s = time.monotonic() + CONFIRM_S
        state = self.state()
        while state["state"] == "applying" and time.monotonic() < deadline_s:
            time.sleep(POLL_S)
            state = self.state()
        if state["state"] != "done":
            raise CommandFailed(
                f"{self._node}: {state['state']}: {text_of(state['reason'])}")
        self.print("Calibration applied. Automatic dosing resumes in four minutes.")
        return state

    def _try(self, name: str, body: Json, began_s: float) -> str | None:
        """Take the point when possible; return the reason of a refusal, or None."""
        refusal = "not stable in time"
        with Live(console=self._console, transient=True, refresh_per_second=4) as live:
            while time.monotonic() - began_s < self._wait_s:
                state = self.state()
                if state["state"] != "open":
                    raise CommandFailed(
                        f"{self._node}: {state['state']}: {text_of(state['reason'])}")
                live.update(Text(f"  {name}: {reading_text(state)}"))
                if self._may_take(state, body):
                    reason = self._send_point(body)
                    if reason is None:
                        self.print(f"{name}: {reading_text(state)}. Taken.")
                        return None
                    refusal = reason
                    if self._is_interactive and time.monotonic() - began_s > MOVED_S:
                        return refusal
                time.sleep(POLL_S)
        return refusal

    def _may_take(self, state: Json, body: Json) -> bool:
        if state["kind"] == "pump" or body.get("reference") == "dry":
            return True
        reading = state["reading"]
        return reading is not None and reading["is_stable"]

    def _send_point(self, body: Json) -> str | None:
        try:
            self._send("points", body)
        except HostRefused as refused:
            if refused.status != _REFUSED:
                raise
            return str(refused)
        return None

    def _run_once(self, volume_ml: float) -> Json:
        run: Json = self._send("runs", {"volume_ml": volume_ml, "by": self._body["by"]})["run"]
        deadline_s = time.monotonic() + CONFIRM_S
        while run["state"] == "pending" and time.monotonic() < deadline_s:
            time.sleep(POLL_S)
            run = self.state()["run"]
        return run

    def _wait_for_hold(self) -> None:
        deadline_s = time.monotonic() + HOLD_S
        while True:
            hold = self.state()["hold"]
            if hold["is_held"]:
                return
            if hold["reason"] or time.monotonic() > deadline_s:
                why = text_of(hold["reason"]) or "the node does not answer"
                raise CommandFailed(f"{self._node}: dosing cannot be held: {why}")
            time.sleep(POLL_S)

    def _cancel(self) -> None:
        """Cancel the calibration, best effort, so that the hold ends."""
        try:
            self._send("cancel", {})
        except HostRefused:
            return

    def _send(self, what: str, body: Json) -> Json:
        return self._client.send("POST", f"{self._path}/{what}", body)


def reading_text(state: Json) -> str:
    """Return the live reading and its stability."""
    reading = state["reading"]
    if reading is None:
        return "waiting for a reading"
    if reading["value"] is None:
        return f"no reading ({reading['fault']})"
    temp = "" if reading["temp_c"] is None else f" at {reading['temp_c']:.1f} C"
    shown = {
        "ph": f"pH {reading['value']:.3f}", "ec": f"{reading['value']:.0f} uS/cm",
        "level": f"{reading['value']:.0f} mm"}[state["kind"]]
    return f"{shown}{temp}, {text_of(reading['settling'])}"


def results_table(results: Json) -> Table:
    """Return a table of old and new values."""
    table = Table(box=None)
    for column in ("", "before", "new"):
        table.add_column(column, justify="left" if not column else "right")
    for name, (label, decimals, unit) in _RESULTS.items():
        if name in results:
            old = results.get(f"old_{name}")
            table.add_row(label, "" if old is None else f"{old:.{decimals}f} {unit}",
                          f"{results[name]:.{decimals}f} {unit}")
    return table
