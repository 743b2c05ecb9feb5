"""The registry of nodes: last message, adoption (shared key) and desired settings of each.

A new node is registered but not adopted: its records are stored, but it receives no commands,
because the host shares no key with it. Stored in state.db; last_seen only every minute.

A key is replaced in two steps, because board and host cannot change at the same instant:
stage_key() stores the new key beside the old one, confirm_key() keeps the one the board has.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from idroserra.core import protocol
from idroserra.core.errors import KeyMismatch, NotAdopted, StoreUnavailable, UnknownNode
from idroserra.core.natural_order import natural_key
from idroserra.core.reasons import Reason
from idroserra.core.sites import BadSite, UnknownSite, check_site
from idroserra.core.sqlite import Database
from idroserra.ingest.handler import LastMessage
from idroserra.nodes.node import Node, fingerprint, node_from_row
from idroserra.nodes.registry_tables import SCHEMA, SELECT, SELECT_LEAVING, SELECT_NEXT, UPGRADES
from idroserra.nodes.restored import read_restored

KEY_BYTES = 32
FLUSH_MS = 60_000
REPORT_MS = 10_000  # between two saved infos or reports of a node; FLUSH_MS saves the last one


class Nodes:
    """All nodes. Every method may be called from any thread."""

    def __init__(self, path: Path, site: str) -> None:
        self._site = site
        self._lock = threading.RLock()
        self._database = Database(path, SCHEMA, UPGRADES)
        self._database.query("PRAGMA secure_delete=1")  # overwrites deleted keys
        self._nodes = {row[0]: node_from_row(row) for row in self._database.query(SELECT)}
        for node, key in self._database.query(SELECT_NEXT):
            self._nodes[node] = replace(self._nodes[node], next_key=key)
        for node, until_unix_ms in self._database.query(SELECT_LEAVING):
            self._nodes[node] = replace(
                self._nodes[node], leaving_until_unix_ms=until_unix_ms)
        with self._database.transaction() as connection:
            for node, restored in read_restored(connection).items():
                self._nodes[node] = replace(self._nodes[node], restored=restored)
        self._unsaved: dict[str, int] = {}  # node: time of its last write or attempt
        self._report_saved_unix_ms: dict[str, int] = {}
        self._last_messages: dict[str, LastMessage] = {}  # not applied to _nodes yet

    def all(self) -> list[Node]:
        """Return every node in natural order of the names."""
        with self._lock:
            self._apply_last_messages()
            return [self._nodes[name] for name in sorted(self._nodes, key=natural_key)]

    def get(self, node: str) -> Node:
        """Return one node. Raises UnknownNode."""
        with self._lock:
            self._apply_last_messages()
            found = self._nodes.get(node)
        if found is None:
            raise UnknownNode(node)
        return found

    def peek(self, node: str) -> Node | None:
        """Return one node as last set, or None. Does not wait for a write to the disk."""
        return self._nodes.get(node)

    def peek_at(self, site: str | None) -> list[Node]:
        """Return the nodes of a site, or of all, as last set. Does not wait for the disk.

        Raises UnknownSite."""
        found = [node for node in list(self._nodes.values()) if site in (None, node.site)]
        if site is not None and not found:
            raise UnknownSite(site)
        return sorted(found, key=lambda node: natural_key(node.node))

    def at(self, site: str) -> list[Node]:
        """Return the nodes of a site, in natural order. Raises UnknownSite."""
        nodes = [node for node in self.all() if node.site == site]
        if not nodes:
            raise UnknownSite(site)
        return nodes

    def key(self, node: str) -> bytes:
        """Return the key shared with the node. Raises UnknownNode, NotAdopted."""
        key = self.get(node).key
        if key is None:
            raise NotAdopted(node)
        return key

    def signing_keys(self, node: str, now_unix_ms: int) -> tuple[bytes, ...]:
        """Return the key shared with the node and the staged one, to confirm records with; () if
        it is not adopted, or leaves for another host.

        Cheap, unlike get(): it is called for each node in each commit of the ingest."""
        with self._lock:
            known = self._nodes.get(node)
        if known is None or now_unix_ms < known.leaving_until_unix_ms:
            return ()
        return tuple(key for key in (known.key, known.next_key) if key is not None)

    def adopt(self, node: str, key: bytes, site: str | None = None) -> Node:
        """Share `key` (32 bytes) with the node, registered or not, and return it.

        Raises ValueError for a bad node id or key, StoreUnavailable."""
        if not protocol.is_node_id(node):
            raise ValueError(f"node id: {protocol.NODE_ID_RULE}")
        if len(key) != KEY_BYTES:
            raise ValueError(f"a key is {KEY_BYTES} bytes")
        with self._lock:
            known = self._known(node)
            return self._save(
                replace(known, key=key, next_key=None, site=site or known.site))

    def stage_key(self, node: str, key: bytes) -> Node:
        """Adopt the node, or store `key` beside its own until confirm_key(); return the node.

        Raises ValueError, StoreUnavailable."""
        with self._lock:
            known = self._known(node)
            if known.key is None:
                return self.adopt(node, key)
            if len(key) != KEY_BYTES:
                raise ValueError(f"a key is {KEY_BYTES} bytes")
            return self._save(replace(known, next_key=None if key == known.key else key))

    def confirm_key(self, node: str, found: str) -> Node:
        """Keep only the key with the fingerprint `found`, which the board has.

        Raises UnknownNode, KeyMismatch, StoreUnavailable."""
        with self._lock:
            known = self.get(node)
            for key in (known.key, known.next_key):
                if key is not None and fingerprint(key) == found:
                    return self._save(replace(known, key=key, next_key=None))
            raise KeyMismatch(node)

    def try_next_key(self, node: str) -> None:
        """Sign with the other key from now on, if one is staged."""
        with self._lock:
            self._apply_last_messages()
            known = self._nodes.get(node)
            if known is not None and known.next_key is not None:
                self._save_or_defer(replace(known, key=known.next_key, next_key=known.key))

    def forget(self, node: str) -> None:
        """Remove the node with its key and settings. Its history stays.

        Raises UnknownNode, StoreUnavailable."""
        with self._lock:
            self.get(node)
            with self._database.transaction() as connection:
                for table in ("next_keys", "restored_settings", "leaving_nodes", "nodes"):
                    connection.execute(f"DELETE FROM {table} WHERE node=?", (node,))
            self._database.fold_log()
            del self._nodes[node]
            self._unsaved.pop(node, None)
            self._report_saved_unix_ms.pop(node, None)

    def move(self, node: str, site: str) -> Node:
        """Assign the node to a site and return it. Raises UnknownNode, BadSite,
        StoreUnavailable."""
        with self._lock:
            return self._save(replace(self.get(node), site=check_site(site)))

    def let_go(self, node: str, until_unix_ms: int) -> Node:
        """Confirm no records of the node until then, because another host takes it over; 0: keep
        it. Return it. Raises UnknownNode, StoreUnavailable."""
        with self._lock:
            known = self.get(node)
            self._database.query(
                "INSERT OR REPLACE INTO leaving_nodes VALUES (?,?)", (node, until_unix_ms))
            self._nodes[node] = replace(known, leaving_until_unix_ms=until_unix_ms)
            return self._nodes[node]

    def rename_site(self, site: str, name: str) -> list[Node]:
        """Rename a site and return its nodes: all are moved, or none.

        Raises UnknownSite, BadSite, StoreUnavailable."""
        with self._lock:
            nodes = self.at(site)
            if name != site and any(node.site == name for node in self.all()):
                raise BadSite(f"name: there is a site {name}: move the nodes one by one")
            check_site(name)
            self._database.query("UPDATE nodes SET site=? WHERE site=?", (name, site))
            for node in nodes:
                self._nodes[node.node] = replace(node, site=name)
            return [self._nodes[node.node] for node in nodes]

    def record_message(self, node: str, unix_ms: int) -> Node:
        """Record the arrival of a message, register a new node, and return it."""
        with self._lock:
            return self._set(replace(self._known(node), last_seen_unix_ms=unix_ms), unix_ms)

    def record_last_messages(self, last_messages: Mapping[str, LastMessage]) -> None:
        """Record the last message of each of many nodes, and register new ones.
        A node's entry is rebuilt only when it is read: messages come many times a second."""
        with self._lock:
            for node in last_messages.keys() - self._nodes.keys():
                self.record_message(node, last_messages[node].unix_ms)
            self._last_messages.update(last_messages)

    def set_online(self, node: str, online: bool) -> Node:
        """Set the node's connection status and return the node."""
        with self._lock:
            is_new = node not in self._nodes
            known = self._nodes[node] = replace(self._known(node), online=online)
            return self._save_or_defer(known) if is_new else known

    def set_info(self, node: str, info: protocol.Info, unix_ms: int | None = None) -> Node:
        """Set the node's info message and return the node.

        `unix_ms` is the arrival time, None for a retained copy."""
        with self._lock:
            known = self._known(node)
            same_boot = known.info is not None and known.info.boot_id == info.boot_id
            now = replace(known, info=info)
            if not same_boot:
                return self._save_report(
                    replace(now, boot_epoch_unix_ms=None, booted_unix_ms=None), unix_ms)
            # A reconnect only: no commit for each of a thousand nodes when the broker returns.
            self._unsaved.setdefault(node, known.last_seen_unix_ms or 0)
            self._nodes[node] = now
            return now

    def set_uptime(self, node: str, boot_id: str, at_ms: int, unix_ms: int) -> None:
        """Record that the running boot's uptime was at_ms at the host time unix_ms."""
        with self._lock:
            known = self._known(node)
            if known.info is not None and known.info.boot_id == boot_id:
                self._nodes[node] = known.with_epoch(unix_ms - at_ms)

    def set_report(
        self, node: str, report: protocol.ConfigReport, unix_ms: int | None = None
    ) -> Node:
        """Set the settings the node reports as active and return the node.

        `unix_ms` is the arrival time, None for a retained copy."""
        with self._lock:
            known = self._known(node)
            now = replace(known, report=report)
            if unix_ms is not None:  # a retained copy may speak of an older revision
                now = replace(now, report_unix_ms=unix_ms,
                              refused_rev=known.wanted_rev if report.error else 0)
            self._nodes[node] = now
            if report != known.report:
                now = self._save_report(now, unix_ms)
            # A retained copy may be older than the node's settings, after a crash of the broker.
            if now.restored is not None and unix_ms is not None and not now.open_choice:
                with suppress(StoreUnavailable):  # the next report tries again
                    now = self.keep_own_settings(node)
            return now

    def keep_own_settings(self, node: str) -> Node:
        """Forget what a restored backup wanted of the node, and return the node.

        Raises UnknownNode, StoreUnavailable."""
        with self._lock:
            known = self.get(node)
            self._database.query("DELETE FROM restored_settings WHERE node=?", (node,))
            self._nodes[node] = replace(known, restored=None)
            return self._nodes[node]

    def set_desired_config(self, node: str, changes: Mapping[str, Any], by: str) -> Node:
        """Merge `changes` into the desired settings under a new rev and return the node.

        Settings that the node reports under a higher rev outrank the desired ones: those are
        older, as after the restore of a backup. After one the node must have reported first.

        Raises UnknownNode, NotAdopted, SettingsError, StoreUnavailable, and changes nothing."""
        with self._lock:
            self.key(node)
            known = self._nodes[node]
            reported = known.report
            if reported is None and known.restored is not None:
                raise protocol.SettingsError(Reason("settings_unreported"))
            if known.restored is not None and not known.open_choice:
                known = self.keep_own_settings(node)
            base = known.wanted_values or {}
            if reported is not None and (not base or reported.rev > known.wanted_rev):
                base = reported.values
            values = protocol.check_settings({**base, **changes})
            rev = 1 + max(known.wanted_rev, 0 if reported is None else reported.rev)
            return self._save(
                replace(known, wanted_rev=rev, wanted_by=by, wanted_values=values))

    def close(self) -> None:
        """Write what is unsaved and close the file."""
        with self._lock:
            self._apply_last_messages()
            for node in list(self._unsaved):
                self._save_or_defer(self._nodes[node])
            self._database.close()

    def _set(self, node: Node, unix_ms: int) -> Node:
        """Set a node in memory; write it if it is new or was not written for FLUSH_MS."""
        is_new = node.node not in self._nodes
        self._nodes[node.node] = node
        if is_new or unix_ms - self._unsaved.setdefault(node.node, unix_ms) >= FLUSH_MS:
            return self._save_or_defer(node)
        return node

    def _apply_last_messages(self) -> None:
        """Update the entries of the nodes that sent messages since the last call."""
        last_messages, self._last_messages = self._last_messages, {}
        for node, (boot_id, sent_at_ms, unix_ms) in last_messages.items():
            known = replace(self._nodes[node], last_seen_unix_ms=unix_ms)
            is_running = known.info is not None and known.info.boot_id == boot_id
            if is_running and sent_at_ms is not None:
                known = known.with_epoch(unix_ms - sent_at_ms)
            self._set(known, unix_ms)

    def _known(self, node: str) -> Node:
        if self._last_messages:
            self._apply_last_messages()
        return self._nodes.get(node) or Node(node, self._site)

    def _save_report(self, node: Node, unix_ms: int | None) -> Node:
        """Save a changed info or report, each in a commit: later, if one was saved within
        REPORT_MS. The broker keeps the last of each too, for a host that ends before."""
        saved = self._report_saved_unix_ms.get(node.node)
        if unix_ms is not None:
            if saved is not None and 0 <= unix_ms - saved < REPORT_MS:
                self._nodes[node.node] = node
                self._unsaved.setdefault(node.node, saved)
                return node
            self._report_saved_unix_ms[node.node] = unix_ms
        return self._save_or_defer(node)

    def _save_or_defer(self, node: Node) -> Node:
        """Save what a node reported; if the disk is full keep it in memory and save it later."""
        self._nodes[node.node] = node
        try:
            return self._save(node)
        except StoreUnavailable:
            self._unsaved[node.node] = node.last_seen_unix_ms or 0
            return node

    def _save(self, node: Node) -> Node:
        """Write a node, then set it in memory. Raises StoreUnavailable and changes nothing."""
        values = None if node.wanted_values is None else json.dumps(dict(node.wanted_values))
        with self._database.transaction():
            self._database.query(
                "INSERT OR REPLACE INTO nodes VALUES (?,?,?,?,?,?,?,?,?)",
                (node.node, node.site, node.key, node.last_seen_unix_ms,
                 None if node.info is None else protocol.pack_info(node.info),
                 node.wanted_rev, node.wanted_by, values,
                 None if node.report is None else protocol.pack_config_report(node.report)))
            self._save_next_key(node)
        self._nodes[node.node] = node
        self._unsaved.pop(node.node, None)
        return node

    def _save_next_key(self, node: Node) -> None:
        if node.next_key is None:
            self._database.query("DELETE FROM next_keys WHERE node=?", (node.node,))
        else:
            self._database.query("INSERT OR REPLACE INTO next_keys VALUES (?,?)",
                                 (node.node, node.next_key))
