"""`idroserra broker init`: certificates, and mosquitto's files."""

from __future__ import annotations

import json
from collections.abc import Sequence

import typer

from idroserra.broker import tls_files
from idroserra.broker.certificates import broker_folder_of, folder_of
from idroserra.broker.file_names import SETTINGS
from idroserra.broker.mosquitto import BrokerFolder
from idroserra.core.config import Config
from idroserra.core.errors import ConfigError
from idroserra.core.hostnames import check_name, own_names


def init(
    settings: Config, names: Sequence[str], *, node_port: int, host_port: int, node_address: str,
    overwrite: bool, as_json: bool,
) -> None:
    """Write the files and print what to do with them. Raises ConfigError."""
    folder = folder_of(settings.data_dir)
    broker = BrokerFolder(broker_folder_of(settings.data_dir))
    if (folder / SETTINGS).exists():
        raise ConfigError(str(folder / SETTINGS), "", "this host has a cluster of brokers: use "
                          "--engine rabbitmq, or delete the file to go back to mosquitto")
    try:
        names = own_names([*map(check_name, names), "localhost", "127.0.0.1"])
    except ValueError as error:
        raise ConfigError("command line", "--name", str(error)) from None
    try:
        files = tls_files.init(settings.data_dir, names, node_port=node_port, host_port=host_port,
                               node_address=node_address, overwrite=overwrite)
    except OSError as error:
        raise ConfigError(str(error.filename or folder), "", error.strerror or str(error)
                          ) from error
    mqtt = {"url": f"mqtts://127.0.0.1:{host_port}", "ca_file": str(folder / "ca.pem"),
            "cert_file": str(folder / "host.pem"), "key_file": str(folder / "host.key")}
    if as_json:
        typer.echo(json.dumps({
            "files": [{"path": str(file.path), "state": file.state, "note": file.note}
                      for file in files], "mqtt": mqtt}))
        return
    for file in files:
        typer.echo(f"{file.state:<8} {file.path}" + (f" ({file.note})" if file.note else ""))
    typer.echo(f"next: run the broker as user {broker.user}: mosquitto -c {broker.configuration}")
    if not broker.is_shared:
        typer.echo("note: as this user the broker can read the keys of host and nodes; "
                   "docs/host.md gives it a user of its own")
    typer.echo("next: add to the configuration of the host:\n[mqtt]")
    for key, value in mqtt.items():
        typer.echo(f"{key} = {json.dumps(value)}")
    typer.echo("next: for each node `idroserra broker node NODE` and `idroserra provision` "
               "(docs/host.md)")
