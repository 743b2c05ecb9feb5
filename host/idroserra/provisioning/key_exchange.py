"""Stores node keys at the host: through the API if it runs, or in its files if it is stopped.

Either way the key ends in state.db, readable by the host's user only, with an entry in the audit
log.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import quote, urlsplit

from idroserra.auth.service import AuthService
from idroserra.client.http import HostClient, HostRefused, HostUnreachable
from idroserra.core.config import Config, load_config
from idroserra.core.errors import ConfigError, HostError, StoreUnavailable, UnknownNode
from idroserra.core.hostnames import is_loopback
from idroserra.core.paths import user_name
from idroserra.core.sqlite import lock_folder
from idroserra.nodes.registry import Nodes


@dataclass(frozen=True)
class StoredKeys:
    """What the host has of one node. `board`: as reported by the node."""

    fingerprints: tuple[str, ...] = ()
    was_seen: bool = False
    board: str | None = None


class SharedKeys(Protocol):
    """The node keys of one host, as provisioning shares them. All methods raise HostError."""

    def stored(self, node: str) -> StoredKeys:
        """Return what the host has; an empty StoredKeys for an unknown node."""

    def stage_key(self, node: str, key: bytes) -> None:
        """Adopt the node, or store `key` beside the current one until confirm_key()."""

    def confirm_key(self, node: str, found: str) -> None:
        """Keep only the key with this fingerprint. Raises KeyMismatch."""


class KeyStore(SharedKeys, Protocol):
    """The node keys of one host. All methods raise HostError."""

    where: str

    def forget(self, node: str) -> str:
        """Remove the node; return the state of its certificate as broker.engine.revoke_node.

        Raises for an unknown node, and if the broker cannot be reloaded."""


class NoHost(HostError):
    """There is no host here that could adopt a node."""

    def __init__(self, why: str) -> None:
        super().__init__(f"no host to share the key with: {why}")


class ApiKeyStore:
    """The keys of a running host, through its API."""

    def __init__(self, client: HostClient) -> None:
        self.where = f"the host at {client.url}"
        self._client = client

    def stored(self, node: str) -> StoredKeys:
        """See KeyStore."""
        try:
            answer = self._client.get(f"{_path(node)}/key")
        except HostRefused as error:
            if error.status != 404:
                raise
            return StoredKeys()
        return StoredKeys(tuple(answer["fingerprints"]), answer["was_heard"], answer["board"])

    def stage_key(self, node: str, key: bytes) -> None:
        """See KeyStore."""
        self._client.send("PUT", f"{_path(node)}/key", {"key": key.hex()})

    def confirm_key(self, node: str, found: str) -> None:
        """See KeyStore."""
        self._client.send("POST", f"{_path(node)}/key/settle", {"fingerprint": found})

    def forget(self, node: str) -> str:
        """See KeyStore."""
        return str(self._client.send("DELETE", _path(node), {})["certificate"])


class FileKeyStore:
    """The keys in the files of a stopped host."""

    def __init__(self, config: Config, nodes: Nodes, access: AuthService) -> None:
        self.where = f"the stopped host of {config.data_dir}"
        self._data_dir = config.data_dir
        self._nodes = nodes
        self._audit = access.audit

    def stored(self, node: str) -> StoredKeys:
        """See KeyStore."""
        try:
            known = self._nodes.get(node)
        except UnknownNode:
            return StoredKeys()
        was_seen = known.last_seen_unix_ms is not None or known.info is not None
        return StoredKeys(known.fingerprints, was_seen,
                          None if known.info is None else known.info.board)

    def stage_key(self, node: str, key: bytes) -> None:
        """See KeyStore."""
        self._nodes.stage_key(node, key)
        self._log("adopt node", node)

    def confirm_key(self, node: str, found: str) -> None:
        """See KeyStore."""
        self._nodes.confirm_key(node, found)
        self._log("settle key", node)

    def forget(self, node: str) -> str:
        """See KeyStore."""
        from idroserra.broker.engine import revoke_node

        self._nodes.get(node)
        certificate = revoke_node(self._data_dir, node)
        self._nodes.forget(node)
        self._log("forget node", node)
        return certificate

    def _log(self, action: str, node: str) -> None:
        self._audit.add("local " + user_name("unknown"), action, target=node,
                        address="command line")


@contextmanager
def open_keys(url: str | None, config: Path | None) -> Iterator[KeyStore]:
    """Yield the keys of the host at `url`, or of the host on this machine, running or not.

    Raises NoHost, ConfigError, HostUnreachable, HostRefused."""
    if url is not None:
        if urlsplit(url).scheme == "http" and not is_loopback(urlsplit(url).hostname or ""):
            why = "a key is sent to another machine over https only"
            raise ConfigError("command line", "--url", why)
        yield ApiKeyStore(_connect(url))
        return
    settings = load_config(config)
    host = f"[{settings.http.host}]" if ":" in settings.http.host else settings.http.host
    try:
        running = ApiKeyStore(_connect(f"http://{host}:{settings.http.port}"))
    except HostUnreachable:
        with _open_files(settings, is_explicit=config is not None) as files:
            yield files
    else:
        yield running


def _connect(url: str) -> HostClient:
    client = HostClient(url)
    client.get("/api/health")
    return client


@contextmanager
def _open_files(config: Config, *, is_explicit: bool) -> Iterator[FileKeyStore]:
    folder = config.data_dir
    if not is_explicit and not (folder / "state.db").is_file():
        raise NoHost("none answers, and this user never started one on this machine")
    with ExitStack() as opened:
        try:
            opened.enter_context(lock_folder(folder))
            nodes = opened.enter_context(closing(Nodes(folder / "state.db", config.site)))
            access = opened.enter_context(closing(
                AuthService(folder, config.access, lambda: time.time_ns() // 1_000_000)))
        except BlockingIOError:
            raise NoHost(f"one runs on {folder}, at another address: use --url") from None
        except (OSError, sqlite3.Error) as error:
            raise StoreUnavailable(f"{folder}: {error}") from error
        yield FileKeyStore(config, nodes, access)


def _path(node: str) -> str:
    return f"/api/nodes/{quote(node, safe='')}"
