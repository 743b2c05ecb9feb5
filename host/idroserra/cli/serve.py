"""`idroserra serve`: the host service and its page, until it is told to stop."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

ConfigFile = Annotated[
    Path | None, typer.Option("--config", "-c", help="TOML file; without it, the defaults.")
]


def serve(
    config: ConfigFile = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65_535, help="Port of the page; 0 takes a free one.")
    ] = None,
    *,
    simulated: Annotated[
        bool, typer.Option(help="Say SIMULATED on every page: the nodes are no real ones.")
    ] = False,
) -> None:
    """Run the host: records come in over MQTT, are kept, and are shown on the page."""
    from idroserra.web.process import become_host

    become_host(config, port, simulated=simulated)
