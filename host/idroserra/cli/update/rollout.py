"""`idroserra update offer | status | cancel | list | remove`: a host's releases on their way."""

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
from idroserra.client.requests import AsJson, CommandFailed, Url, cli_user
from idroserra.terminal.tables import STYLES

FOLLOW_EVERY_S = 1.0
SHORT_CHARS = 12

Nodes = Annotated[list[str] | None, typer.Option(
    "--node", help="Only this node; may be said more than once. Without it, every node the "
    "release fits.")]


def offer(
    release: Annotated[str, typer.Argument(
        metavar="FOLDER|RELEASE", help="A folder of `update build`, or how the name of a release "
        "begins that the host keeps.")],
    node: Nodes = None,
    site: Annotated[str | None, typer.Option(help="Only nodes of this site.")] = None,
    canary: Annotated[str | None, typer.Option(
        help="The node that is first; without it, the first that is ready.")] = None,
    wave: Annotated[int | None, typer.Option(
        min=1, help="So many nodes at once after it.")] = None,
    watch_min: Annotated[int | None, typer.Option(
        "--watch-min", min=0, help="Minutes without a new alarm before the next wave.")] = None,
    per_site: Annotated[int | None, typer.Option(
        "--per-site", min=1, help="So many of one site at once.")] = None,
    url: Url = DEFAULT_URL,
    *,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    follow: Annotated[bool, typer.Option(
        "--follow", "-f", help="Stay, and show how far it is, until it ends.")] = False,
    as_json: AsJson = False,
) -> None:
    """Give the host a release and roll it out: one canary, then waves, until one goes back."""
    client = HostClient(url)
    found = _registered(client, release)
    nodes = _chosen(client, found, node or [], site)
    if not as_json:
        typer.echo(f"version {found['version']} for {found['board_class']}, release "
                   f"{found['release'][:SHORT_CHARS]}, {found['bytes']} bytes")
        typer.echo(f"nodes   {', '.join(nodes) if nodes else 'every one it fits'}")
    if not (yes or as_json) and not typer.confirm("Roll it out?"):
        typer.echo("nothing was offered")
        return
    body = {"release": found["release"], "nodes": nodes, "canary": canary, "wave_nodes": wave,
            "watch_min": watch_min, "per_site": per_site, "by": cli_user()}
    begun = client.send("POST", "/api/updates/rollouts", body)
    if follow:
        begun = _follow(client, begun["id"], says=not as_json)
    if as_json:
        typer.echo(json.dumps(begun))
    elif follow:
        Console().print(_rollout_table(begun))
    else:
        typer.echo(f"begun: roll-out {begun['id']}; `idroserra update status --follow` shows how "
                   "far it is")
    if begun["state"] == "stopped":
        raise CommandFailed(f"the roll-out stopped: {begun['reason']}")


