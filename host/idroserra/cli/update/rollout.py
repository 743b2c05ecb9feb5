"""`idroserra update offer | status | cancel | list | remove`: releases and roll-outs."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.table import Table
from rich.text import Text

from idroserra.client.http import DEFAULT_URL, HostClient
from idroserra.client.requests import AsJson, CommandFailed, Url, cli_user, text_of
from idroserra.terminal.tables import STYLES

FOLLOW_EVERY_S = 1.0
SHORT_CHARS = 12

Nodes = Annotated[list[str] | None, typer.Option(
    "--node", help="Only this node; repeatable. Default: every node the release "
    "fits.")]


def offer(
    release: Annotated[str, typer.Argument(
        metavar="FOLDER|RELEASE", help="Folder of `update build`, or the first characters of a "
        "release on the host.")],
    node: Nodes = None,
    site: Annotated[str | None, typer.Option(help="Only nodes of this site.")] = None,
    canary: Annotated[str | None, typer.Option(
        help="First node; default: the first that is ready.")] = None,
    wave: Annotated[int | None, typer.Option(
        min=1, help="Nodes per wave after the canary.")] = None,
    watch_min: Annotated[int | None, typer.Option(
        "--watch-min", min=0, help="Minutes without a new alarm before the next wave.")] = None,
    per_site: Annotated[int | None, typer.Option(
        "--per-site", min=1, help="Maximum nodes per site at once.")] = None,
    url: Url = DEFAULT_URL, *,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    follow: Annotated[bool, typer.Option(
        "--follow", "-f", help="Show the progress until the end.")] = False,
    as_json: AsJson = False,
) -> None:
    """Upload a release and roll it out: one canary, then waves; stops at the first rollback."""
    client = HostClient(url)
    found = _release_of(client, release)
    nodes = _select_nodes(client, found, node or [], site)
    if not as_json:
        typer.echo(f"version {found['version']} for {found['board_class']}, release "
                   f"{found['release'][:SHORT_CHARS]}, {found['bytes']} bytes")
        typer.echo(f"nodes   {', '.join(nodes) if nodes else 'every node it fits'}")
    if not (yes or as_json) and not typer.confirm("Roll it out?"):
        typer.echo("not started")
        return
    body = {"release": found["release"], "nodes": nodes, "canary": canary, "wave_nodes": wave,
            "watch_min": watch_min, "per_site": per_site, "by": cli_user()}
    started = client.send("POST", "/api/updates/rollouts", body)
    if follow:
        started = _follow(client, started["id"], show=not as_json)
    if as_json:
        typer.echo(json.dumps(started))
    elif follow:
        Console().print(_rollout_table(started))
    else:
        typer.echo(f"started: roll-out {started['id']}; `idroserra update status --follow` shows "
                   "the progress")
    if started["state"] == "stopped":
        raise CommandFailed(f"the roll-out stopped: {text_of(started['reason'])}")


def status(
    url: Url = DEFAULT_URL, *,
    follow: Annotated[bool, typer.Option(
        "--follow", "-f", help="Follow the running roll-out to its end.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show the version of each node, roll-outs, and failures with their reason."""
    client = HostClient(url)
    found = client.get("/api/updates")
    running = [one for one in found["rollouts"] if one["state"] == "running"]
    if follow and running:
        _follow(client, running[0]["id"], show=not as_json)
        found = client.get("/api/updates")
    if as_json:
        typer.echo(json.dumps(found))
        return
    console = Console()
    console.print(_nodes_table(found["nodes"]))
    if found["releases"]:
        console.print(_releases_table(found["releases"]))
    elif not found["key_ids"]:
        console.print("This host has no release key: set [update] "
                      "public_keys.", markup=False)
    for one in running or found["rollouts"][:1]:
        console.print(_rollout_table(one))


def cancel(
    rollout: Annotated[str | None, typer.Argument(
        help="Roll-out id; default: the running or stopped one.")] = None,
    url: Url = DEFAULT_URL, *, as_json: AsJson = False,
) -> None:
    """Cancel a running roll-out, or close a stopped one. A node on trial decides by itself."""
    client = HostClient(url)
    if rollout is None:
        open_ones = [one["id"] for one in client.get("/api/updates")["rollouts"]
                     if one["state"] in ("running", "stopped")]
        if len(open_ones) != 1:
            raise CommandFailed("no roll-out is running" if not open_ones else
                                f"choose one: {', '.join(open_ones)}")
        rollout = open_ones[0]
    ended = client.send("POST", f"/api/updates/rollouts/{rollout}/cancel", {"by": cli_user()})
    typer.echo(json.dumps(ended) if as_json else f"{ended['id']}: {ended['text']}")


