"""`idroserra calibrate`: guided calibration of probes and pumps through a running host."""

from __future__ import annotations

import json
import time
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from idroserra.cli.calibrate.wizard import Wizard
from idroserra.client.http import DEFAULT_URL, HostClient
from idroserra.client.requests import AsJson, NodeName, Url, cli_user, node_path, text_of

app = typer.Typer(
    help="Calibrate pH, EC and level probes and dosing pumps.", no_args_is_help=True,
    add_completion=False)

Yes = Annotated[bool, typer.Option("--yes", help="Do not prompt: take each point when it is "
                                   "plausible and stable.")]
WaitS = Annotated[float, typer.Option("--wait", min=1, help="Timeout of one point, s.")]
TempC = Annotated[float | None, typer.Option(
    "--temp", min=0, max=60, help="Temperature of the cup, °C, if the node's thermometer is not "
    "in it.")]
Part = Annotated[str | None, typer.Option(
    "--part", help="Sensor part, for a board unknown to the host.")]
Factory = Annotated[bool, typer.Option("--factory", help="Start from the factory values.")]

TAKE_BACK = "Rinse the probe and put it back into the tank."
WAIT_S = 600.0


@app.command()
def ph(
    node: NodeName, url: Url = DEFAULT_URL,
    points: Annotated[str, typer.Option(
        help="Buffers, in order: 4.01, 6.86, 7.00, 9.18, 10.01.")] = "7.00,4.01",
    temp_c: TempC = None, part: Part = None, wait_s: WaitS = WAIT_S, *, factory: Factory = False,
    yes: Yes = False, as_json: AsJson = False,
) -> None:
    """Calibrate a pH probe in one, two or three buffers."""
    body = {"kind": "ph", "part": part}
    with _open_wizard(url, node, body, wait_s, yes=yes, as_json=as_json) as wizard:
        wizard.check_current(to_factory=factory)
        for buffer in _split(points):
            wizard.step(f"Rinse the probe, and put it and the thermometer into buffer {buffer}.")
            wizard.point(f"buffer {buffer}", {"reference": buffer, "temp_c": temp_c})
        _finish(wizard, TAKE_BACK, as_json=as_json)


@app.command()
def ec(
    node: NodeName, url: Url = DEFAULT_URL,
    points: Annotated[str, typer.Option(
        help="Standards, in order: dry, 1413, 2760, 12880.")] = "dry,1413",
    temp_c: TempC = None, part: Part = None, wait_s: WaitS = WAIT_S, *, factory: Factory = False,
    yes: Yes = False, as_json: AsJson = False,
) -> None:
    """Calibrate an EC cell: dry, and in one or more standards."""
    body = {"kind": "ec", "part": part}
    with _open_wizard(url, node, body, wait_s, yes=yes, as_json=as_json) as wizard:
        wizard.check_current(to_factory=factory)
        for standard in _split(points):
            if standard == "dry":
                wizard.step("Rinse the cell, shake it dry, and hold it in air.")
            else:
                wizard.step(f"Rinse the cell, put it and the thermometer into standard {standard} "
                            "and knock off the bubbles.")
            wizard.point(standard, {"reference": standard, "temp_c": temp_c})
        _finish(wizard, TAKE_BACK, as_json=as_json)


