"""`idroserra homeassistant`: taking back what Home Assistant was told."""

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
    """Remove every device of Idroserra from Home Assistant, with its entities.

    Switch `homeassistant.enabled` off first and restart the host, or they come back.
    """
    from idroserra.broker.probe import ConnectionProbe
    from idroserra.core.config import load_config
    from idroserra.homeassistant.discovery import discovery_topic, is_ours

    settings = load_config(config)
    prefix, broker = settings.homeassistant.prefix, settings.mqtt
    visit = ConnectionProbe(
        broker,
        5 if broker.protocol == "5" else 4,
        discovery_topic(prefix, "+"),
        lambda topic: is_ours(prefix, topic),
    )
    if visit.refusal:
        raise HostError(f"{broker.url}: {visit.refusal}")
    for topic in visit.cleared:
        typer.echo(f"cleared {topic}")
    if not visit.cleared:
        typer.echo(f"The broker at {broker.url} holds no device of Idroserra.")
    elif settings.homeassistant.enabled:
        typer.echo("homeassistant.enabled is still on: a host that starts tells them again.")
