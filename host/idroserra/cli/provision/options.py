"""Options of `idroserra provision`."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from idroserra.cli.node.adopt import HostUrl
from idroserra.cli.serve import ConfigFile
from idroserra.client.requests import AsJson
from idroserra.flash.board_link import PROMPT_S

PASSWORD_VARIABLE, BROKER_VARIABLE = "IDROSERRA_WIFI_PASSWORD", "IDROSERRA_BROKER_PASSWORD"


@dataclass(frozen=True, kw_only=True)
class ProvisionJob:
    """What one run of `idroserra provision` does, one field per option.

    Typer reads the options of a command from its signature. The command takes the signature of
    this class: a function of 23 parameters would only repeat the fields."""

    port: Annotated[
        str | None, typer.Option("--port", help="Serial port; found by itself where there is one "
                                 "board.")] = None
    node_id: Annotated[
        str | None, typer.Option("--node-id", help="The node's name; proposed from the chip's MAC "
                                 "address.")] = None
    wifi_ssid: Annotated[
        str | None, typer.Option("--wifi-ssid", help="Name of the Wi-Fi, 2.4 GHz.")] = None
    wifi_password_file: Annotated[
        Path | None,
        typer.Option("--wifi-password-file", help="File with its password, or - for standard "
                     f"input; else that in {PASSWORD_VARIABLE}; else it is asked for, and not "
                     "shown.")] = None
    broker: Annotated[
        str | None, typer.Option("--broker", metavar="HOST[:PORT]",
                                 help="Where the node finds the broker.")] = None
    broker_password_file: Annotated[
        Path | None,
        typer.Option("--broker-password-file", help="File with the node's password there, or -; "
                     f"else that in {BROKER_VARIABLE}.")] = None
    board: Annotated[
        str | None, typer.Option("--board", help="Refuse any board but one of this name.")] = None
    key_to: Annotated[
        Path | None,
        typer.Option("--key-to", help="Write the key to this new file, for `node adopt` on the "
                     "host's machine.")] = None
    url: HostUrl = None
    config: ConfigFile = None
    update_key: Annotated[
        list[Path] | None,
        typer.Option("--update-key", help="Public key of `update keygen` that releases are "
                     "checked with; said twice for a spare. Without it, those of the host's "
                     "configuration.")] = None
    wifi_open: Annotated[
        bool, typer.Option("--wifi-open", help="The Wi-Fi has no password.")] = False
    allow_public_broker: Annotated[
        bool, typer.Option("--allow-public-broker", help="Also a broker beyond the site's "
                           "network, though the line is not encrypted.")] = False
    plain: Annotated[
        bool, typer.Option("--plain", help="Without TLS, though this host has a line (`idroserra "
                           "broker init`).")] = False
    new_key: Annotated[
        bool, typer.Option("--new-key", help="Give it another key than the one it has.")] = False
    replace: Annotated[
        bool, typer.Option("--replace", help="This board takes the place of the node of that "
                           "name.")] = False
    no_reset: Annotated[
        bool, typer.Option("--no-reset", help="A board without the reset circuit: press EN (RST) "
                           "when it says so.")] = False
    wait_s: Annotated[
        float, typer.Option("--wait", min=0.5, max=600, help="Seconds to wait for the board's "
                            "prompt.")] = PROMPT_S
    show: Annotated[
        bool, typer.Option("--show", help="Say what is set, without its secrets.")] = False
    erase: Annotated[
        bool, typer.Option("--erase", help="Take every secret from a board that leaves.")] = False
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Look and say what would be done; write "
                           "nothing.")] = False
    as_json: AsJson = False

    @property
    def can_ask(self) -> bool:
        """True where a person can answer."""
        return sys.stdin.isatty() and not self.as_json and not self.yes
