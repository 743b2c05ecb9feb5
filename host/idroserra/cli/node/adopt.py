"""`idroserra node adopt` and `node forget`: whose key the host holds."""

from __future__ import annotations

import getpass
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from idroserra.cli.serve import ConfigFile
from idroserra.client.requests import AsJson, NodeName
from idroserra.core import protocol
from idroserra.core.errors import ConfigError
from idroserra.nodes.registry import fingerprint
from idroserra.provisioning import key_file
from idroserra.provisioning.key_exchange import open_keys

SHORT_CHARS = 8  # of a fingerprint, as people compare it

# What became of the certificate, as line.give_up has it.
_OF_CERTIFICATE = {
    "none": "It had no certificate of this host: if the broker still lets it in, take its user or "
            "password away there; a board that still reports shows up again, not adopted.",
    "refused": "Its certificate is revoked, and the broker was seen to refuse it.",
    "refused at its start": "Its certificate is revoked; no broker of this host runs here, and it "
                            "will refuse it when it starts.",
}

HostUrl = Annotated[
    str | None,
    typer.Option("--url", envvar="IDROSERRA_URL", help="Where the host is; without it, the one of "
                 "this user on this machine, running or not."),
]


def adopt(
    node: NodeName,
    key_from: Annotated[
        Path | None,
        typer.Option("--key-file", help="What `provision --key-to` wrote, or - for standard "
                     "input. Without it the key is asked for, and not shown."),
    ] = None,
    url: HostUrl = None,
    config: ConfigFile = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Take a node in: give the host the key that its board got, so that it may command it."""
    if not protocol.is_node_id(node):
        raise ConfigError("command line", "NODE", protocol.NODE_ID_RULE)
    key = _key(node, key_from)
    found = fingerprint(key)
    with open_keys(url, config) as host:
        before = host.stored(node)
        if before.fingerprints[:1] != (found,):
            host.stage_key(node, key)
        held = host.stored(node)
        where = host.where
    if as_json:
        typer.echo(json.dumps({"node": node, "adopted": True, "fingerprint": found,
                               "is_in_use": held.fingerprints == (found,)}))
        return
    told = f"{node}: adopted by {where}, key {found[:SHORT_CHARS]}"
    if len(held.fingerprints) > 1:
        told += "; the older key is kept until the node answers to the new one"
    typer.echo(told)
    if key_from is not None and str(key_from) != "-":
        typer.echo(f"{key_from} is not needed any more: remove it (shred -u {key_from})")


def forget(
    node: NodeName,
    url: HostUrl = None,
    config: ConfigFile = None,
    *,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Give a node up: its key, settings, certificate, place in the lists. Its history stays."""
    with open_keys(url, config) as host:
        if not yes and not as_json:
            typer.confirm(f"Give {node} up? The host cannot command it any more; a certificate "
                          "that it has of this host is revoked.", abort=True)
        certificate = host.forget(node)
    if as_json:
        typer.echo(json.dumps({"node": node, "forgotten": True, "certificate": certificate}))
        return
    typer.echo(f"{node}: forgotten. {_OF_CERTIFICATE[certificate]} "
               "`idroserra provision --erase` takes the secrets from its board.")


def unadopted_nodes(nodes: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Yield what to do about each node that reports and is not adopted."""
    for node in nodes:
        if not node["adopted"]:
            name = node["node"]
            typed = f" (an {node['board']})" if node["board"] else ""
            yield (f"{name}{typed}: not adopted, so it measures and cannot be commanded: "
                   f"`idroserra provision` with its board on USB, or "
                   f"`idroserra node adopt {name} --key-file FILE`; not yours: change the "
                   "passwords of the broker")


def _key(node: str, key_from: Path | None) -> bytes:
    if key_from is not None and str(key_from) != "-":
        return key_file.read(key_from, node)
    if key_from is None and not sys.stdin.isatty():
        raise ConfigError("command line", "--key-file", "needed: there is no terminal to ask at")
    text = sys.stdin.read() if key_from is not None else getpass.getpass("Key (64 hex digits): ")
    try:
        return key_file.parse(text, node)
    except ValueError as error:
        raise ConfigError("standard input", "", str(error)) from None
