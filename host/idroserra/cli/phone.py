"""`idroserra phone`: how a phone on the site's network gets to the page."""

from __future__ import annotations

import sys

import typer

from idroserra.cli.serve import ConfigFile
from idroserra.core.errors import ConfigError


def phone(config: ConfigFile = None) -> None:
    """Show the page's address on the network, as a code to scan, and what to compare.

    The first visit is to a page that leads through trusting the host, once a phone.
    """
    import segno

    from idroserra.core.config import load_config
    from idroserra.pki.site_https import SiteHttps

    settings = load_config(config)
    if not settings.lan.enabled:
        raise ConfigError("lan", "enabled", "is off, so the page is on this machine only: set it "
                          "to true and restart the host (docs/host.md)")
    lan = SiteHttps(settings.lan, settings.site, settings.data_dir)
    where = lan.url if lan.authority is None else f"{lan.url}/trust"
    if sys.stdout.isatty():
        segno.make(where, micro=False).terminal(compact=True)
    typer.echo(f"Open {where} on a phone in the same network.")
    others = ", ".join(lan.names[1:])
    if others:
        typer.echo(f"It answers to {others} too.")
    if lan.authority is not None:
        typer.echo("The first time your phone warns you: go on, let it trust the host, compare")
        typer.echo(f"SHA-256 {lan.authority.fingerprint}")
