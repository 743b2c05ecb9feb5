"""`idroserra alarms`: list, acknowledge and shelve alarms; show history and statistics."""

from __future__ import annotations

import json
import time
from typing import Annotated, Any

import typer
from rich.console import Console

from idroserra.cli.node.site import SiteOption
from idroserra.client.http import DEFAULT_URL, HostClient
from idroserra.client.requests import POLL_S, AsJson, CommandFailed, Url, cli_user, now_unix_ms
from idroserra.core.durations import duration_ms
from idroserra.terminal.alarm_tables import alarms_table, history_table, kpis_table

app = typer.Typer(
    help="Show and handle the alarms of a running host.", no_args_is_help=True,
    add_completion=False)

TEST_S = 40.0

Key = Annotated[str, typer.Argument(help="Key of the alarm, from `list`.")]
CommentOption = Annotated[str, typer.Option("--comment", help="Recorded in the history.")]


@app.command("list")
def list_alarms(
    site: SiteOption = None, url: Url = DEFAULT_URL, *, as_json: AsJson = False
) -> None:
    """List active alarms, worst first, with their consequential alarms."""
    found = HostClient(url).get("/api/alarms", **({} if site is None else {"site": site}))
    if as_json:
        typer.echo(json.dumps(found))
        return
    if found["health"]["text"]:
        typer.echo(found["health"]["text"], err=True)
    if found["alarms"]:
        Console().print(alarms_table(found["alarms"], now_unix_ms()))
    else:
        typer.echo("No active alarms.")


@app.command()
def ack(
    keys: Annotated[list[str] | None, typer.Argument(help="Keys, from `list`.")] = None,
    comment: CommentOption = "", url: Url = DEFAULT_URL, *,
    everything: Annotated[bool, typer.Option("--all", help="All unacknowledged alarms.")] = False,
    as_json: AsJson = False,
) -> None:
    """Acknowledge alarms."""
    client = HostClient(url)
    if everything == bool(keys):
        raise typer.BadParameter("give alarm keys or --all, not both", param_hint="KEYS")
    if everything:
        active = client.get("/api/alarms")["alarms"]
        keys = [one["key"] for one in active if one["state"] in ("unacknowledged", "returned")]
        if not keys:
            typer.echo("No unacknowledged alarms.")
            return
    found = client.send("POST", "/api/alarms/acknowledge",
                        {"keys": keys, "by": cli_user(), "comment": comment})
    _print_done(found, f"acknowledged: {', '.join(keys or [])}", as_json=as_json)


@app.command()
def shelve(
    key: Key,
    duration: Annotated[str, typer.Option("--for", help="How long: 30m, 8h, up to 168h.")] = "8h",
    comment: CommentOption = "", url: Url = DEFAULT_URL, *, as_json: AsJson = False,
) -> None:
    """Shelve an alarm for a time; it unshelves by itself."""
    body = {"key": key, "for_ms": duration_ms(duration), "by": cli_user(), "comment": comment}
    found = HostClient(url).send("POST", "/api/alarms/shelve", body)
    _print_done(found, f"shelved for {duration}: {key}", as_json=as_json)


@app.command()
def unshelve(key: Key, url: Url = DEFAULT_URL, *, as_json: AsJson = False) -> None:
    """Unshelve an alarm early."""
    _change(url, "unshelve", key, "", f"unshelved: {key}", as_json=as_json)


@app.command("take-out")
def take_out(
    key: Key, comment: CommentOption = "", url: Url = DEFAULT_URL, *, as_json: AsJson = False
) -> None:
    """Take an alarm out of service until it is put back."""
    _change(url, "take-out", key, comment, f"out of service: {key}", as_json=as_json)


@app.command("put-back")
def put_back(key: Key, url: Url = DEFAULT_URL, *, as_json: AsJson = False) -> None:
    """Put an alarm back into service."""
    _change(url, "put-back", key, "", f"back in service: {key}", as_json=as_json)


@app.command()
def history(
    days: Annotated[float, typer.Option(min=0.01, max=400, help="Days to show.")] = 7,
    node: Annotated[str | None, typer.Option(help="Only this node.")] = None,
    site: SiteOption = None,
    limit: Annotated[int, typer.Option(min=1, max=2_000, help="Maximum number of changes.")] = 50,
    url: Url = DEFAULT_URL, *, as_json: AsJson = False,
) -> None:
    """Show state changes of alarms: when, what, and by whom."""
    to = now_unix_ms() + 60_000
    query: dict[str, Any] = {"from_unix_ms": max(0, to - round(days * 86_400_000)),
                             "to_unix_ms": to, "limit": limit}
    query |= {key: value for key, value in (("node", node), ("site", site)) if value is not None}
    changes = HostClient(url).get("/api/alarms/history", **query)["changes"]
    if as_json:
        typer.echo(json.dumps(changes))
    elif not changes:
        typer.echo("No alarm changes in this period.")
    else:
        Console().print(history_table(changes))


@app.command()
def kpis(
    days: Annotated[float, typer.Option(min=0.01, max=400, help="Days to show.")] = 7,
    url: Url = DEFAULT_URL, *, as_json: AsJson = False,
) -> None:
    """Show alarm statistics per site: rates, floods, stale and chattering alarms."""
    found = HostClient(url).get("/api/alarms/kpis", days=days)
    if as_json:
        typer.echo(json.dumps(found))
    else:
        Console().print(kpis_table(found["sites"]))


@app.command("test")
def send_test(url: Url = DEFAULT_URL, *, as_json: AsJson = False) -> None:
    """Send a test notification to every target and wait for the results."""
    client = HostClient(url)
    number = client.send("POST", "/api/alarms/test", {"by": cli_user()})["id"]
    deadline_s = time.monotonic() + TEST_S
    deliveries: list[dict[str, Any]] = []
    while time.monotonic() < deadline_s:
        delivery = client.get("/api/alarms")["delivery"]
        if delivery["unknown"]:
            raise CommandFailed(f"delivery unknown: {delivery['unknown']}")
        notices = delivery["notices"]
        deliveries = next((n["deliveries"] for n in notices if n["id"] == number), [])
        if all(delivery["state"] != "waiting" for delivery in deliveries):
            break
        time.sleep(POLL_S)
    if as_json:
        typer.echo(json.dumps(deliveries))
    for one in [] if as_json else deliveries:
        state = {"sent": "sent", "waiting": "no answer yet"}.get(one["state"], "failed")
        why = f": {one['error']['text']}" if one["error"] else ""
        typer.echo(f"{one['target']}: {state}{why}")
    if not deliveries:
        raise CommandFailed("no recipients configured (docs/alarms.md)")
    if any(delivery["state"] != "sent" for delivery in deliveries):
        raise CommandFailed("the test was not delivered to every target")


def _change(url: str, verb: str, key: str, comment: str, done: str, *, as_json: bool) -> None:
    found = HostClient(url).send("POST", f"/api/alarms/{verb}",
                                 {"key": key, "by": cli_user(), "comment": comment})
    _print_done(found, done, as_json=as_json)


def _print_done(found: dict[str, Any], done: str, *, as_json: bool) -> None:
    typer.echo(json.dumps(found) if as_json else done)
