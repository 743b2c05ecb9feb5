"""`idroserra serve`: run the host service and its page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

ConfigFile = Annotated[
    Path | None, typer.Option("--config", "-c", help="TOML file; default: built-in defaults.")]


def serve(
    config: ConfigFile = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65_535, help="Port of the page; 0: any free port.")
    ] = None,
    *,
    simulated: Annotated[bool, typer.Option(help="Mark every page SIMULATED.")] = False,
) -> None:
    """Run the host: receive records over MQTT, store them, and serve the page."""
    from idroserra.web.process import become_host

    become_host(config, port, simulated=simulated)
