"""`idroserra node`: look at the nodes of a running host, and ask them for something."""

from __future__ import annotations

import getpass
import json
import re
import time
from typing import Annotated, Any
from urllib.parse import quote

import typer

from idroserra.cli_tables import node_detail, nodes_table, settings_table
from idroserra.errors import HostError
from idroserra.host_client import DEFAULT_URL, HostClient

app = typer.Typer(
    help="Operate nodes through a running host.", no_args_is_help=True, add_completion=False)

Url = Annotated[str, typer.Option("--url", envvar="IDROSERRA_URL", help="Where the host is.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for a program to read.")]
NodeName = Annotated[str, typer.Argument(help="The node's id.")]

# How long the node may begin with it. A dose answers when it is given, which takes its time.
TTL_MS, DOSE_TTL_MS = 10_000, 20_000
ANSWER_GRACE_S = 8.0
CONFIRM_S = 20.0
POLL_S = 0.2
WIDE_COLUMNS = 110
_UNITS_MS = {"ms": 1, "s": 1_000, "m": 60_000, "min": 60_000, "h": 3_600_000}


class CommandFailed(HostError):
    """The node did not do what it was asked."""


@app.command("list")
def list_nodes(url: Url = DEFAULT_URL, *, as_json: AsJson = False) -> None:
    """List the nodes, worst first, with their newest readings."""
    nodes = HostClient(url).nodes()
    if as_json:
        typer.echo(json.dumps(nodes))
    elif not nodes:
        typer.echo("No node has reported yet. `idroserra demo` shows simulated ones.")
    else:
        _print(lambda width: nodes_table(nodes, _now_unix_ms(), wide=width >= WIDE_COLUMNS))


@app.command()
def show(node: NodeName, url: Url = DEFAULT_URL, *, as_json: AsJson = False) -> None:
    """Show one node: how it is, every reading with its band and age, and what it did lately."""
    client = HostClient(url)
    found = client.node(node)
    to = _now_unix_ms() + 60_000
    events = client.get(f"{_path(node)}/events", from_unix_ms=to - 86_400_000, to_unix_ms=to,
                        limit=12)["events"]
    if as_json:
        typer.echo(json.dumps(found | {"events": events}))
    else:
        _print(node_detail(found, events, _now_unix_ms()))


@app.command("set")
def set_values(
    node: NodeName,
    pairs: Annotated[
        list[str] | None,
        typer.Argument(metavar="KEY=VALUE...", help="Without any: the settings in force."),
    ] = None,
    url: Url = DEFAULT_URL,
    *,
    as_json: AsJson = False,
) -> None:
    """Change settings, and wait until the node says they are in force."""
    client = HostClient(url)
    if not pairs:
        config = client.node(node)["config"]
        if as_json:
            typer.echo(json.dumps(config))
        else:
            _print(settings_table(config))
        return
    values = dict(_pair(text) for text in pairs)
    wanted = client.send("PUT", f"{_path(node)}/config", {"values": values, "by": _who()})
    config = _confirmed(client, node, wanted["rev"])
    if as_json:
        typer.echo(json.dumps(config))
    else:
        changed = ", ".join(f"{key} = {json.dumps(config['values'][key])}" for key in values)
        typer.echo(f"{node}: revision {config['rev']} is in force: {changed}")


@app.command()
def dose(
    node: NodeName,
    actuator: Annotated[str, typer.Argument(help="A doser, such as ph_down.")],
    volume_ml: Annotated[float, typer.Argument(min=0.001, max=20, help="Millilitres.")],
    url: Url = DEFAULT_URL,
    *,
    as_json: AsJson = False,
) -> None:
    """Give one dose by hand. The node's limits hold for it as for any other."""
    args = {"actuator": actuator, "volume_ul": round(volume_ml * 1_000)}
    _command(url, node, "dose", args, f"{volume_ml:g} ml of {actuator} given", as_json=as_json)


