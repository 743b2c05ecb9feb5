"""The options of `idroserra provision`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

PASSWORD_VARIABLE, BROKER_VARIABLE = "IDROSERRA_WIFI_PASSWORD", "IDROSERRA_BROKER_PASSWORD"

PortName = Annotated[
    str | None, typer.Option("--port", help="Serial port; found by itself where there is one "
                             "board.")]
NodeId = Annotated[
    str | None, typer.Option("--node-id", help="The node's name; proposed from the chip's MAC "
                             "address.")]
Ssid = Annotated[str | None, typer.Option("--wifi-ssid", help="Name of the Wi-Fi, 2.4 GHz.")]
PasswordFile = Annotated[
    Path | None,
    typer.Option("--wifi-password-file", help="File with its password, or - for standard input; "
                 f"else that in {PASSWORD_VARIABLE}; else it is asked for, and not shown.")]
OpenWifi = Annotated[bool, typer.Option("--wifi-open", help="The Wi-Fi has no password.")]
BrokerAddress = Annotated[
    str | None, typer.Option("--broker", metavar="HOST[:PORT]",
                             help="Where the node finds the broker.")]
BrokerPasswordFile = Annotated[
    Path | None,
    typer.Option("--broker-password-file", help="File with the node's password there, or -; else "
                 f"that in {BROKER_VARIABLE}.")]
Plain = Annotated[
    bool, typer.Option("--plain", help="Without TLS, though this host has a line (`idroserra "
                       "broker init`).")]
PublicBroker = Annotated[
    bool, typer.Option("--allow-public-broker", help="Also a broker beyond the site's network, "
                       "though the line is not encrypted.")]
BoardName = Annotated[
    str | None, typer.Option("--board", help="Refuse any board but one of this name.")]
KeyTo = Annotated[
    Path | None,
    typer.Option("--key-to", help="Write the key to this new file, for `node adopt` on the "
                 "host's machine.")]
NewKey = Annotated[
    bool, typer.Option("--new-key", help="Give it another key than the one it has.")]
Replace = Annotated[
    bool, typer.Option("--replace", help="This board takes the place of the node of that name.")]
NoReset = Annotated[
    bool, typer.Option("--no-reset", help="A board without the reset circuit: press EN (RST) when "
                       "it says so.")]
Wait = Annotated[
    float, typer.Option("--wait", min=0.5, max=600, help="Seconds to wait for the board's "
                        "prompt.")]
UpdateKeys = Annotated[
    list[Path] | None,
    typer.Option("--update-key", help="Public key of `update keygen` that releases are checked "
                 "with; said twice for a spare. Without it, those of the host's configuration.")]
Show = Annotated[bool, typer.Option("--show", help="Say what is set, without its secrets.")]
Erase = Annotated[
    bool, typer.Option("--erase", help="Take every secret from a board that leaves.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Look and say what would be done; write nothing.")]
