"""`idroserra alarms`: what stands, cause first; acknowledge it, shelve it, look back."""

from __future__ import annotations

import json
import time
from typing import Annotated, Any

import typer

from idroserra.cli.node.site import SiteOption
from idroserra.client.http import DEFAULT_URL, HostClient
from idroserra.client.requests import POLL_S, AsJson, CommandFailed, Url, cli_user, now_unix_ms
from idroserra.core.durations import duration_ms
from idroserra.terminal.alarm_tables import alarms_table, history_table, kpis_table

app = typer.Typer(
    help="See and handle the alarms of a running host.", no_args_is_help=True,
    add_completion=False)

TEST_S = 40.0

Key = Annotated[str, typer.Argument(help="The alarm's key, as `list` prints it.")]
CommentOption = Annotated[str, typer.Option("--comment", help="Kept in the journal.")]


@app.command("list")
def list_alarms(
    site: SiteOption = None, url: Url = DEFAULT_URL, *, as_json: AsJson = False
) -> None:
    """List what stands, worst first, with what each explains."""
    found = HostClient(url).get("/api/alarms", **({} if site is None else {"site": site}))
    if as_json:
        typer.echo(json.dumps(found))
        return
    if found["health"]["text"]:
        typer.echo(found["health"]["text"], err=True)
    if found["alarms"]:
        _print(alarms_table(found["alarms"], now_unix_ms()))
    else:
        typer.echo("No alarm stands.")


@app.command()
def ack(
    keys: Annotated[list[str] | None, typer.Argument(help="Keys, as `list` prints them.")] = None,
    comment: CommentOption = "",
    url: Url = DEFAULT_URL,
    *,
    everything: Annotated[bool, typer.Option("--all", help="All that ask for it.")] = False,
    as_json: AsJson = False,
) -> None:
    """Say that you know of alarms."""
    client = HostClient(url)
    if everything == bool(keys):
        raise typer.BadParameter("name alarms, or say --all", param_hint="KEYS")
    if everything:
        standing = client.get("/api/alarms")["alarms"]
        keys = [one["key"] for one in standing if one["state"] in ("unacknowledged", "returned")]
        if not keys:
            typer.echo("Nothing asks to be acknowledged.")
            return
    found = client.send("POST", "/api/alarms/acknowledge",
                        {"keys": keys, "by": cli_user(), "comment": comment})
    _say(found, f"acknowledged: {', '.join(keys or [])}", as_json=as_json)


@app.command()
def shelve(
    key: Key,
    duration: Annotated[str, typer.Option("--for", help="How long: 30m, 8h, up to 168h.")] = "8h",
    comment: CommentOption = "",
    url: Url = DEFAULT_URL,
    *,
    as_json: AsJson = False,
) -> None:
    """Put an alarm aside for a time; it comes back by itself."""
    body = {"key": key, "for_ms": duration_ms(duration), "by": cli_user(), "comment": comment}
    found = HostClient(url).send("POST", "/api/alarms/shelve", body)
    _say(found, f"shelved for {duration}: {key}", as_json=as_json)


@app.command()
def unshelve(key: Key, url: Url = DEFAULT_URL, *, as_json: AsJson = False) -> None:
    """Take an alarm back before its time."""
    _about(url, "unshelve", key, "", f"back: {key}", as_json=as_json)


@app.command("take-out")
def take_out(
    key: Key, comment: CommentOption = "", url: Url = DEFAULT_URL, *, as_json: AsJson = False
) -> None:
    """Take an alarm out of service until somebody puts it back."""
    _about(url, "take-out", key, comment, f"out of service: {key}", as_json=as_json)


@app.command("put-back")
def put_back(key: Key, url: Url = DEFAULT_URL, *, as_json: AsJson = False) -> None:
    """Put an alarm back into service."""
    _about(url, "put-back", key, "", f"in service again: {key}", as_json=as_json)


@app.command()
def history(
    days: Annotated[float, typer.Option(min=0.01, max=400, help="How far back.")] = 7,
    node: Annotated[str | None, typer.Option(help="Of one node only.")] = None,
    site: SiteOption = None,
    limit: Annotated[int, typer.Option(min=1, max=2_000, help="Newest so many.")] = 50,
    url: Url = DEFAULT_URL,
    *,
    as_json: AsJson = False,
) -> None:
    """Show the journal: what changed when, and who asked for it."""
    to = now_unix_ms() + 60_000
    query: dict[str, Any] = {"from_unix_ms": max(0, to - round(days * 86_400_000)),
                             "to_unix_ms": to, "limit": limit}
    query |= {key: value for key, value in (("node", node), ("site", site)) if value is not None}
    changes = HostClient(url).get("/api/alarms/history", **query)["changes"]
    if as_json:
        typer.echo(json.dumps(changes))
    elif not changes:
        typer.echo("No alarm changed in that time.")
    else:
        _print(history_table(changes))


@app.command()
def kpis(
    days: Annotated[float, typer.Option(min=0.01, max=400, help="How far back.")] = 7,
    url: Url = DEFAULT_URL,
    *,
    as_json: AsJson = False,
) -> None:
    """Show how the alarms themselves do, each site: how many, floods, stale, chattering."""
    found = HostClient(url).get("/api/alarms/kpis", days=days)
    if as_json:
        typer.echo(json.dumps(found))
    else:
        _print(kpis_table(found["sites"]))


@app.command("test")
def send_test(url: Url = DEFAULT_URL, *, as_json: AsJson = False) -> None:
    """Send a test to every address, and wait for what comes of it."""
    client = HostClient(url)
    number = client.send("POST", "/api/alarms/test", {"by": cli_user()})["id"]
    deadline_s = time.monotonic() + TEST_S
    deliveries: list[dict[str, Any]] = []
    while time.monotonic() < deadline_s:
        notices = client.get("/api/alarms")["delivery"]["notices"]
        deliveries = next((n["deliveries"] for n in notices if n["id"] == number), [])
        if all(delivery["state"] != "waiting" for delivery in deliveries):
            break
        time.sleep(POLL_S)
    if as_json:
        typer.echo(json.dumps(deliveries))
    for one in [] if as_json else deliveries:
        said = {"sent": "taken", "waiting": "no answer yet"}.get(one["state"], "failed")
        typer.echo(f"{one['target']}: {said}{': ' + one['error'] if one['error'] else ''}")
    if not deliveries:
        raise CommandFailed("no address is set: nobody is told of alarms (docs/alarms.md)")
    if any(delivery["state"] != "sent" for delivery in deliveries):
        raise CommandFailed("the test did not arrive everywhere")


def _about(url: str, verb: str, key: str, comment: str, done: str, *, as_json: bool) -> None:
    found = HostClient(url).send("POST", f"/api/alarms/{verb}",
                                 {"key": key, "by": cli_user(), "comment": comment})
    _say(found, done, as_json=as_json)


def _say(found: dict[str, Any], done: str, *, as_json: bool) -> None:
    typer.echo(json.dumps(found) if as_json else done)


def _print(renderable: Any) -> None:
    from rich.console import Console

    Console().print(renderable)
