"""`idroserra unit`: print a systemd unit for this installation."""

from __future__ import annotations

import os
import pwd
from pathlib import Path
from typing import Annotated

import typer

from idroserra.core.errors import ConfigError, HostError


class UnitForRoot(HostError):
    """`idroserra unit` was run by root, as whom the host must not run."""


def unit(
    config: Annotated[Path, typer.Option("--config", "-c", help="TOML file of the host.")],
) -> None:
    """Print a systemd unit that starts the host at boot and restarts it when it exits.

    Run this as the user of the host, not as root. The first lines explain how to install it.
    """
    user_id = os.geteuid()
    if user_id == 0:
        raise UnitForRoot(
            "the host does not run as root: run this as its user: sudo -u USER idroserra unit")
    import platformdirs

    from idroserra.broker.certificates import broker_folder_of
    from idroserra.core.config import load_config
    from idroserra.core.systemd import unit_file

    settings = load_config(config)
    data_dir = settings.data_dir.expanduser().resolve()
    if not data_dir.is_dir():
        raise ConfigError(str(config), "data_dir", f"{data_dir}: create it first: mkdir -p "
                          f"{data_dir}; the host can write nowhere else")
    state_dir = platformdirs.user_state_path("idroserra", ensure_exists=True)
    broker_dir = broker_folder_of(data_dir)  # for certificates and revocations
    url = settings.standby.url or ""
    # With -, systemd starts the host also while it is missing.
    mounted = [Path(f"-{url.removeprefix('file://')}")] if url.startswith("file:///") else []
    folders = (data_dir, state_dir, *([broker_dir] if broker_dir.is_dir() else []), *mounted)
    typer.echo(unit_file(config.resolve(), folders, pwd.getpwuid(user_id).pw_name), nl=False)
