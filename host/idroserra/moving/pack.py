"""Packs a site at the host that it leaves.

The host confirms no more records of the nodes first, so that they keep what they measure from then
on, and the new host gets it. What it has confirmed before is in the package.
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import closing, contextmanager, suppress
from importlib.metadata import version
from pathlib import Path

from idroserra.broker.cluster import ClusterCertificates
from idroserra.client.http import HostClient
from idroserra.client.requests import node_path, now_unix_ms
from idroserra.core.config import Config
from idroserra.core.errors import HostError
from idroserra.core.sqlite import connect_reader
from idroserra.history.copy import DAY_MS, CopyCallback, CopyProgress, copy
from idroserra.history.factory import open_store
from idroserra.history.sqlite.store import SqliteStore
from idroserra.journal.photos import FOLDER as PHOTOS
from idroserra.moving.package import PARTS, SCHEMA, SPOOL, MoveError, save_rows

# A node has room for 10,000 records, so for two hours even at one a second; then it keeps fewer
# readings. After this the host confirms them again.
LEAVING_MS = 2 * 3_600_000
STORED_WITHIN_S = 60.0
POLL_S = 0.2
# Copied a second time: records may have come late between the two, or with a wrong time.
AGAIN_MS = 7 * DAY_MS


def pack(
    config: Config, client: HostClient, certificates: ClusterCertificates, site: str, out: Path,
    on_progress: CopyCallback,
) -> list[str]:
    """Write the package of a site completely or not at all, and return its nodes.

    Raises MoveError, HostError."""
    nodes = nodes_at(client, site, are_adopted=True)
    keys = {node: _tls_key(certificates, node) for node in nodes}
    part = out.with_name(f"{out.name}.part")
    try:
        _remove(part)
        os.close(os.open(part, os.O_CREAT | os.O_EXCL, 0o600))
        with closing(open_store(config, is_source=True)) as source:
            progress = CopyProgress(None, "")
            with closing(SqliteStore(part)) as target:  # most of it, before the pause
                copy(source, target, progress, on_progress, nodes)
            began_unix_ms = now_unix_ms()
            for node, done_unix_ms in progress.done.items():
                progress.done[node] = min(done_unix_ms, began_unix_ms - AGAIN_MS)
            with _leaving(client, nodes, began_unix_ms + LEAVING_MS) as until_unix_ms:
                _save(part, config, certificates, site, keys, until_unix_ms)
                _wait_until_stored(part, config.data_dir)
                with closing(SqliteStore(part)) as target:
                    copy(source, target, progress, on_progress, nodes)
                with closing(sqlite3.connect(part)) as package:
                    package.execute("PRAGMA journal_mode=DELETE")
                os.replace(part, out)
    except (OSError, sqlite3.Error) as error:
        raise MoveError(f"{out}: {error}") from error
    finally:
        _remove(part)
    return nodes


@contextmanager
def _leaving(client: HostClient, nodes: Collection[str], until_unix_ms: int) -> Iterator[int]:
    """Have the host confirm no records; confirm them again if there is no package at the end."""
    try:
        let_go(client, nodes, until_unix_ms)
        yield until_unix_ms
    except BaseException:
        with suppress(HostError):  # after two hours it does so by itself
            let_go(client, nodes, 0)
        raise


def _remove(path: Path) -> None:
    """Remove a package that is not whole, and what SQLite has of it after a power cut."""
    for end in ("", "-wal", "-shm", "-journal"):
        path.with_name(f"{path.name}{end}").unlink(missing_ok=True)


def nodes_at(client: HostClient, site: str, *, are_adopted: bool = False) -> list[str]:
    """Return the nodes of a site. Raises MoveError if it has none, or `are_adopted` and one is
    not, HostError."""
    found = {node["node"]: node["adopted"] for node in client.nodes() if node["site"] == site}
    nodes = sorted(found)
    for node in nodes:
        if are_adopted and not found[node]:
            raise MoveError(f"{node}: is not adopted, so that no host can confirm its records: "
                            f"`idroserra node adopt {node}` or `idroserra node forget {node}`")
    if not nodes:
        raise MoveError(f"no node is at the site {site!r}: `idroserra node site` lists the sites")
    return nodes


def let_go(client: HostClient, nodes: Collection[str], until_unix_ms: int) -> None:
    """Have the host confirm no records of nodes until then; 0: confirm them. Raises HostError."""
    for node in nodes:
        client.send("PUT", f"{node_path(node)}/leaving", {"until_unix_ms": until_unix_ms})


def _tls_key(certificates: ClusterCertificates, node: str) -> str:
    """Return a node's key as PEM. Raises MoveError."""
    try:
        return certificates.files(node)[1].read_text("ascii")
    except OSError as error:
        raise MoveError(f"{node}: has no certificate of this host ({error.strerror}): "
                        "`idroserra broker node` and `idroserra provision`") from None


def _save(
    part: Path, config: Config, certificates: ClusterCertificates, site: str,
    keys: dict[str, str], until_unix_ms: int,
) -> None:
    folder = config.data_dir
    with closing(sqlite3.connect(part, uri=True, isolation_level=None, timeout=30)) as package:
        package.executescript(SCHEMA)
        package.execute("INSERT INTO about VALUES (?,?,?,?,?)", (
            version("idroserra"), certificates.authority.cell,
            certificates.server_ca.read_text("ascii"), site, until_unix_ms))
        package.executemany("INSERT INTO moving VALUES (?,?)", keys.items())
        for file in dict.fromkeys(part.file for part in PARTS):
            save_rows(package, folder / file)
        for photo, in package.execute("SELECT id FROM moved_photos").fetchall():
            for path in (folder / PHOTOS).glob(f"{photo}*.jpg"):
                package.execute("INSERT INTO moved_photo_files VALUES (?,?)",
                                (path.name, path.read_bytes()))


def _wait_until_stored(
    part: Path, data_dir: Path, clock: Callable[[], float] = time.monotonic
) -> None:
    """Wait until what the spool had of the nodes is in the store. Raises MoveError."""
    ends_s = clock() + STORED_WITHIN_S
    with (closing(sqlite3.connect(part)) as package,
          closing(connect_reader(data_dir / SPOOL)) as spool):
        newest = package.execute("SELECT id FROM moved_waiting").fetchone()[0] or 0
        nodes = json.dumps([node for node, in package.execute("SELECT node FROM moving")])
        # Of these nodes: an empty table gives its numbers to records of others again.
        while spool.execute("SELECT 1 FROM pending WHERE id <= ? AND node IN"
                            " (SELECT value FROM json_each(?))", (newest, nodes)).fetchone():
            if clock() > ends_s:
                raise MoveError("the store does not take the records that the host has: see "
                                "`idroserra doctor`, then pack again")
            time.sleep(POLL_S)
