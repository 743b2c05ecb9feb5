"""`idroserra broker`: the line beyond this machine: certificates, mosquitto's files, one node."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from idroserra.cli.serve import ConfigFile
from idroserra.client.requests import AsJson, NodeName

if TYPE_CHECKING:
    from idroserra.broker.tls_files import BrokerCertificates

NODE_PORT, HOST_PORT = 8883, 8884

app = typer.Typer(no_args_is_help=True, help="The broker beyond this machine: TLS, who may talk.")


@app.command("init")
def init(
    name: Annotated[
        list[str] | None,
        typer.Option("--name", help="Name or address under which nodes find the broker; may be "
                     "said several times. This machine's own are added."),
    ] = None,
    port: Annotated[int, typer.Option(min=1, max=65_535, help="Where nodes connect.")] = NODE_PORT,
    host_port: Annotated[
        int, typer.Option(min=1, max=65_535, help="Where this host connects, on loopback."),
    ] = HOST_PORT,
    address: Annotated[
        str, typer.Option(help="The address of this machine that nodes connect to."),
    ] = "0.0.0.0",  # noqa: S104  the point of it
    config: ConfigFile = None,
    *,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Also make the broker's and the host's "
                           "certificates, configuration and access list anew; never the "
                           "authority or a node's."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make an authority, the broker's certificate and mosquitto's files; what is there stays."""
    from idroserra.broker import tls_files
    from idroserra.core.config import load_config
    from idroserra.core.errors import ConfigError
    from idroserra.core.hostnames import check_name, own_names

    settings = load_config(config)
    folder = tls_files.folder_of(settings.data_dir)
    try:
        names = own_names([*map(check_name, name or ()), "localhost", "127.0.0.1"])
    except ValueError as error:
        raise ConfigError("command line", "--name", str(error)) from None
    try:
        files = tls_files.init(folder, names, node_port=port, host_port=host_port,
                          node_address=address, overwrite=overwrite)
    except OSError as error:
        raise ConfigError(str(folder), "", error.strerror or str(error)) from error
    mqtt = {"url": f"mqtts://127.0.0.1:{host_port}", "ca_file": str(folder / "ca.pem"),
            "cert_file": str(folder / "host.pem"), "key_file": str(folder / "host.key")}
    if as_json:
        typer.echo(json.dumps({
            "files": [{"path": str(file.path), "state": file.state, "note": file.note}
                      for file in files], "mqtt": mqtt}))
        return
    for file in files:
        typer.echo(f"{file.state:<8} {file.path}" + (f" ({file.note})" if file.note else ""))
    typer.echo(f"next: run the broker as this user: mosquitto -c {folder / 'mosquitto.conf'}")
    typer.echo("next: the host's configuration:\n[mqtt]")
    for key, value in mqtt.items():
        typer.echo(f"{key} = {json.dumps(value)}")
    typer.echo("next: `idroserra broker node NODE` and `idroserra provision` for each node "
               "(docs/host.md)")


@app.command("node")
def node(node: NodeName, config: ConfigFile = None, *, as_json: AsJson = False) -> None:
    """Give a node its certificate, where it has none, and say where it lies."""
    line = _line(config)
    is_new = line.issue(node)
    _tell_files(line, node, as_json, "written" if is_new else "kept")


@app.command("rotate")
def rotate(node: NodeName, config: ConfigFile = None, *, as_json: AsJson = False) -> None:
    """Give a node another certificate; the one before counts no more, the others go on."""
    line = _line(config)
    is_seen = line.rotate(node)
    _tell_files(line, node, as_json, "rotated")
    _tell_broker(is_seen, as_json)
    if not as_json:
        typer.echo(f"next: `idroserra provision` with the board of {node} on USB; until then it "
                   "controls alone and keeps what it measures")


@app.command("revoke")
def revoke(node: NodeName, config: ConfigFile = None, *, as_json: AsJson = False) -> None:
    """Shut a node out of the broker, also where it is connected; the others go on."""
    is_seen = _line(config).revoke(node)
    if as_json:
        typer.echo(json.dumps({"node": node, "state": "revoked", "broker_refuses": is_seen}))
        return
    typer.echo(f"{node} is revoked")
    _tell_broker(is_seen, as_json)


@app.command("list")
def show(config: ConfigFile = None, *, as_json: AsJson = False) -> None:
    """Show every node that has a certificate, and until when it is good."""
    line = _line(config)
    rows: list[dict[str, Any]] = [
        {"node": one.node, "serial": f"{one.serial:x}", "ends": one.ends.date().isoformat()}
        for one in line.nodes]
    if as_json:
        typer.echo(json.dumps({"authority": line.authority.fingerprint, "nodes": rows,
                               "revoked": sorted(f"{one:x}" for one in line.revoked)}))
        return
    typer.echo(f"authority {line.authority.fingerprint}")
    for row in rows:
        typer.echo(f"{row['node']:<32} until {row['ends']}  serial {row['serial']}")
    typer.echo(f"{len(rows)} nodes, {len(line.revoked)} certificates revoked")


def _line(config: Path | None) -> BrokerCertificates:
    from idroserra.broker.tls_files import BrokerCertificates, folder_of
    from idroserra.core.config import load_config

    return BrokerCertificates(folder_of(load_config(config).data_dir))


def _tell_files(line: BrokerCertificates, node: str, as_json: bool, state: str) -> None:
    cert, key = line.files(node)
    ca = line.authority.path
    if as_json:
        typer.echo(json.dumps({"node": node, "state": state, "ca_file": str(ca),
                               "cert_file": str(cert), "key_file": str(key)}))
        return
    typer.echo(f"{state}: {cert} and {key}; the authority is {ca}")


def _tell_broker(is_seen: bool, as_json: bool) -> None:
    if not as_json:
        typer.echo("the broker was seen to refuse the old certificate" if is_seen else
                   "no broker of this folder runs here: it will refuse the old certificate when "
                   "it starts")
