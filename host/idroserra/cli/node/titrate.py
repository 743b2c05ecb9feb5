"""`idroserra node titrate`: derive dosing settings from a titrated sample or the log."""

from __future__ import annotations

import json
import sys
from typing import Annotated, Any

import typer

from idroserra.calibration.titration import (
    Dose,
    MeanReading,
    StrengthProposal,
    TitrationError,
    ec_responses,
    from_sample,
    ph_responses,
    propose,
)
from idroserra.client.http import DEFAULT_URL, HostClient
from idroserra.client.requests import (
    AsJson,
    CommandFailed,
    NodeName,
    Url,
    litres_of,
    node_path,
    now_unix_ms,
    set_config,
)
from idroserra.core import protocol
from idroserra.core.errors import ConfigError
from idroserra.i18n.channels import plain_name

_PH_SETTINGS = {"ph_down": "ph.down_ul_per_ph", "ph_up": "ph.up_ul_per_ph"}
_EC_SETTING = "ec.ul_per_100_us_cm"
_PH, _EC = "reservoir.ph", "reservoir.ec_us_cm"
_DAY_MS = 86_400_000
_MAX_COLUMNS = 4_000
_MAX_EVENTS = 5_000


def titrate(
    node: NodeName,
    doser: Annotated[str, typer.Option(help="With a sample: ph_down or ph_up.")] = "ph_down",
    sample_ml: Annotated[
        float, typer.Option(min=50.0, max=20_000.0, help="Volume of the sample, ml.")] = 1_000.0,
    stock_ml: Annotated[
        float | None, typer.Option(help="Stock added, ml, as undiluted stock.")] = None,
    from_ph: Annotated[float | None, typer.Option(help="pH of the sample before.")] = None,
    to_ph: Annotated[float | None, typer.Option(help="pH after mixing.")] = None,
    litres: Annotated[
        float | None,
        typer.Option(min=1.0, max=20_000.0, help="Reservoir volume, L; default: from the level."),
    ] = None,
    days: Annotated[float, typer.Option(min=0.1, max=60.0, help="Days of log to read.")] = 7.0,
    url: Url = DEFAULT_URL, *,
    from_log: Annotated[
        bool, typer.Option("--from-log", help="Use the doses of the last days.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Apply without confirmation.")] = False,
    as_json: AsJson = False,
) -> None:
    """Propose ul per pH (and per 100 uS/cm), and apply it after confirmation.

    Sample: take a litre from the reservoir, read its pH, add stock up to the target pH, read
    again. Log: after the node has dosed for some days. --json only prints the proposals.
    """
    client = HostClient(url)
    found = client.node(node)
    if from_log:
        proposals, refusals = _from_log(client, found, days)
    else:
        proposals, refusals = [_from_sample(found, doser, sample_ml, litres,
                                            (stock_ml, from_ph, to_ph))], {}
    refusals |= _out_of_range(proposals)
    good = [one for one in proposals if one.setting not in refusals]
    if as_json and not yes:
        typer.echo(json.dumps({"proposals": [vars(one) for one in good], "refused": refusals}))
    else:
        _show(found, good, refusals, as_json=as_json)
    if not good:
        raise CommandFailed(f"{node}: nothing to propose: " + "; ".join(
            f"{setting}: {why}" for setting, why in refusals.items()))
    if yes or (not as_json and _confirmed()):
        values = {one.setting: one.value for one in good}
        config = set_config(client, node, values)
        if as_json:
            typer.echo(json.dumps(config))
        else:
            typer.echo(f"{node}: revision {config['rev']} confirmed: " + ", ".join(
                f"{key} = {value}" for key, value in values.items()))
    elif not as_json:
        typer.echo(f"{node}: no settings changed")


def _from_sample(
    node: dict[str, Any], doser: str, sample_ml: float, litres: float | None,
    measured: tuple[float | None, float | None, float | None],
) -> StrengthProposal:
    if doser not in _PH_SETTINGS:
        raise ConfigError("command line", "--doser",
                          f"{doser!r}: not one of {', '.join(_PH_SETTINGS)}")
    litres = litres or litres_of(node)
    if litres is None:
        raise ConfigError("command line", "--litres",
                          f"missing: {node['node']} has no level reading")
    stock_ml, from_ph, to_ph = measured
    name = plain_name(doser)
    if from_ph is None:
        from_ph = _number("--from-ph", f"pH of the {sample_ml:g} ml before")
    if stock_ml is None:
        stock_ml = _number("--stock-ml", f"ml of {name} added")
    if to_ph is None:
        to_ph = _number("--to-ph", "pH after mixing")
    try:
        value = from_sample(doser, sample_ml, stock_ml, from_ph, to_ph, litres)
    except TitrationError as error:
        raise ConfigError("command line", "titration", str(error)) from None
    typer.echo(f"{litres:.1f} L in the reservoir, {sample_ml / 1_000:g} L in the sample", err=True)
    return StrengthProposal(_PH_SETTINGS[doser], value, 0, 1)


