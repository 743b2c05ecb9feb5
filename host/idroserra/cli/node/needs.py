"""`idroserra node needs`: what a greenhouse needs of its pumps, and what they may give."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer

from idroserra.client.http import DEFAULT_URL, HostClient
from idroserra.client.requests import AsJson, CommandFailed, NodeName, Url, litres_of
from idroserra.core.errors import ConfigError


def needs(
    node: NodeName,
    alkalinity_meq_l: Annotated[
        float, typer.Option(min=0.0, max=30.0, help="Alkalinity of the tap water, meq/L.")],
    crop_m2: Annotated[
        float, typer.Option(min=0.0, max=10_000.0, help="Area of the full-grown crop, m2.")],
    acid_meq_ml: Annotated[
        float, typer.Option(min=0.01, max=20.0, help="Strength of the acid, meq/ml.")] = 1.0,
    base_meq_ml: Annotated[
        float, typer.Option(min=0.01, max=20.0, help="Strength of the base, meq/ml.")] = 1.0,
    fill_ph: Annotated[
        float | None, typer.Option(min=3.0, max=10.0, help="pH of a fresh fill [reading].")
    ] = None,
    tap_l_min: Annotated[
        float | None, typer.Option(min=0.01, max=1_000.0, help="Flow of the top-off, L/min.")
    ] = None,
    litres: Annotated[
        float | None, typer.Option(min=1.0, max=20_000.0, help="Reservoir, L [from the level].")
    ] = None,
    url: Url = DEFAULT_URL, *, as_json: AsJson = False,
) -> None:
    """Compare what the crop and the water will need with what the node may give in a day.

    Exit code 1 if something is missing: then choose a stronger stock, a larger pump or tank, or
    softer water, before anything is planted.
    """
    from idrosim.benchmark import dose_needs

    found = HostClient(url).node(node)
    values, ph = found["config"]["values"], found["channels"].get("reservoir.ph")
    litres = litres or litres_of(found)
    if litres is None:
        raise ConfigError("command line", "--litres", f"missing: {node} has no level reading")
    if "ph.down_ul_per_ph" not in values:
        raise CommandFailed(f"{node}: its settings are unknown")
    if fill_ph is None:
        if ph is None or ph["value"] is None:
            raise ConfigError("command line", "--fill-ph", f"missing: {node} has no pH reading")
        fill_ph = float(ph["value"])
    declared = dose_needs.Greenhouse(
        litres, crop_m2, alkalinity_meq_l, fill_ph, acid_meq_ml, base_meq_ml,
        None if tap_l_min is None else 1e3 * tap_l_min / 60.0)
    all_needs = dose_needs.needs(declared, values)
    if as_json:
        typer.echo(json.dumps([{**asdict(one), "is_met": one.is_met} for one in all_needs]))
    for one in () if as_json else all_needs:
        typer.echo(f"{'✓' if one.is_met else '✗'} {one.line()}")
    missing = [one for one in all_needs if not one.is_met]
    if missing:
        raise CommandFailed(f"{node}: needs more than it may give: " + "; ".join(
            f"{one.what}, {one.when}, {one.needs_ml / max(one.may_ml, 0.001):.1f} times"
            for one in missing))
