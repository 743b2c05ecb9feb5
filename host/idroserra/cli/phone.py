"""`idroserra phone`: show how to open the page on a phone."""

from __future__ import annotations

import sys

import typer

from idroserra.cli.serve import ConfigFile
from idroserra.core.errors import ConfigError


def phone(config: ConfigFile = None) -> None:
    """Show the network address of the page as a QR code, and the CA fingerprint.

    The first visit opens a guide to trusting the host, once per phone.
    """
    import segno

    from idroserra.core.config import load_config
    from idroserra.pki.site_https import SiteHttps

    settings = load_config(config)
    if not settings.lan.enabled:
        raise ConfigError("lan", "enabled", "is off, so only this machine can open the page: set "
                          "it to true and restart the host (docs/host.md)")
    lan = SiteHttps(settings.lan, settings.site, settings.data_dir)
    where = lan.url if lan.authority is None else f"{lan.url}/trust"
    if sys.stdout.isatty():
        segno.make(where, micro=False).terminal(compact=True)
    typer.echo(f"Open {where} on a phone on the same network.")
    others = ", ".join(lan.names[1:])
    if others:
        typer.echo(f"Other addresses: {others}")
    if lan.authority is not None:
        typer.echo("The first visit shows a warning. Continue, trust the host, and compare")
        typer.echo(f"SHA-256 {lan.authority.fingerprint}")
