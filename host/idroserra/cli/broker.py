"""`idroserra broker`: TLS certificates and mosquitto configuration."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from idroserra.broker.access import HOME_ASSISTANT, is_foreign
from idroserra.cli.serve import ConfigFile
from idroserra.client.http import DEFAULT_URL, HostClient
from idroserra.client.requests import AsJson, NodeName, Url

if TYPE_CHECKING:
    from idroserra.broker.certificates import NodeCertificates

NODE_PORT, HOST_PORT, MANAGEMENT_PORT = 8883, 8884, 15671
WAIT_MINUTES = 20  # a trial at the node takes 15


class Engine(StrEnum):
    """The programs that can be the broker."""

    MOSQUITTO = "mosquitto"
    RABBITMQ = "rabbitmq"



User = Annotated[str, typer.Argument(
    metavar="NODE", help="The node's id; `homeassistant`; or `foreign.NAME` for a hub of foreign "
    "readings, which publishes below `foreign/NAME/`.")]

app = typer.Typer(
    no_args_is_help=True, help="TLS for the broker: certificates and mosquitto configuration.")


@app.command("init")
def init(
    name: Annotated[
        list[str] | None,
        typer.Option("--name", help="Host name or address of the broker for nodes; repeatable. "
                     "Those of this machine are added."),
    ] = None,
    port: Annotated[int, typer.Option(min=1, max=65_535, help="Port for nodes.")] = NODE_PORT,
    host_port: Annotated[
        int, typer.Option(min=1, max=65_535, help="Port for this host, on loopback.")] = HOST_PORT,
    address: Annotated[
        str, typer.Option(help="Address of this machine to listen on for nodes."),
    ] = "0.0.0.0",  # noqa: S104  nodes connect from the network
    engine: Annotated[
        Engine, typer.Option(help="mosquitto on this machine, or a cluster of RabbitMQ "
                             "(docs/cluster.md).")] = Engine.MOSQUITTO,
    member: Annotated[
        list[str] | None,
        typer.Option("--member", help="Cluster: host name of one broker; repeatable.")] = None,
    management_port: Annotated[
        int, typer.Option(min=1, max=65_535, help="Cluster: port of the management API."),
    ] = MANAGEMENT_PORT,
    joins: Annotated[
        Path | None,
        typer.Option("--joins", metavar="CA_FILE", exists=True, dir_okay=False, help="Cluster: it "
                     "exists already, and this is its CA certificate."),
    ] = None,
    config: ConfigFile = None, *,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Recreate the certificates of broker and host, the "
                           "configuration and the access list; never the CA or node "
                           "certificates."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Create a CA, the brokers' certificates and configuration. Existing files are kept."""
    from idroserra.cli import broker_cluster, broker_mosquitto
    from idroserra.core.config import load_config
    from idroserra.core.errors import ConfigError

    settings = load_config(config)
    if engine is Engine.RABBITMQ:
        broker_cluster.init(
            settings, member or [], name or [], node_port=port, management_port=management_port,
            joins=joins, overwrite=overwrite, as_json=as_json)
        return
    if member or joins:
        raise ConfigError("command line", "--member, --joins", "only with --engine rabbitmq")
    broker_mosquitto.init(settings, name or [], node_port=port, host_port=host_port,
                          node_address=address, overwrite=overwrite, as_json=as_json)


@app.command("node")
def node(node: User, config: ConfigFile = None, *, as_json: AsJson = False) -> None:
    """Issue a certificate to a node if it has none; print its files."""
    certificates = _certificates(config)
    is_new = certificates.issue(node)
    _print_files(certificates, node, as_json, "written" if is_new else "kept")


@app.command("rotate")
def rotate(node: User, config: ConfigFile = None, *, as_json: AsJson = False) -> None:
    """Issue a new certificate to a node and revoke the old one. Other nodes stay connected."""
    certificates = _certificates(config)
    is_rejected = certificates.rotate(node)
    _print_files(certificates, node, as_json, "rotated")
    _print_broker(is_rejected, as_json)
    if not as_json and node != HOME_ASSISTANT and not is_foreign(node):
        typer.echo(f"next: `idroserra provision` with the board of {node} on USB; until then it "
                   "controls offline and stores its records. `broker renew` needs no USB while "
                   "the old certificate is valid")


@app.command("renew")
def renew(
    node: NodeName,
    wait_minutes: Annotated[float, typer.Option(
        "--wait", min=0, help="For how many minutes the node is asked again.")] = WAIT_MINUTES,
    config: ConfigFile = None, url: Url = DEFAULT_URL, *, as_json: AsJson = False,
) -> None:
    """Give a node a new certificate over the air and revoke the old one. Can be repeated."""
    from idroserra.provisioning import renewal

    certificates = _certificates(config)
    is_rejected = renewal.renew(
        HostClient(url), certificates, node, wait_minutes * 60,
        lambda text: None if as_json else typer.echo(text))
    _print_files(certificates, node, as_json, "renewed")
    _print_broker(is_rejected, as_json)


@app.command("revoke")
def revoke(node: User, config: ConfigFile = None, *, as_json: AsJson = False) -> None:
    """Revoke the certificate of a node and disconnect it. Other nodes stay connected."""
    is_rejected = _certificates(config).revoke(node)
    if as_json:
        typer.echo(json.dumps({"node": node, "state": "revoked", "broker_refuses": is_rejected}))
        return
    typer.echo(f"{node}: certificate revoked")
    _print_broker(is_rejected, as_json)


@app.command("list")
def show(config: ConfigFile = None, *, as_json: AsJson = False) -> None:
    """List node certificates and their expiry dates."""
    certificates = _certificates(config)
    rows: list[dict[str, Any]] = [
        {"node": one.node, "serial": f"{one.serial:x}", "ends": one.ends.date().isoformat()}
        for one in certificates.nodes]
    if as_json:
        typer.echo(json.dumps({"authority": certificates.authority.fingerprint, "nodes": rows,
                               "revoked": sorted(f"{one:x}" for one in certificates.revoked)}))
        return
    typer.echo(f"CA {certificates.authority.fingerprint}")
    for row in rows:
        typer.echo(f"{row['node']:<32} expires {row['ends']}  serial {row['serial']}")
    typer.echo(f"{len(rows)} nodes, {len(certificates.revoked)} certificates revoked")


def _certificates(config: Path | None) -> NodeCertificates:
    from idroserra.broker.engine import certificates_of
    from idroserra.core.config import load_config

    return certificates_of(load_config(config).data_dir)


def _print_files(certificates: NodeCertificates, node: str, as_json: bool, state: str) -> None:
    cert, key = certificates.files(node)
    ca = certificates.server_ca
    if as_json:
        typer.echo(json.dumps({"node": node, "state": state, "ca_file": str(ca),
                               "cert_file": str(cert), "key_file": str(key)}))
        return
    typer.echo(f"{state}: {cert} and {key}; the CA is {ca}")


def _print_broker(is_rejected: bool, as_json: bool) -> None:
    if not as_json:
        typer.echo("the broker rejects the old certificate (verified)" if is_rejected else
                   "the broker is not running here: it will reject the old certificate when it "
                   "starts")
