"""`idroserra unit`: print a systemd unit for this installation."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from idroserra.core.errors import ConfigError


def unit(
    config: Annotated[Path, typer.Option("--config", "-c", help="TOML file of the host.")],
) -> None:
    """Print a systemd unit that starts the host at boot and restarts it when it exits.

    Run this as the user of the host. The first lines explain how to install it.
    """
    import platformdirs

    from idroserra.core.config import load_config
    from idroserra.core.systemd import unit_file

    settings = load_config(config)
    data_dir = settings.data_dir.expanduser().resolve()
    if not data_dir.is_dir():
        raise ConfigError(str(config), "data_dir", f"{data_dir}: create it first: mkdir -p "
                          f"{data_dir}; the host can write nowhere else")
    state_dir = platformdirs.user_state_path("idroserra", ensure_exists=True)
    typer.echo(unit_file(config.resolve(), (data_dir, state_dir)), nl=False)
