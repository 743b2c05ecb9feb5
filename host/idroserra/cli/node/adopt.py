"""`idroserra node adopt` and `node forget`: add and remove node keys on the host."""

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
from idroserra.nodes.node import fingerprint
from idroserra.provisioning import key_file
from idroserra.provisioning.key_exchange import open_keys

SHORT_CHARS = 8  # of a fingerprint, for comparison by people

# Result of the revocation of the certificate: advice.
_OF_CERTIFICATE = {
    "none": "It had no certificate of this host: if the broker still accepts it, remove its "
            "user there. A board that still reports reappears as not adopted.",
    "refused": "Its certificate is revoked, and the broker rejects it (verified).",
    "refused at its start": "Its certificate is revoked; the broker is not running and "
                            "will reject it when it starts.",
}

HostUrl = Annotated[
    str | None,
    typer.Option("--url", envvar="IDROSERRA_URL", help="URL of the host; default: the host of "
                 "this user on this machine, running or not."),
]


def adopt(
    node: NodeName,
    key_from: Annotated[
        Path | None,
        typer.Option("--key-file", help="File written by `provision --key-to`, or - for stdin; "
                     "default: hidden prompt."),
    ] = None,
    url: HostUrl = None, config: ConfigFile = None, *, as_json: AsJson = False,
) -> None:
    """Adopt a node: give its key to the host, so that the host may command it."""
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
    text = f"{node}: adopted by {where}, key {found[:SHORT_CHARS]}"
    if len(held.fingerprints) > 1:
        text += "; the previous key is kept until the node uses the new one"
    typer.echo(text)
    if key_from is not None and str(key_from) != "-":
        typer.echo(f"{key_from} is no longer needed: delete it (shred -u {key_from})")


def forget(
    node: NodeName, url: HostUrl = None, config: ConfigFile = None, *,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Remove a node from the host: key, settings, recipe run, certificate. Its history is kept."""
    with open_keys(url, config) as host:
        if not yes and not as_json:
            typer.confirm(f"Forget {node}? The host can no longer command it; its certificate "
                          "of this host is revoked.", abort=True)
        certificate = host.forget(node)
    if as_json:
        typer.echo(json.dumps({"node": node, "forgotten": True, "certificate": certificate}))
        return
    typer.echo(f"{node}: forgotten. {_OF_CERTIFICATE[certificate]} "
               "`idroserra provision --erase` removes the secrets from its board.")


def unadopted_nodes(nodes: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Yield advice for each node that reports but is not adopted."""
    for node in nodes:
        if not node["adopted"]:
            name = node["node"]
            board = f" ({node['board']})" if node["board"] else ""
            yield (f"{name}{board}: not adopted, so it keeps its records and cannot be commanded: "
                   f"`idroserra provision` with its board on USB, or "
                   f"`idroserra node adopt {name} --key-file FILE`; if it is not yours, change "
                   "the passwords of the broker")


def _key(node: str, key_from: Path | None) -> bytes:
    if key_from is not None and str(key_from) != "-":
        return key_file.read(key_from, node)
    if key_from is None and not sys.stdin.isatty():
        raise ConfigError("command line", "--key-file", "required: no terminal for a prompt")
    text = sys.stdin.read() if key_from is not None else getpass.getpass("Key (64 hex digits): ")
    try:
        return key_file.parse(text, node)
    except ValueError as error:
        raise ConfigError("standard input", "", str(error)) from None
