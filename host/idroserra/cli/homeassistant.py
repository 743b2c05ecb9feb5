"""`idroserra homeassistant`: remove devices from Home Assistant."""

from __future__ import annotations

import typer

from idroserra.cli.serve import ConfigFile
from idroserra.core.errors import HostError

app = typer.Typer(no_args_is_help=True, help="Home Assistant (docs/integrations.md).")


@app.callback()
def _group() -> None:
    """Home Assistant (docs/integrations.md)."""


@app.command()
def clear(config: ConfigFile = None) -> None:
    """Remove every Idroserra device and its entities from Home Assistant.

    First turn off `homeassistant.enabled` and restart the host, or they reappear.
    """
    from idroserra.broker.probe import ConnectionProbe
    from idroserra.core.config import load_config
    from idroserra.homeassistant.discovery import discovery_topic, is_ours

    settings = load_config(config)
    prefix, broker = settings.homeassistant.prefix, settings.mqtt
    probe = ConnectionProbe(
        broker, broker.protocol, discovery_topic(prefix, "+"),
        lambda topic: is_ours(prefix, topic))
    if probe.refusal:
        raise HostError(f"{broker.url}: {probe.refusal}")
    for topic in probe.cleared:
        typer.echo(f"cleared {topic}")
    if not probe.cleared:
        typer.echo(f"The broker at {broker.url} has no Idroserra devices.")
    elif settings.homeassistant.enabled:
        typer.echo("homeassistant.enabled is still on: the next start adds them again.")
