"""`idroserra broker init --engine rabbitmq`: the files of a cluster of brokers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import typer

from idroserra.broker import cluster
from idroserra.broker.certificates import broker_folder_of, folder_of
from idroserra.broker.cluster import ClusterCertificates
from idroserra.broker.rabbitmq import CONFIG_DIR, DISTRIBUTION_PORT, ENABLE_METADATA, MIN_VERSION
from idroserra.core.config import Config
from idroserra.core.errors import ConfigError
from idroserra.core.hostnames import check_name


def init(
    settings: Config, members: Sequence[str], names: Sequence[str], *, node_port: int,
    management_port: int, joins: Path | None, overwrite: bool, as_json: bool,
) -> None:
    """Write the files and print what to do with them. Raises ConfigError."""
    members = _checked("--member", members)
    names = _checked("--name", names)
    if len(members) % 2 == 0:
        raise ConfigError("command line", "--member", "give one, three or five: a cluster works "
                          "as long as more than half of its brokers do")
    if any(":" in member for member in members):
        raise ConfigError("command line", "--member", "give host names, not IPv6 addresses")
    if len(members) > 1 and not names:
        raise ConfigError("command line", "--name", "give the name under which nodes reach the "
                          "brokers: one with the addresses of all of them")
    data_dir = settings.data_dir
    try:
        files = cluster.init(
            data_dir, settings.site, members, names, node_port=node_port,
            management_port=management_port, joins=joins, overwrite=overwrite)
    except OSError as error:
        raise ConfigError(str(error.filename or data_dir), "", error.strerror or str(error)
                          ) from error
    certificates = ClusterCertificates(data_dir)
    own = folder_of(data_dir)
    address = (*names, *members)[0]
    mqtt = {"url": f"mqtts://{address}:{node_port}", "ca_file": str(certificates.server_ca),
            "cert_file": str(own / "host.pem"), "key_file": str(own / "host.key")}
    if as_json:
        typer.echo(json.dumps({
            "files": [{"path": str(file.path), "state": file.state, "note": file.note}
                      for file in files], "mqtt": mqtt, "cell": certificates.authority.cell,
            "earlier": certificates.earlier}))
        return
    for file in files:
        typer.echo(f"{file.state:<8} {file.path}" + (f" ({file.note})" if file.note else ""))
    folder = broker_folder_of(data_dir)
    if joins is None:
        typer.echo(
            f"next: on each machine install rabbitmq-server {MIN_VERSION} or newer, copy its "
            f"folder below {folder} to {CONFIG_DIR}, make the files readable by the user "
            f"rabbitmq only, move erlang.cookie to /var/lib/rabbitmq/.erlang.cookie (mode 0400), "
            f"and restart rabbitmq-server; when all run, on one of them: {ENABLE_METADATA} "
            f"(docs/cluster.md)\n"
            f"note: only the brokers may reach each other's ports 4369 and {DISTRIBUTION_PORT}, "
            f"only hosts port {management_port}")
    else:
        cell = folder / certificates.authority.cell
        typer.echo(
            f"next: add {cell / 'ca.pem'} to {CONFIG_DIR}/ca.pem of every broker, then on one of "
            f"them: rabbitmqctl import_definitions {cell / 'definitions.json'}")
    typer.echo("next: set in the configuration of the host:\n[mqtt]")
    for key, value in mqtt.items():
        typer.echo(f"{key} = {json.dumps(value)}")
    for node in certificates.earlier:
        typer.echo(f"next: {node}: {cluster.OLD_CERTIFICATE.format(node=node)}")
    typer.echo("next: for each new node `idroserra broker node NODE` and `idroserra provision`; "
               "then `idroserra doctor` checks the cluster")


def _checked(option: str, names: Sequence[str]) -> list[str]:
    try:
        return list(dict.fromkeys(map(check_name, names)))
    except ValueError as error:
        raise ConfigError("command line", option, str(error)) from None
