"""`idroserra calibrate`: probes and pumps, as a guided walk through a running host."""

from __future__ import annotations

import json
import time
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from idroserra.cli.calibrate.wizard import Wizard
from idroserra.client.http import DEFAULT_URL, HostClient
from idroserra.client.requests import AsJson, NodeName, Url, cli_user, node_path

app = typer.Typer(
    help="Calibrate pH, EC and level probes and dosing pumps.", no_args_is_help=True,
    add_completion=False)

Yes = Annotated[bool, typer.Option("--yes", help="Ask nothing: each point is taken when it fits "
                                   "and is stable.")]
WaitS = Annotated[float, typer.Option("--wait", min=1, help="Most seconds for one point.")]
TempC = Annotated[float | None, typer.Option(
    "--temp", min=0, max=60, help="Temperature of the cup in C, where the node's thermometer is "
    "not in it.")]
Part = Annotated[str | None, typer.Option(
    "--part", help="What measures it, for a board the host does not know.")]
Factory = Annotated[bool, typer.Option("--factory", help="Begin from the factory values.")]

TAKE_BACK = "Rinse the probe and put it back into the tank."
WAIT_S = 600.0


@app.command()
def ph(
    node: NodeName,
    url: Url = DEFAULT_URL,
    points: Annotated[str, typer.Option(
        help="Buffers in their order: 4.01, 6.86, 7.00, 9.18, 10.01.")] = "7.00,4.01",
    temp_c: TempC = None,
    part: Part = None,
    wait_s: WaitS = WAIT_S,
    *,
    factory: Factory = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Calibrate pH in one, two or three buffers."""
    body = {"kind": "ph", "part": part}
    with _walk(url, node, body, wait_s, yes=yes, as_json=as_json) as walk:
        walk.look_at_present(to_factory=factory)
        for buffer in _listed(points):
            walk.step(f"Rinse the probe, and put it and the thermometer into buffer {buffer}.")
            walk.point(f"buffer {buffer}", {"reference": buffer, "temp_c": temp_c})
        _finish(walk, TAKE_BACK, as_json=as_json)


@app.command()
def ec(
    node: NodeName,
    url: Url = DEFAULT_URL,
    points: Annotated[str, typer.Option(
        help="In their order: dry, 1413, 2760, 12880.")] = "dry,1413",
    temp_c: TempC = None,
    part: Part = None,
    wait_s: WaitS = WAIT_S,
    *,
    factory: Factory = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Calibrate the cell constant: dry, and in one or more standards."""
    body = {"kind": "ec", "part": part}
    with _walk(url, node, body, wait_s, yes=yes, as_json=as_json) as walk:
        walk.look_at_present(to_factory=factory)
        for standard in _listed(points):
            if standard == "dry":
                walk.step("Rinse the cell, shake it dry, and hold it in air.")
            else:
                walk.step(f"Rinse the cell, put it and the thermometer into standard {standard}, "
                          "and knock off the bubbles.")
            walk.point(standard, {"reference": standard, "temp_c": temp_c})
        _finish(walk, TAKE_BACK, as_json=as_json)


@app.command()
def level(
    node: NodeName,
    url: Url = DEFAULT_URL,
    points: Annotated[str, typer.Option(
        help="Depths in mm, measured with a rule: one moves the zero, two give all.")] = "",
    part: Part = None,
    wait_s: WaitS = WAIT_S,
    *,
    factory: Factory = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Calibrate the level at one or two depths, one of them 0 for an empty tank."""
    depths = _listed(points) or [typer.prompt("Depth of the water now, in mm")]
    body = {"kind": "level", "part": part}
    with _walk(url, node, body, wait_s, yes=yes, as_json=as_json) as walk:
        walk.look_at_present(to_factory=factory)
        for depth in depths:
            walk.step(f"Bring the water to {depth} mm, and let it come to rest.")
            walk.point(f"{depth} mm", {"depth_mm": round(_number(depth))})
        _finish(walk, "Bring the water back to where it belongs.", as_json=as_json)


@app.command()
def pump(
    node: NodeName,
    actuator: Annotated[str, typer.Argument(help="A doser, such as nutrient_a.")],
    url: Url = DEFAULT_URL,
    volume_ml: Annotated[float, typer.Option(
        "--volume", min=0.1, max=20, help="Of one run, by the flow in force.")] = 3.0,
    points: Annotated[str, typer.Option(
        help="What each run gave, in ml, where nobody is asked.")] = "",
    wait_s: WaitS = WAIT_S,
    *,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Calibrate a pump by the measured volume of its runs. They are doses, and charged as such."""
    measured = _listed(points)
    if yes and not measured:
        raise typer.BadParameter("what each run gave is needed", param_hint="--points")
    body = {"kind": "pump", "actuator": actuator}
    with _walk(url, node, body, wait_s, yes=yes, as_json=as_json) as walk:
        walk.step(f"Take the tube of {actuator} out of the tank, filled to its end, into a "
                  "measuring cylinder.")
        number = 0
        while True:
            on_ms = walk.run_pump(volume_ml)
            walk.say(f"It ran for {on_ms / 1_000:.2f} s.")
            given = measured[number] if number < len(measured) else typer.prompt("Millilitres")
            walk.point(f"{given} ml", {"measured_ml": _number(given)})
            number += 1
            if number >= len(measured) and (yes or not typer.confirm("Run it again?")):
                break
        _finish(walk, "Put the tube back.", as_json=as_json)


@app.command()
def back(
    node: NodeName,
    kind: Annotated[str, typer.Argument(help="ph, ec, level or pump.")],
    url: Url = DEFAULT_URL,
    *,
    yes: Yes = False,
) -> None:
    """Put in force again what was before the newest calibration of a kind."""
    if not yes and not typer.confirm(f"Go back to the {kind} calibration before?"):
        raise typer.Abort
    rev = HostClient(url).send(
        "POST", f"{node_path(node)}/calibrations/back", {"kind": kind, "by": cli_user()})["rev"]
    typer.echo(f"{node}: revision {rev} is sent; the node has the former {kind} calibration once "
               "it says so.")


@app.command()
def history(node: NodeName, url: Url = DEFAULT_URL, *, as_json: AsJson = False) -> None:
    """Show every calibration of a node, and the health of its pH probe."""
    found = HostClient(url).get(f"{node_path(node)}/calibrations")
    if as_json:
        typer.echo(json.dumps(found))
        return
    console = Console()
    if not found["calibrations"]:
        console.print("Nothing was calibrated yet: idroserra calibrate ph|ec|level|pump NODE")
        return
    console.print(_history_table(found["calibrations"]))
    if found["health_now"] is not None:
        console.print(f"Health of the pH probe today: {found['health_now']} of 100")
    if found["warning"]:
        console.print(found["warning"])


def _walk(
    url: str, node: str, body: dict[str, Any], wait_s: float, *, yes: bool, as_json: bool
) -> Wizard:
    body = {key: value for key, value in body.items() if value is not None} | {"by": cli_user()}
    return Wizard(HostClient(url), node, body, is_asked=not yes, is_quiet=as_json, wait_s=wait_s)


def _finish(walk: Wizard, last_step: str, *, as_json: bool) -> None:
    walk.show_proposal()
    if not walk.sure("Put this in force?"):
        raise typer.Abort
    walk.step(last_step)
    state = walk.finish()
    if as_json:
        typer.echo(json.dumps(state))


def _listed(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise typer.BadParameter(f"{text}: a number is needed") from None


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
        told = shown if one["is_confirmed"] else f"{shown} (not confirmed)"
        if one["undone_by"]:
            told += f" (taken back by {one['undone_by']})"
        health = "" if one["health"] is None else str(one["health"])
        table.add_row(when, what, one["by"], points, told, health)
    return table