def status(
    url: Url = DEFAULT_URL,
    *,
    follow: Annotated[bool, typer.Option(
        "--follow", "-f", help="Stay until what is under way ends.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show which node runs which version, what is under way, what failed and why."""
    client = HostClient(url)
    found = client.get("/api/updates")
    running = [one for one in found["rollouts"] if one["state"] == "running"]
    if follow and running:
        _follow(client, running[0]["id"], says=not as_json)
        found = client.get("/api/updates")
    if as_json:
        typer.echo(json.dumps(found))
        return
    console = Console()
    console.print(_nodes_table(found["nodes"]))
    if found["releases"]:
        console.print(_releases_table(found["releases"]))
    elif not found["key_ids"]:
        console.print("This host knows no key that releases are checked with: [update] "
                      "public_keys.", markup=False)
    for one in running or found["rollouts"][:1]:
        console.print(_rollout_table(one))


def cancel(
    rollout: Annotated[str | None, typer.Argument(
        help="Its id; without it, the one under way or stopped.")] = None,
    url: Url = DEFAULT_URL,
    *,
    as_json: AsJson = False,
) -> None:
    """End a roll-out, or put away one that stopped. A node on trial decides by itself."""
    client = HostClient(url)
    if rollout is None:
        open_ones = [one["id"] for one in client.get("/api/updates")["rollouts"]
                     if one["state"] in ("running", "stopped")]
        if len(open_ones) != 1:
            raise CommandFailed("no roll-out is under way" if not open_ones else
                                f"say which: {', '.join(open_ones)}")
        rollout = open_ones[0]
    ended = client.send("POST", f"/api/updates/rollouts/{rollout}/cancel", {"by": cli_user()})
    typer.echo(json.dumps(ended) if as_json else f"{ended['id']}: {ended['text']}")


def list_releases(
    url: Url = DEFAULT_URL,
    *,
    as_json: AsJson = False,
) -> None:
    """List the releases that the host keeps, and which nodes each could go to."""
    kept = HostClient(url).get("/api/updates")["releases"]
    if as_json:
        typer.echo(json.dumps(kept))
    elif kept:
        Console().print(_releases_table(kept))
    else:
        typer.echo("none: `idroserra update offer FOLDER` gives the host one")


def remove(
    release: Annotated[str, typer.Argument(
        help="How its name begins, six characters or more: `idroserra update list`.")],
    url: Url = DEFAULT_URL,
    *,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Have the host give up a release. Nodes that run it go on running it."""
    client = HostClient(url)
    found = _kept(client, release)
    if found is None:
        raise CommandFailed(f"{release}: is no release the host keeps: `idroserra update list`")
    name = f"version {found['version']} for {found['board_class']}"
    if not (yes or as_json) and not typer.confirm(f"Remove {name}?"):
        typer.echo("nothing was removed")
        return
    removed = client.send("DELETE", f"/api/updates/releases/{found['release']}", {})
    typer.echo(json.dumps(removed) if as_json else f"removed: {name}")


def _kept(client: HostClient, release: str) -> dict[str, Any] | None:
    """Return the one release of the host whose name begins so, or None."""
    found = [one for one in client.get("/api/updates")["releases"]
             if one["release"].startswith(release) and len(release) >= 6]
    return dict(found[0]) if len(found) == 1 else None


def _registered(client: HostClient, release: str) -> dict[str, Any]:
    """Return a release the host keeps; one in a folder is sent to it."""
    folder = Path(release)
    if not folder.is_dir():
        kept = _kept(client, release)
        if kept is None:
            raise CommandFailed(f"{release}: is no folder, and no release the host keeps")
        return kept
    from idroserra.updates.release import PACKED_TYPE, pack_folder

    return client.upload("/api/updates/releases", pack_folder(folder), PACKED_TYPE)


def _chosen(
    client: HostClient, release: dict[str, Any], names: Sequence[str], site: str | None
) -> list[str]:
    if site is None:
        return list(names)
    there = [one["node"] for one in client.nodes() if one["site"] == site
             and release["board_class"].endswith(f"/{one['board']}")
             and (not names or one["node"] in names)]
    if not there:
        raise CommandFailed(f"no node of the release's board stands at {site}")
    return there


def _follow(client: HostClient, rollout: str, *, says: bool) -> dict[str, Any]:
    """Show a bar a node until the roll-out ends, and return it."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description:<16}"), BarColumn(), TextColumn("{task.fields[now]}"))
    with Progress(*columns, console=console, disable=not (says and console.is_terminal)) as bars:
        tasks: dict[str, TaskID] = {}
        while True:
            found = next(one for one in client.get("/api/updates")["rollouts"]
                         if one["id"] == rollout)
            for node in found["nodes"]:
                if node["node"] not in tasks:
                    tasks[node["node"]] = bars.add_task(node["node"], total=100, now="")
                now = f"{node['text']}. {node['reason']}".rstrip(" .")
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
    table = Table("release", "version", "for", "security", "bytes", "could go to", box=box.SIMPLE)
    for one in releases:
        table.add_row(one["release"][:SHORT_CHARS], one["version"], one["board_class"],
                      str(one["security_counter"]), str(one["bytes"]), ", ".join(one["open_to"]))
    return table


def _rollout_table(rollout: dict[str, Any]) -> Table:
    title = f"{rollout['version']} for {rollout['board_class']} ({rollout['id']}): " \
            f"{rollout['text']}"
    more = rollout["reason"] or rollout["waits"]
    table = Table("node", "site", "", "", title=f"{title}{f'. {more}' if more else ''}",
                  title_justify="left", title_style="", box=box.SIMPLE)
    for one in rollout["nodes"]:
        state = f"{one['text']}, {one['percent']} %" if one["state"] == "downloading" else (
            one["text"])
        table.add_row(one["node"], one["site"], Text(state, STYLES.get(one["level"], "")),
                      one["reason"])
    return table