@app.command()
def level(
    node: NodeName, url: Url = DEFAULT_URL,
    points: Annotated[str, typer.Option(
        help="Measured depths, mm: one sets the zero, two set zero and slope.")] = "",
    part: Part = None, wait_s: WaitS = WAIT_S, *, factory: Factory = False, yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Calibrate a level probe at one or two depths; 0 is the empty tank."""
    depths = _split(points) or [typer.prompt("Current water depth, mm")]
    body = {"kind": "level", "part": part}
    with _open_wizard(url, node, body, wait_s, yes=yes, as_json=as_json) as wizard:
        wizard.check_current(to_factory=factory)
        for depth in depths:
            wizard.step(f"Set the water to {depth} mm and let it settle.")
            wizard.point(f"{depth} mm", {"depth_mm": round(_number(depth))})
        _finish(wizard, "Restore the water level.", as_json=as_json)


@app.command()
def pump(
    node: NodeName,
    actuator: Annotated[str, typer.Argument(help="Doser, such as nutrient_a.")],
    url: Url = DEFAULT_URL,
    volume_ml: Annotated[float, typer.Option(
        "--volume", min=0.1, max=20, help="Volume of one run at the set flow rate, ml.")] = 3.0,
    points: Annotated[str, typer.Option(help="Measured volume of each run, ml, with --yes.")] = "",
    wait_s: WaitS = WAIT_S, *, yes: Yes = False, as_json: AsJson = False,
) -> None:
    """Calibrate a pump by the measured volume of its runs. Each run counts as a dose."""
    measured = _split(points)
    if yes and not measured:
        raise typer.BadParameter("required with --yes: measured volumes", param_hint="--points")
    body = {"kind": "pump", "actuator": actuator}
    with _open_wizard(url, node, body, wait_s, yes=yes, as_json=as_json) as wizard:
        wizard.step(f"Prime the tube of {actuator} and put its end into a measuring cylinder, not "
                  "the tank.")
        number = 0
        while True:
            on_ms = wizard.run_pump(volume_ml)
            wizard.print(f"The pump ran for {on_ms / 1_000:.2f} s.")
            volume = measured[number] if number < len(measured) else typer.prompt("Measured ml")
            wizard.point(f"{volume} ml", {"measured_ml": _number(volume)})
            number += 1
            if number >= len(measured) and (yes or not typer.confirm("Run the pump again?")):
                break
        _finish(wizard, "Put the tube back.", as_json=as_json)


@app.command()
def back(
    node: NodeName,
    kind: Annotated[str, typer.Argument(help="ph, ec, level or pump.")],
    url: Url = DEFAULT_URL, *, yes: Yes = False,
) -> None:
    """Restore the calibration before the newest one of a kind."""
    if not yes and not typer.confirm(f"Restore the previous {kind} calibration?"):
        raise typer.Abort
    rev = HostClient(url).send(
        "POST", f"{node_path(node)}/calibrations/back", {"kind": kind, "by": cli_user()})["rev"]
    typer.echo(f"{node}: revision {rev} sent; the previous {kind} calibration applies once the "
               "node confirms it.")


@app.command()
def history(node: NodeName, url: Url = DEFAULT_URL, *, as_json: AsJson = False) -> None:
    """Show the calibrations of a node and the health of its pH probe."""
    found = HostClient(url).get(f"{node_path(node)}/calibrations")
    if as_json:
        typer.echo(json.dumps(found))
        return
    console = Console()
    if not found["calibrations"]:
        console.print("No calibrations yet: idroserra calibrate ph|ec|level|pump NODE")
        return
    console.print(_history_table(found["calibrations"]))
    if found["health_now"] is not None:
        console.print(f"Health of the pH probe: {found['health_now']} of 100")
    if found["warning"]:
        console.print(text_of(found["warning"]))


def _open_wizard(
    url: str, node: str, body: dict[str, Any], wait_s: float, *, yes: bool, as_json: bool
) -> Wizard:
    body = {key: value for key, value in body.items() if value is not None} | {"by": cli_user()}
    return Wizard(HostClient(url), node, body, is_interactive=not yes, is_quiet=as_json,
                  wait_s=wait_s)


def _finish(wizard: Wizard, closing_step: str, *, as_json: bool) -> None:
    wizard.show_proposal()
    if not wizard.confirm("Apply this calibration?"):
        raise typer.Abort
    wizard.step(closing_step)
    state = wizard.finish()
    if as_json:
        typer.echo(json.dumps(state))


def _split(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise typer.BadParameter(f"{text}: not a number") from None


def _history_table(calibrations: list[dict[str, Any]]) -> Table:
    table = Table(box=None)
    for column in ("when", "what", "by", "points", "result", "health"):
        table.add_column(column)
    for one in calibrations:
        results = one["results"]
        shown = {
            "ph": "slope {slope_pct:.1f} %, offset {offset_mv:.1f} mV", "ec": "K {cell:.3f}",
            "level": "zero {zero_uv:.0f} uV, {uv_per_mm:.0f} uV/mm", "pump": "{ul_per_s:.0f} ul/s",
        }[one["kind"]].format(**results)
        when = time.strftime("%Y-%m-%d %H:%M", time.localtime(one["unix_ms"] / 1_000))
        what = one["kind"] if one["actuator"] is None else f"{one['kind']} {one['actuator']}"
        points = ", ".join(point["reference"] for point in one["points"])
        result = shown if one["is_confirmed"] else f"{shown} (not confirmed)"
        if one["undone_by"]:
            result += f" (undone by {one['undone_by']})"
        health = "" if one["health"] is None else str(one["health"])
        table.add_row(when, what, one["by"], points, result, health)
    return table
