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
    """Options of one run of `idroserra provision`, one field per option.

    Typer reads the options of a command from its signature. The command takes the signature of
    this class: a function of 25 parameters would only repeat the fields."""

    port: Annotated[
        str | None, typer.Option("--port", help="Serial port; detected if there is one "
                                 "board.")] = None
    node_id: Annotated[
        str | None, typer.Option("--node-id", help="Name of the node; default: from the "
                                 "chip's MAC address.")] = None
    wifi_ssid: Annotated[
        str | None, typer.Option("--wifi-ssid", help="Name of the Wi-Fi, 2.4 GHz.")] = None
    wifi_password_file: Annotated[
        Path | None,
        typer.Option("--wifi-password-file", help="File with the Wi-Fi password, or - for stdin; "
                     f"default: {PASSWORD_VARIABLE}, else a hidden prompt.")] = None
    tx_power_dbm: Annotated[
        int | None, typer.Option("--tx-power-dbm", help="Wi-Fi transmit power, 2 to 20 dBm; lower "
                                 "it for a board that joins no Wi-Fi.")] = None
    country: Annotated[
        str | None, typer.Option("--country", help="Country of the Wi-Fi, such as IT.")] = None
    broker: Annotated[
        str | None, typer.Option("--broker", metavar="HOST[:PORT]",
                                 help="Address of the broker for the node.")] = None
    broker_password_file: Annotated[
        Path | None,
        typer.Option("--broker-password-file", help="File with the node's broker password, or -; "
                     f"default: {BROKER_VARIABLE}.")] = None
    board: Annotated[str | None, typer.Option("--board", help="Refuse any other board.")] = None
    key_to: Annotated[
        Path | None,
        typer.Option("--key-to", help="Write the key to this new file, for `node adopt` on the "
                     "host's machine.")] = None
    url: HostUrl = None
    config: ConfigFile = None
    update_key: Annotated[
        list[Path] | None,
        typer.Option("--update-key", help="Public key of `update keygen` that verifies releases; "
                     "repeat for a spare. Default: those of the host's configuration.")] = None
    wifi_open: Annotated[
        bool, typer.Option("--wifi-open", help="The Wi-Fi has no password.")] = False
    allow_public_broker: Annotated[
        bool, typer.Option("--allow-public-broker", help="Allow a broker outside the site's "
                           "network without encryption.")] = False
    plain: Annotated[
        bool, typer.Option("--plain", help="Do not use TLS, even if `idroserra broker init` set "
                           "it up.")] = False
    new_key: Annotated[
        bool, typer.Option("--new-key", help="Replace the key of the board.")] = False
    replace: Annotated[
        bool, typer.Option("--replace", help="This board replaces the node of the same "
                           "name.")] = False
    no_reset: Annotated[
        bool, typer.Option("--no-reset", help="For a board without reset circuit: press EN (RST) "
                           "when prompted.")] = False
    wait_s: Annotated[
        float, typer.Option("--wait", min=0.5, max=600, help="Seconds to wait for the board's "
                            "prompt.")] = PROMPT_S
    show: Annotated[
        bool, typer.Option("--show", help="Show the stored values, without secrets.")] = False
    erase: Annotated[
        bool, typer.Option("--erase", help="Erase all secrets from the board.")] = False
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the plan; write "
                           "nothing.")] = False
    as_json: AsJson = False

    @property
    def can_ask(self) -> bool:
        """True if the user can be prompted."""
        return sys.stdin.isatty() and not self.as_json and not self.yes
