"""Where the host keeps the keys of its nodes, as the command line reaches it.

Through the API of a running host, else in the files of one that is at rest. Either way the key
ends in state.db, readable by the host's user alone, and what was done is in the audit log.
"""

from __future__ import annotations

import getpass
import sqlite3
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import quote, urlsplit

from idroserra.auth.service import AuthService
from idroserra.client.http import HostClient, HostRefused, HostUnreachable
from idroserra.core.config import Config, is_loopback, load_config
from idroserra.core.errors import ConfigError, HostError, StoreUnavailable, UnknownNode
from idroserra.core.sqlite import lock_folder
from idroserra.nodes.registry import Node, Nodes


@dataclass(frozen=True)
class StoredKeys:
    """What the host holds of one node. `board` is what it said it is."""

    fingerprints: tuple[str, ...] = ()
    was_heard: bool = False
    board: str | None = None


class KeyStore(Protocol):
    """The keys of one host. All raise HostError."""

    where: str

    def held(self, node: str) -> StoredKeys:
        """Return what the host holds; an empty Held for a node it never heard of."""

    def offer(self, node: str, key: bytes) -> None:
        """Adopt the node, or keep `key` beside the one in use until settle()."""

    def settle(self, node: str, found: str) -> None:
        """Keep the key with this fingerprint only. Raises OtherKey, or what the host refuses."""

    def forget(self, node: str) -> str:
        """Give up the node; return what became of its certificate, as line.give_up has it.

        Raises for one that is not known, and where the broker cannot be told."""


class NoHost(HostError):
    """There is no host here to adopt a node."""

    def __init__(self, why: str) -> None:
        super().__init__(f"no host to share the key with: {why}")


class ApiKeyStore:
    """A host that answers at a URL."""

    def __init__(self, client: HostClient) -> None:
        self.where = f"the host at {client.url}"
        self._client = client

    def held(self, node: str) -> StoredKeys:
        """See HostKeys."""
        try:
            answer = self._client.get(f"{_path(node)}/key")
        except HostRefused as error:
            if error.status != 404:
                raise
            return StoredKeys()
        return StoredKeys(tuple(answer["fingerprints"]), answer["was_heard"], answer["board"])

    def offer(self, node: str, key: bytes) -> None:
        """See HostKeys."""
        self._client.send("PUT", f"{_path(node)}/key", {"key": key.hex()})

    def settle(self, node: str, found: str) -> None:
        """See HostKeys."""
        self._client.send("POST", f"{_path(node)}/key/settle", {"fingerprint": found})

    def forget(self, node: str) -> str:
        """See HostKeys."""
        return str(self._client.send("DELETE", _path(node), {})["certificate"])


class FileKeyStore:
    """The files of a host that does not run now."""

    def __init__(self, config: Config, nodes: Nodes, access: AuthService) -> None:
        self.where = f"the host of {config.data_dir}, which does not run now"
        self._data_dir = config.data_dir
        self._nodes = nodes
        self._audit = access.audit

    def held(self, node: str) -> StoredKeys:
        """See HostKeys."""
        try:
            known = self._nodes.get(node)
        except UnknownNode:
            return StoredKeys()
        return StoredKeys(known.fingerprints, _was_heard(known),
                    None if known.info is None else known.info.board)

    def offer(self, node: str, key: bytes) -> None:
        """See HostKeys."""
        self._nodes.offer(node, key)
        self._note("adopt node", node)

    def settle(self, node: str, found: str) -> None:
        """See HostKeys."""
        self._nodes.settle(node, found)
        self._note("settle key", node)

    def forget(self, node: str) -> str:
        """See HostKeys."""
        from idroserra.broker.tls_files import revoke_node

        self._nodes.get(node)
        certificate = revoke_node(self._data_dir, node)
        self._nodes.forget(node)
        self._note("forget node", node)
        return certificate

    def _note(self, action: str, node: str) -> None:
        self._audit.add(f"local {_owner()}", action, target=node, address="command line")


@contextmanager
def open_keys(url: str | None, config: Path | None) -> Iterator[KeyStore]:
    """Yield the keys of the host at `url`, else of the host on this machine, running or not.

    Raises NoHost, ConfigError, HostUnreachable, HostRefused."""
    if url is not None:
        if urlsplit(url).scheme == "http" and not is_loopback(urlsplit(url).hostname or ""):
            why = "a key goes to another machine over https only"
            raise ConfigError("command line", "--url", why)
        yield ApiKeyStore(_answering(url))
        return
    settings = load_config(config)
    host = f"[{settings.http.host}]" if ":" in settings.http.host else settings.http.host
    try:
        running = ApiKeyStore(_answering(f"http://{host}:{settings.http.port}"))
    except HostUnreachable:
        with _opened(settings, is_meant=config is not None) as files:
            yield files
    else:
        yield running


def _answering(url: str) -> HostClient:
    client = HostClient(url)
    client.get("/api/health")
    return client


@contextmanager
def _opened(config: Config, *, is_meant: bool) -> Iterator[FileKeyStore]:
    folder = config.data_dir
    if not is_meant and not (folder / "state.db").is_file():
        raise NoHost("none answers, and none was ever started by this user on this machine")
    with ExitStack() as opened:
        try:
            opened.callback(lock_folder(folder).close)
            nodes = Nodes(folder / "state.db", config.site)
            opened.callback(nodes.close)
            access = AuthService(folder, config.access, lambda: time.time_ns() // 1_000_000)
            opened.callback(access.close)
        except BlockingIOError:
            raise NoHost(f"one runs on {folder}, at another address: say --url") from None
        except (OSError, sqlite3.Error) as error:
            raise StoreUnavailable(f"{folder}: {error}") from error
        yield FileKeyStore(config, nodes, access)


def _was_heard(known: Node) -> bool:
    return known.last_seen_unix_ms is not None or known.info is not None


def _path(node: str) -> str:
    return f"/api/nodes/{quote(node, safe='')}"


def _owner() -> str:
    try:
        return getpass.getuser()[:30]
    except (OSError, KeyError):
        return "unknown"
