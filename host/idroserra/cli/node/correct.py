"""`idroserra node correct`: correct pH or EC of a fresh fill, confirmed or poured at the tank."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from idroserra.cli.node.correct_at_board import correct_at_board
from idroserra.cli.node.correct_by_hand import correct_by_hand
from idroserra.client.http import DEFAULT_URL, HostClient
from idroserra.client.requests import AsJson, NodeName, Url, litres_of, run_command
from idroserra.core.errors import ConfigError
from idroserra.i18n.channels import plain_name

_STOCKS = {"ph_down": "h3po4_10pct", "ph_up": "khco3_1M"}
_NUTRIENT = "nutrient_a"
# The argument of the target in thousandths, and the range of the target.
_TARGETS = {"ph_down": ("target_milli_ph", 4.5, 7.5), "ph_up": ("target_milli_ph", 4.5, 7.5),
            _NUTRIENT: ("target_us_cm", 0.2, 5.0)}
# Stock strengths deviate from their labels; and hard water, above so much alkalinity, loses CO2
# against the acid of the whole correction.
_MARGIN, _HARD_MARGIN, _HARD_FROM_MEQ_L = 1.15, 1.6, 1.0
_MOST_ML = 8_000.0  # of one correction, by the protocol
_UL_PER_100_US_CM = "ec.ul_per_100_us_cm"


def correct(
    node: NodeName,
    target: Annotated[
        float, typer.Option(help="Target: pH, 4.5 to 7.5; mS/cm for nutrient_a, 0.2 to 5.")],
    total_ml: Annotated[
        float | None,
        typer.Option(min=1.0, max=_MOST_ML, help="Maximum total volume, ml."),
    ] = None,
    doser: Annotated[
        str, typer.Option(help="ph_down, ph_up or nutrient_a (B follows).")] = "ph_down",
    alkalinity_meq_l: Annotated[
        float | None,
        typer.Option(min=0.05, max=30.0, help="Without --total-ml: alkalinity, meq/L."),
    ] = None,
    stock: Annotated[
        str | None, typer.Option(help="With --alkalinity-meq-l: stock in the bottle.")] = None,
    mixing_s: Annotated[
        float | None,
        typer.Option(min=0.0, max=14_400.0, help="By hand: mixing time, s [mixing.wait_ms].")
    ] = None,
    url: Url = DEFAULT_URL, *,
    by_hand: Annotated[
        bool, typer.Option("--by-hand", help="Pour by hand; default on a board without a button.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Correct pH or EC of a fresh fill in steps, each confirmed at the board or poured by hand.

    Exit code 0 once the target is reached, else 1 with the reason.
    """
    if doser not in _TARGETS:
        raise ConfigError(
            "command line", "--doser", f"{doser!r}: not one of {', '.join(_TARGETS)}")
    key, low, high = _TARGETS[doser]
    if not low <= target <= high:
        raise ConfigError("command line", "--target", f"{target:g}: not {low:g} to {high:g}")
    client = HostClient(url)
    found = client.node(node)
    if total_ml is None:
        if doser == _NUTRIENT:
            total_ml = _nutrient_ml(found, target)
        else:
            total_ml = _computed_ml(found, doser, target, alkalinity_meq_l, stock)
        typer.echo(f"{node}: at most {total_ml:.0f} ml of {plain_name(doser)}", err=as_json)
    args = {"actuator": doser, key: round(target * 1_000), "volume_ul": round(total_ml * 1_000)}
    if doser == _NUTRIENT and (by_hand or found["has_button"] is False):
        raise ConfigError("command line", "--doser", (
            "nutrient_a needs the button of the board: pour the nutrient by hand, half of it, "
            "let it mix, read the EC, then half of the rest"))
    if by_hand or found["has_button"] is False:
        if not by_hand:
            typer.echo(f"{node}: this board has no button: pour the steps by hand", err=as_json)
        correct_by_hand(client, found, args, mixing_s, as_json=as_json)
        return
    correct_at_board(client, found, args, as_json=as_json)


def end_correction(node: NodeName, url: Url = DEFAULT_URL, *, as_json: AsJson = False) -> None:
    """End the open correction of a node."""
    run_command(url, node, "end_correction", {}, as_json=as_json)


def _nutrient_ml(node: dict[str, Any], target_ms_cm: float) -> float:
    """Return the ml of A (and of B) by the titration, plus a margin. Raises ConfigError."""
    channel = node["channels"].get("reservoir.ec_us_cm")
    values = node["config"]["values"]
    if channel is None or channel["value"] is None or _UL_PER_100_US_CM not in values:
        raise ConfigError("command line", "--total-ml", (
            f"missing, and {node['node']} has no EC reading or reports no settings"))
    lacks_us_cm = 1_000 * target_ms_cm - float(channel["value"])
    if lacks_us_cm <= 0.0:
        raise ConfigError("command line", "--target", (
            f"{target_ms_cm:g}: the water is at {channel['value'] / 1_000:.2f} mS/cm already"))
    return max(1.0, 1e-5 * lacks_us_cm * int(values[_UL_PER_100_US_CM]) * _MARGIN)


def _computed_ml(
    node: dict[str, Any], doser: str, target: float, alkalinity_meq_l: float | None,
    stock: str | None,
) -> float:
    """Return the calculated ml plus a margin. Raises ConfigError."""
    from idroserra.cli.node.correct_volume import fill_ml

    litres = litres_of(node)
    if alkalinity_meq_l is None:
        shown = "LITRES" if litres is None else f"{litres:.0f}"
        raise ConfigError("command line", "--total-ml", (
            "missing: give --alkalinity-meq-l of your water, or compute the ml with `idroserra "
            f"chem --recipe lettuce --volume-l {shown} --target-ph {target:g} "
            '--water "HCO3=146 pH=7.6"` and the values of your water report'))
    if litres is None:
        raise ConfigError("command line", "--total-ml", (
            f"missing, and {node['node']} has no level reading for the volume"))
    channel = node["channels"].get("reservoir.ph")
    if channel is None or channel["value"] is None:
        raise ConfigError("command line", "--total-ml", (
            f"missing, and {node['node']} has no pH reading"))
    stock = stock or _STOCKS[doser]
    needed_ml = fill_ml(alkalinity_meq_l, channel["value"], target, stock, litres)
    if needed_ml <= 0.0:
        raise ConfigError("command line", "--target", (
            f"{target:g}: the water is at pH {channel['value']:.2f} and needs no {stock}"))
    is_hard = doser == "ph_down" and alkalinity_meq_l > _HARD_FROM_MEQ_L
    margin = _HARD_MARGIN if is_hard else _MARGIN
    typer.echo(f"{node['node']}: {litres:.0f} L of {alkalinity_meq_l:g} meq/L at pH "
               f"{channel['value']:.2f} need {needed_ml:.0f} ml of {stock} to pH {target:g}, plus "
               f"a margin of {round(100 * (margin - 1))} %", err=True)
    return min(_MOST_ML, max(1.0, needed_ml * margin))
