"""Has the nodes of a package change over to the new host, and makes sure that they did."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import NamedTuple, TypeVar

import msgspec

from idroserra.broker.certificates import NodeCertificates
from idroserra.client.http import HostClient
from idroserra.client.requests import (
    CommandFailed,
    node_path,
    now_unix_ms,
    raise_unless_done,
    text_of,
)
from idroserra.core.config import Config
from idroserra.history.copy import Copied, CopyCallback, CopyProgress, copy
from idroserra.history.factory import open_store
from idroserra.history.sqlite.store import SqliteStore
from idroserra.moving.package import Arrived, Certificates, MoveError, about, nodes_in, opened
from idroserra.provisioning.renewal import UNHEARD, send_once, send_until_used

Say = Callable[[str], None]
Kind = TypeVar("Kind", Certificates, Arrived)

MOST_SENDINGS = 6
# Before the old host confirms records again: a command is under way for less, and the clock of
# this machine may be another one.
SPARE_MS = 300_000


class Finished(NamedTuple):
    """missing: {node: why it has not come}."""

    arrived: Arrived
    copied: Copied
    missing: dict[str, str]


def send(client: HostClient, given: Certificates, say: Say) -> None:
    """Send each node the certificate of the new host, from the old one. Can be repeated.

    Raises MoveError if the package is not the newest or too old, CommandFailed, HostError."""
    is_late = now_unix_ms() > given.until_unix_ms - SPARE_MS
    for node in given.nodes:
        until_unix_ms = client.get(f"{node_path(node)}/leaving")["until_unix_ms"]
        if is_late or until_unix_ms != given.until_unix_ms:
            raise MoveError(f"{node}: this host confirms its records again, which are not in the "
                            "package: pack, take and send again")
    for node, der in given.nodes.items():
        say(f"{node}: {_sent(client, node, der)}")


def _sent(client: HostClient, node: str, der: bytes) -> str:
    """Send a node its certificate, again while it does not answer but is heard; return what came
    of it. A node that leaves says nothing to the old host. Raises CommandFailed."""
    for _ in range(MOST_SENDINGS):
        before = client.node(node)["last_seen_unix_ms"]
        command = send_once(client, node, der)
        code = (command["reason"] or {}).get("code")
        if command["state"] not in UNHEARD and code != "node_offline":
            raise_unless_done(node, command)
            return text_of(command["reason"])
        if client.node(node)["last_seen_unix_ms"] == before:
            return "no answer: it has changed over, or is off"
    raise CommandFailed(f"{node}: sends records, but does not answer: repeat the command")


def finish(
    config: Config, client: HostClient, certificates: NodeCertificates, path: Path, wait_s: float,
    say: Say, on_progress: CopyCallback,
) -> Finished:
    """At the new host: wait until the nodes use its certificates, and copy the history of those
    that do.

    Can be repeated. Raises HostError."""
    with opened(path) as package:
        found, nodes = about(package), nodes_in(package)
    ends_s = time.monotonic() + wait_s
    missing: dict[str, str] = {}
    for node, key in nodes.items():
        try:
            send_until_used(client, node, certificates.take(node, key),
                            max(0.0, ends_s - time.monotonic()), say)
        except CommandFailed as error:
            missing[node] = str(error)
            continue
        say(f"{node}: is here")
    came = [node for node in nodes if node not in missing]
    with (closing(SqliteStore(path)) as source, closing(open_store(config)) as target):
        copied = copy(source, target, CopyProgress(None, ""), on_progress, came)
    return Finished(Arrived(found.site, found.until_unix_ms, came), copied, missing)


def forget(client: HostClient, arrived: Arrived, say: Say) -> None:
    """At the old host: forget the nodes that have come to the new one, and revoke the old
    certificates. Can be repeated. Raises MoveError, HostError."""
    adopted = {node["node"] for node in client.nodes() if node["adopted"]}
    known = [node for node in arrived.arrived if node in adopted]
    for node in known:
        leaving = client.get(f"{node_path(node)}/leaving")
        if leaving["until_unix_ms"] != arrived.until_unix_ms:
            raise MoveError(f"{node}: does not leave this host with that package, or is back from "
                            f"another move. If it is not here: `idroserra node forget {node}`")
        if leaving["stop_waits"]:
            raise MoveError(f"{node}: a stop that was requested here has not reached it. Stop it "
                            f"at the new host, then here: `idroserra node forget {node}`")
    for node in known:
        client.send("DELETE", node_path(node), {})
    for node in arrived.arrived:
        say(f"{node}: forgotten here; its old certificate is revoked")


def read_file(path: Path, kind: type[Kind]) -> Kind:
    """Return the content of a file for the old host. Raises MoveError."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except OSError as error:
        raise MoveError(f"{path}: {error.strerror or error}") from None
    except msgspec.DecodeError as error:
        raise MoveError(f"{path}: not a file of `idroserra move`: {error}") from None