def list_releases(url: Url = DEFAULT_URL, *, as_json: AsJson = False) -> None:
    """List the releases on the host, and the nodes each fits."""
    releases = HostClient(url).get("/api/updates")["releases"]
    if as_json:
        typer.echo(json.dumps(releases))
    elif releases:
        Console().print(_releases_table(releases))
    else:
        typer.echo("none: `idroserra update offer FOLDER` uploads one")


def remove(
    release: Annotated[str, typer.Argument(
        help="First characters (6 or more) of the release, from `idroserra update list`.")],
    url: Url = DEFAULT_URL, *,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Remove a release from the host. Nodes that run it are not affected."""
    client = HostClient(url)
    found = _find_release(client, release)
    if found is None:
        raise CommandFailed(f"{release}: not a release on the host, see `idroserra update list`")
    name = f"version {found['version']} for {found['board_class']}"
    if not (yes or as_json) and not typer.confirm(f"Remove {name}?"):
        typer.echo("not removed")
        return
    removed = client.send("DELETE", f"/api/updates/releases/{found['release']}", {})
    typer.echo(json.dumps(removed) if as_json else f"removed: {name}")


def _find_release(client: HostClient, release: str) -> dict[str, Any] | None:
    """Return the only release on the host with this prefix, or None."""
    found = [one for one in client.get("/api/updates")["releases"]
             if one["release"].startswith(release) and len(release) >= 6]
    return dict(found[0]) if len(found) == 1 else None


def _release_of(client: HostClient, release: str) -> dict[str, Any]:
    """Return a release on the host; upload it if given as a folder."""
    folder = Path(release)
    if not folder.is_dir():
        found = _find_release(client, release)
        if found is None:
            raise CommandFailed(f"{release}: not a folder, and not a release on the host")
        return found
    from idroserra.updates.release import PACKED_TYPE, pack_folder

    return client.upload("/api/updates/releases", pack_folder(folder), PACKED_TYPE)


def _select_nodes(
    client: HostClient, release: dict[str, Any], names: Sequence[str], site: str | None
) -> list[str]:
    if site is None:
        return list(names)
    there = [one["node"] for one in client.nodes() if one["site"] == site
             and release["board_class"].endswith(f"/{one['board']}")
             and (not names or one["node"] in names)]
    if not there:
        raise CommandFailed(f"no node of the release's board at site {site}")
    return there


def _follow(client: HostClient, rollout: str, *, show: bool) -> dict[str, Any]:
    """Show a progress bar per node until the roll-out ends, and return it."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description:<16}"), BarColumn(), TextColumn("{task.fields[now]}"))
    with Progress(*columns, console=console, disable=not (show and console.is_terminal)) as bars:
        tasks: dict[str, TaskID] = {}
        while True:
            found = next(one for one in client.get("/api/updates")["rollouts"]
                         if one["id"] == rollout)
            for node in found["nodes"]:
                if node["node"] not in tasks:
                    tasks[node["node"]] = bars.add_task(node["node"], total=100, now="")
                now = node["text"]
                if node["reason"] is not None:
                    now = f"{now}. {text_of(node['reason'])}"
                bars.update(tasks[node["node"]], completed=node["percent"], now=now)
            if found["state"] != "running":
                return dict(found)
            time.sleep(FOLLOW_EVERY_S)


def _nodes_table(nodes: Sequence[dict[str, Any]]) -> Table:
    table = Table("node", "site", "board", "version", "security", "", box=box.SIMPLE)
    for one in nodes:
        table.add_row(one["node"], one["site"], one["board"], one["version"],
                      str(one["security_counter"]), one["text"])
    return table


def _releases_table(releases: Sequence[dict[str, Any]]) -> Table:
    table = Table("release", "version", "for", "security", "bytes", "fits nodes", box=box.SIMPLE)
    for one in releases:
        table.add_row(one["release"][:SHORT_CHARS], one["version"], one["board_class"],
                      str(one["security_counter"]), str(one["bytes"]), ", ".join(one["open_to"]))
    return table


def _rollout_table(rollout: dict[str, Any]) -> Table:
    title = f"{rollout['version']} for {rollout['board_class']} ({rollout['id']}): " \
            f"{rollout['text']}"
    more = text_of(rollout["reason"] or rollout["waits"])
    table = Table("node", "site", "", "", title=f"{title}{f'. {more}' if more else ''}",
                  title_justify="left", title_style="", box=box.SIMPLE)
    for one in rollout["nodes"]:
        state = f"{one['text']}, {one['percent']} %" if one["state"] == "downloading" else (
            one["text"])
        table.add_row(one["node"], one["site"], Text(state, STYLES.get(one["level"], "")),
                      text_of(one["reason"]))
    return table