def _number(option: str, question: str) -> float:
    """Prompt for a number. Raises ConfigError without a terminal."""
    if not sys.stdin.isatty():
        raise ConfigError("command line", option, "missing")
    return float(typer.prompt(question, type=float, err=True))


def _from_log(
    client: HostClient, node: dict[str, Any], days: float
) -> tuple[list[StrengthProposal], dict[str, str]]:
    """Return proposals from the log, and the reason for each setting without one."""
    mixing_ms = node["config"]["values"].get("mixing.wait_ms")
    if mixing_ms is None:
        raise CommandFailed(f"{node['node']}: its settings are unknown")
    to = now_unix_ms()
    doses, points = _read_log(client, node, to - round(days * _DAY_MS), to)
    proposals: list[StrengthProposal] = []
    refusals: dict[str, str] = {}
    sources = [(setting, ph_responses(doser, doses, points[_PH], mixing_ms), 1.0)
             for doser, setting in _PH_SETTINGS.items() if doser in node["outputs"]]
    sources.append((_EC_SETTING, ec_responses(doses, points[_EC], mixing_ms), 100.0))
    for setting, responses, step in sources:
        try:
            proposals.append(propose(setting, responses, step))
        except TitrationError as error:
            refusals[setting] = str(error)
    return proposals, refusals


def _read_log(
    client: HostClient, node: dict[str, Any], from_unix_ms: int, to_unix_ms: int
) -> tuple[list[Dose], dict[str, list[MeanReading]]]:
    """Return doses, oldest first, and readings; queried by day for full resolution."""
    doses: list[Dose] = []
    points: dict[str, list[MeanReading]] = {_PH: [], _EC: []}
    channels = [key for key in points if key in node["channels"]]
    path = node_path(node["node"])
    for begins in range(from_unix_ms, to_unix_ms, _DAY_MS):
        ends = min(begins + _DAY_MS, to_unix_ms)
        events = client.get(f"{path}/events", from_unix_ms=begins, to_unix_ms=ends,
                            kinds="dosed,ran", limit=_MAX_EVENTS)["events"]
        doses += [_dose(event) for event in events
                  if event["kind"] == "dosed" or event["detail"].get("actuator") == "top_off"]
        if channels:
            series = client.get(f"{path}/series", channels=",".join(channels),
                                from_unix_ms=begins, to_unix_ms=ends,
                                columns=_MAX_COLUMNS)["series"]
            for key in channels:
                points[key] += [MeanReading(column[0], column[2]) for column in series[key]]
    return doses, points


def _dose(event: dict[str, Any]) -> Dose:
    """Convert an event. A fill counts as a dose, since it also changes the reading."""
    detail, reason = event["detail"], event["reason"]
    return Dose(event["unix_us"] // 1_000, str(detail.get("actuator")),
                int(detail.get("volume_ul") or 0), int(detail.get("on_ms") or 0),
                reason is not None and reason["code"] == "correction_step")


def _out_of_range(proposals: list[StrengthProposal]) -> dict[str, str]:
    """Return the reason for each proposal outside the range of its setting."""
    refusals = {}
    for one in proposals:
        row = protocol.SETTINGS[one.setting]
        if not row.low <= one.value <= row.high:
            refusals[one.setting] = (f"{one.value} {row.unit} is outside {row.low} to {row.high}: "
                                     "check the values")
    return refusals


def _show(
    node: dict[str, Any], proposals: list[StrengthProposal], refusals: dict[str, str], *,
    as_json: bool,
) -> None:
    for one in proposals:
        unit = protocol.SETTINGS[one.setting].unit
        now = node["config"]["values"].get(one.setting, "unknown")
        how = "from the sample" if one.spread == 0 and one.count == 1 else (
            f"± {one.spread}, from {one.count} doses")
        typer.echo(f"{one.setting}: {one.value} {unit}, {how} (current: {now})", err=as_json)
    for setting, why in refusals.items():
        if proposals:
            typer.echo(f"{setting}: no proposal: {why}", err=as_json)


def _confirmed() -> bool:
    """Ask for confirmation; False without a terminal."""
    return sys.stdin.isatty() and typer.confirm("Apply?", default=False)