@app.command()
def run(
    node: NodeName,
    actuator: Annotated[str, typer.Argument(help="A switch or dimmer, such as circulation.")],
    duration: Annotated[str, typer.Option("--for", help="How long: 30s, 10m, 1h.")] = "10m",
    duty_pct: Annotated[
        int | None, typer.Option("--duty", min=0, max=100, help="Level of a dimmer, in %.")
    ] = None,
    url: Url = DEFAULT_URL,
    *,
    as_json: AsJson = False,
) -> None:
    """Run an output for a time; the node switches it off by itself."""
    args: dict[str, Any] = {"actuator": actuator, "for_ms": duration_ms(duration)}
    if duty_pct is not None:
        args["duty_pct"] = duty_pct
    _command(url, node, "run", args, f"{actuator} runs for {duration}", as_json=as_json)


@app.command()
def stop(node: NodeName, url: Url = DEFAULT_URL, *, as_json: AsJson = False) -> None:
    """Stop all dosing until somebody resumes it."""
    _command(url, node, "stop", {}, "all dosing is stopped", as_json=as_json)


@app.command()
def resume(node: NodeName, url: Url = DEFAULT_URL, *, as_json: AsJson = False) -> None:
    """Release dosing again after a stop or a lock."""
    _command(url, node, "resume", {}, "dosing is possible again", as_json=as_json)


def duration_ms(text: str) -> int:
    """Return a duration such as 90s, 10m or 1.5h in milliseconds. Raises BadParameter."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s|m|min|h)", text.strip())
    if found is None:
        raise typer.BadParameter(f"{text}: a number with s, m or h needed, such as 10m",
                                 param_hint="--for")
    return round(float(found[1]) * _UNITS_MS[found[2]])


def _command(
    url: str, node: str, verb: str, args: dict[str, Any], done: str, *, as_json: bool
) -> None:
    """Send a command, wait for its end, tell it; raises CommandFailed unless it was done."""
    client = HostClient(url)
    ttl_ms = DOSE_TTL_MS if verb == "dose" else TTL_MS
    body = {"verb": verb, "args": args, "by": _who(), "ttl_ms": ttl_ms}
    command = client.send("POST", f"{_path(node)}/commands", body)
    deadline_s = time.monotonic() + ttl_ms / 1_000 + ANSWER_GRACE_S
    while command["state"] == "pending" and time.monotonic() < deadline_s:
        time.sleep(POLL_S)
        command = client.get(f"/api/commands/{command['id']}")
    if as_json:
        typer.echo(json.dumps(command))
    if command["state"] == "done":
        if not as_json:
            typer.echo(f"{node}: confirmed, {done}")
        return
    reason = command["reason"] or "the node gave no answer in time"
    raise CommandFailed(f"{node}: {verb} {command['state']}: {reason}")


def _confirmed(client: HostClient, node: str, rev: int) -> dict[str, Any]:
    """Return the node's config once it reports `rev`; raises CommandFailed where it does not."""
    deadline_s = time.monotonic() + CONFIRM_S
    while True:
        config: dict[str, Any] = client.node(node)["config"]
        reported = config["reported_rev"]
        if reported is not None and reported >= rev:
            if config["error"]:
                raise CommandFailed(f"{node}: settings refused: {config['error']}")
            return config
        if time.monotonic() > deadline_s:
            raise CommandFailed(f"{node}: revision {rev} is not confirmed yet; "
                                "the node gets it as soon as it is back")
        time.sleep(POLL_S)


def _pair(text: str) -> tuple[str, Any]:
    """Return (key, value) of KEY=VALUE; the host checks both."""
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise typer.BadParameter(f"{text}: KEY=VALUE needed, such as ph.target=5.9")
    try:
        return key, json.loads(value)
    except ValueError:
        spoken = {"on": True, "yes": True, "off": False, "no": False}
        return key, spoken.get(value.lower(), value)


def _path(node: str) -> str:
    return f"/api/nodes/{quote(node, safe='')}"


def _who() -> str:
    try:
        return f"{getpass.getuser()[:30]} (cli)"
    except (OSError, KeyError):
        return "cli"


def _now_unix_ms() -> int:
    return time.time_ns() // 1_000_000


def _print(renderable: Any) -> None:
    from rich.console import Console

    console = Console()
    console.print(renderable(console.width) if callable(renderable) else renderable)
