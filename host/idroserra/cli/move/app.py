"""`idroserra move`: move the nodes of a site to another host of the same cluster of brokers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from idroserra.cli.serve import ConfigFile
from idroserra.client.http import DEFAULT_URL, HostClient
from idroserra.client.requests import AsJson, Url
from idroserra.core.config import Config, load_config
from idroserra.core.errors import ConfigError

if TYPE_CHECKING:
    from idroserra.broker.cluster import ClusterCertificates
    from idroserra.history.copy import Copied
    from idroserra.moving.package import Arrived, Certificates

WAIT_MINUTES = 20  # a trial at the node takes 15

app = typer.Typer(
    no_args_is_help=True, add_completion=False,
    help="Move a site to another host of the same cluster of brokers (docs/cluster.md).")

Site = Annotated[str, typer.Argument(help="Name of the site.")]
Package = Annotated[Path, typer.Argument(
    metavar="PACKAGE", exists=True, dir_okay=False, help="File of `idroserra move pack`.")]
FromNewHost = Annotated[Path, typer.Argument(
    metavar="FILE", exists=True, dir_okay=False, help="File that the new host has written.")]


@app.command()
def pack(
    site: Site,
    out: Annotated[Path, typer.Argument(metavar="PACKAGE", help="File to write.")],
    config: ConfigFile = None, url: Url = DEFAULT_URL, *, as_json: AsJson = False,
) -> None:
    """1, old host: pack a site with keys and history. From now on its nodes keep their records."""
    from idroserra.moving.pack import pack as pack_site

    found = load_config(config)
    certificates = _certificates(found)
    with _progress() as progress:
        bar = progress.add_task("history", total=None)
        nodes = pack_site(
            found, HostClient(url), certificates, site, out,
            lambda node, done_ms, total_ms: progress.update(
                bar, completed=done_ms, total=total_ms, description=f"history {node}"))
    if as_json:
        typer.echo(json.dumps({"package": str(out), "site": site, "nodes": nodes}))
        return
    typer.echo(f"{out}: {len(nodes)} nodes, {out.stat().st_size / 1e6:.1f} MB. Keep it secret: "
               "anyone who can read it can command the nodes")
    typer.echo(f"next: copy it to the new host, stop that, and there: idroserra move take {out}\n"
               f"      within two hours; to keep the site here: idroserra move cancel {site!r}")


@app.command()
def take(package: Package, config: ConfigFile = None, *, as_json: AsJson = False) -> None:
    """2, new host, stopped: take the nodes of a package in."""
    from idroserra.moving.take import take as take_in

    found = load_config(config)
    given = take_in(found, _certificates(found), package)
    out = _for_old_host(package, "certificates", given)
    if as_json:
        typer.echo(json.dumps({"site": given.site, "nodes": list(given.nodes), "file": str(out)}))
        return
    typer.echo(f"{given.site}: {', '.join(given.nodes)}")
    typer.echo(f"next: start this host, copy {out} to the old host, and there: "
               f"idroserra move send {out.name}")


@app.command()
def send(given: FromNewHost, url: Url = DEFAULT_URL, *, as_json: AsJson = False) -> None:
    """3, old host: send the nodes the certificates with which they change over."""
    from idroserra.moving.change_over import read_file
    from idroserra.moving.change_over import send as send_all
    from idroserra.moving.package import Certificates

    found = read_file(given, Certificates)
    send_all(HostClient(url), found, _say(as_json=as_json))
    package = given.name.removesuffix(".certificates")
    if as_json:
        typer.echo(json.dumps({"site": found.site, "nodes": list(found.nodes)}))
    else:
        typer.echo(f"next: at the new host: idroserra move finish {package}")


@app.command()
def finish(
    package: Package,
    wait_minutes: Annotated[float, typer.Option(
        "--wait", min=0, help="For how many minutes a node is asked again.")] = WAIT_MINUTES,
    config: ConfigFile = None, url: Url = DEFAULT_URL, *, as_json: AsJson = False,
) -> None:
    """4, new host: wait until the nodes have come, and copy their history."""
    from idroserra.moving.change_over import finish as finish_all
    from idroserra.moving.package import MoveError

    found = load_config(config)
    with _progress() as progress:
        bar = progress.add_task("history", total=None, visible=False)
        arrived, copied, missing = finish_all(
            found, HostClient(url), _certificates(found), package, wait_minutes * 60,
            _say(as_json=as_json), lambda node, done_ms, total_ms: progress.update(
                bar, completed=done_ms, total=total_ms, description=f"history {node}",
                visible=True))
    out = _for_old_host(package, "arrived", arrived)
    if as_json:
        typer.echo(json.dumps({"site": arrived.site, "nodes": arrived.arrived, "file": str(out),
                               "missing": missing, **copied._asdict()}))
    else:
        _say_finished(package, out, copied)
    if missing:
        raise MoveError("\n".join((
            *missing.values(), f"not here yet: {', '.join(missing)}. Repeat this command, at the "
            "old host `idroserra move send` before. Or forget those that came at the old host, "
            "then pack the site again: with the others only")))


def _say_finished(package: Path, out: Path, copied: Copied) -> None:
    too_old = f"; {copied.too_old:,} are older than this host keeps" if copied.too_old else ""
    typer.echo(f"history: {copied.points:,} points, {copied.events:,} events{too_old}")
    typer.echo(f"next: copy {out} to the old host, and there: idroserra move forget {out.name}; "
               f"then delete {package} on both (it has keys)")


@app.command()
def forget(given: FromNewHost, url: Url = DEFAULT_URL, *, as_json: AsJson = False) -> None:
    """5, old host: forget the nodes that have come to the new host. Their history stays."""
    from idroserra.moving.change_over import forget as forget_all
    from idroserra.moving.change_over import read_file
    from idroserra.moving.package import Arrived

    found = read_file(given, Arrived)
    forget_all(HostClient(url), found, _say(as_json=as_json))
    if as_json:
        typer.echo(json.dumps({"site": found.site, "nodes": found.arrived}))


@app.command()
def cancel(site: Site, url: Url = DEFAULT_URL, *, as_json: AsJson = False) -> None:
    """Old host: keep the site, as long as no node has left. Packages of it are void."""
    from idroserra.moving.pack import let_go, nodes_at

    client = HostClient(url)
    nodes = nodes_at(client, site)
    let_go(client, nodes, 0)
    typer.echo(json.dumps({"site": site, "nodes": nodes}) if as_json else
               f"{site}: stays here. If the new host has taken it in: `idroserra node forget` "
               "there for each node that is not online there")


def _for_old_host(package: Path, name: str, content: Certificates | Arrived) -> Path:
    """Write a file for the old host beside the package, and return its path."""
    import msgspec

    from idroserra.pki.x509 import write_private

    out = package.with_name(f"{package.name}.{name}")
    write_private(out, msgspec.json.encode(content))
    return out


def _certificates(config: Config) -> ClusterCertificates:
    """Raises ConfigError if the broker is no cluster, NotInitialized."""
    from idroserra.broker.cluster import ClusterCertificates
    from idroserra.broker.engine import certificates_of

    found = certificates_of(config.data_dir)
    if not isinstance(found, ClusterCertificates):
        raise ConfigError(str(found.folder), "", "the broker of this host is no cluster: nodes "
                          "can move between hosts of one cluster only (docs/cluster.md)")
    return found


def _say(*, as_json: bool) -> Callable[[str], None]:
    return (lambda text: None) if as_json else typer.echo


def _progress() -> Progress:
    console = Console(stderr=True)
    return Progress(console=console, disable=not console.is_terminal, transient=True)
