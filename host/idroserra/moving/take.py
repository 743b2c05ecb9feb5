"""Takes a site in at the host that it moves to, while this is stopped."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from idroserra.auth.service import AuthService
from idroserra.broker.cluster import ClusterCertificates
from idroserra.core.config import Config
from idroserra.core.paths import user_name
from idroserra.core.sqlite import connect_reader, lock_folder
from idroserra.journal.photos import FOLDER as PHOTOS
from idroserra.moving.package import (
    PARTS,
    SPOOL,
    STATE,
    About,
    Certificates,
    MoveError,
    about,
    insert_rows,
    nodes_in,
    opened,
)
from idroserra.nodes.node import fingerprint
from idroserra.pki.x509 import write_private


def take(config: Config, certificates: ClusterCertificates, path: Path) -> Certificates:
    """Take the nodes of a package in; return the certificates that they are to get.

    Can be repeated until a node has come. Raises MoveError, HostError."""
    folder = config.data_dir
    try:
        with lock_folder(folder), opened(path) as package:
            found, keys = about(package), nodes_in(package)
            _check_brokers(found, certificates)
            _check_nodes(folder, path, list(keys))
            _place_photos(package, folder)
            ders = {node: certificates.take(node, key) for node, key in keys.items()}
            for file in dict.fromkeys(part.file for part in PARTS):
                insert_rows(path, folder / file)
            _log(config, found, keys)
    except BlockingIOError:
        raise MoveError(f"{folder}: a host is running on it; stop it first") from None
    except (OSError, sqlite3.Error) as error:
        raise MoveError(f"{folder}: {error}. Then repeat the command; if a table is missing, "
                        "start the host once with this version") from error
    return Certificates(found.site, found.until_unix_ms, ders)


def _check_brokers(found: About, certificates: ClusterCertificates) -> None:
    if found.cell == certificates.authority.cell:
        raise MoveError("the package is of this host")
    if found.brokers_ca != certificates.server_ca.read_text("ascii"):
        raise MoveError("the package is of a host at other brokers: nodes can move between hosts "
                        "of one cluster only. `idroserra provision` changes the broker of a node")


def _check_nodes(folder: Path, path: Path, nodes: list[str]) -> None:
    """Raise MoveError if the host has other nodes of these names, or one has come already."""
    for name in dict.fromkeys(part.file for part in PARTS):
        if not (folder / name).exists():  # SQLite would make an empty one
            raise MoveError(f"{folder / name}: not found: start the host once, and stop it")
    with closing(connect_reader(folder / STATE)) as state:
        state.execute("ATTACH ? AS package", (str(path.resolve()),))
        known = {node: (key, moved, last_seen) for node, key, moved, last_seen in state.execute(
            "SELECT node, nodes.key, moved.key, nodes.last_seen_unix_ms FROM main.nodes"
            " JOIN package.moved_nodes AS moved USING (node)")}
    came = _came(folder, path)
    for node in nodes:
        key, moved, last_seen = known.get(node, (None, None, None))
        if node in known and (key is None or fingerprint(key) != fingerprint(moved)):
            raise MoveError(f"{node}: this host has another node of this name: one of the two "
                            "needs another name (`idroserra provision`)")
        if last_seen is not None or (node in known and node in came):
            raise MoveError(f"{node}: runs at this host already: `idroserra move finish`. If it "
                            "is to come back, this host must forget it first: `idroserra move "
                            "forget` with the file of its first move")


def _came(folder: Path, path: Path) -> set[str]:
    """Return the nodes of which the spool has more than the package. That a node was seen is
    written a minute later, and a power cut may come before."""
    with closing(connect_reader(folder / SPOOL)) as spool:
        spool.execute("ATTACH ? AS package", (str(path.resolve()),))
        return {node for node, in spool.execute(
            "SELECT here.node FROM main.counters AS here"
            " LEFT JOIN package.moved_counters AS moved USING (node, name)"
            " WHERE name = 'received' AND here.count > coalesce(moved.count, 0)")}


def _place_photos(package: sqlite3.Connection, folder: Path) -> None:
    (folder / PHOTOS).mkdir(mode=0o700, exist_ok=True)
    for name, content in package.execute("SELECT name, content FROM moved_photo_files"):
        write_private(folder / PHOTOS / Path(name).name, content)


def _log(config: Config, found: About, nodes: Mapping[str, str]) -> None:
    with closing(AuthService(config.data_dir, config.access,
                             lambda: time.time_ns() // 1_000_000)) as access:
        for node in nodes:
            access.audit.add("local " + user_name("unknown"), "take node", target=node,
                             detail={"site": found.site, "from_cell": found.cell})
