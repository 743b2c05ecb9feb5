"""Text and JSON output of `idroserra provision`, without secrets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from idroserra.core.terminal_text import printable
from idroserra.provisioning import validation
from idroserra.provisioning.key_exchange import KeyStore, StoredKeys
from idroserra.provisioning.nvs import KEY, NAMES, TLS, UNSHOWN, UPDATE_KEYS, NvsContents
from idroserra.provisioning.session import Board, ProvisionPlan

ID_CHARS = 16  # of a release key, as in idroserra.updates.signing
SHORT_CHARS = 8  # of a fingerprint, for comparison by people
_LABELS = {
    "node_id": "name", "wifi_ssid": "Wi-Fi", "wifi_pass": "Wi-Fi password",
    "wifi_dbm": "Wi-Fi power in dBm", "wifi_country": "Wi-Fi country",
    "broker_host": "broker", "broker_port": "broker port",
    "broker_pass": "broker password", "key": "key", "broker_tls": "TLS",
    "tls_ca": "CA certificate", "tls_cert": "node certificate",
    "tls_key": "node certificate key",
    "update_key": "release key", "update_spare": "spare release key",
}
_ALL_NEEDED = ("node_id", "wifi_ssid", "broker_host")


def describe_board(board: Board, held: StoredKeys | None) -> str:
    """Return the identity and stored values of the board as text."""
    stored = board.stored
    wifi = broker = "none"
    if stored.is_set("wifi_ssid"):
        wifi = f"{printable(stored.text('wifi_ssid'))}, {_with(stored, 'wifi_pass')}"
        if stored.is_set("wifi_dbm"):
            wifi += f", {stored.number('wifi_dbm')} dBm"
        if stored.is_set("wifi_country"):
            wifi += f", country {printable(stored.text('wifi_country'))}"
    if stored.is_set("broker_host"):
        port = stored.number("broker_port") or validation.MQTT_PORT
        broker = (f"{printable(stored.text('broker_host'))}:{port}, "
                  f"{_with(stored, 'broker_pass')}, "
                  f"{'TLS' if stored.number(TLS) else 'not encrypted'}")
    return "\n".join((
        f"port      {board.port}",
        f"board     {board.board}, version {board.version}, MAC {board.mac.hex(':')}",
        f"name      {printable(stored.node_id) or 'none: does not connect'}",
        f"Wi-Fi     {wifi}",
        f"broker    {broker}",
        f"key       {_key_text(board, held)}",
        f"updates   {' and '.join(update_key_ids(stored)) or 'no key: refuses updates'}",
    ))


def board_json(board: Board, held: StoredKeys | None) -> dict[str, Any]:
    """Return what describe_board() shows, as JSON."""
    stored = board.stored
    return {
        "port": board.port, "board": board.board, "version": board.version,
        "mac": board.mac.hex(":"), "is_provisioned": is_provisioned(board),
        "node": stored.node_id or None, "wifi_ssid": stored.text("wifi_ssid") or None,
        "has_wifi_password": stored.is_set("wifi_pass"),
        "wifi_tx_power_dbm": stored.number("wifi_dbm"),
        "wifi_country": stored.text("wifi_country") or None,
        "broker": stored.text("broker_host") or None,
        "broker_port": stored.plain.get("broker_port"),
        "has_broker_password": stored.is_set("broker_pass"),
        "broker_tls": bool(stored.number(TLS)),
        "update_keys": update_key_ids(stored),
        "key_fingerprint": stored.fingerprint or None,
        "host_holds_key": None if held is None else stored.fingerprint in held.fingerprints,
    }


def update_key_ids(stored: NvsContents) -> list[str]:
    """Return the ids of the release keys: the first digits of their hashes."""
    return [stored.hashes[name][:ID_CHARS] for name in UPDATE_KEYS if name in stored.hashes]


def is_provisioned(board: Board) -> bool:
    """Return whether the board has all values of a node."""
    stored = board.stored
    return bool(stored.fingerprint) and all(stored.is_set(name) for name in _ALL_NEEDED)


def describe_plan(
    plan: ProvisionPlan,
    host: KeyStore | None,
    key_to: Path | None,
    broker: validation.BrokerAddress | None,
) -> str:
    """Return the plan as text, for confirmation."""
    lines = [""]
    if plan.is_nothing:
        lines.append(f"nothing to write: the board is already {plan.node}")
    for name in [name for name in NAMES if name in plan.changed]:
        lines.append(f"write     {_change_text(plan, name)}")
    if broker is not None and broker.note:
        lines.append(f"NOTE      {broker.note}")
    if plan.key is not None:
        shared = [] if host is None else [host.where]
        shared += [] if key_to is None else [f"the file {key_to}, readable only by you"]
        lines.append(f"share     the key with {' and '.join(shared)}" if shared else
                     "share     the key with no one")
    return "\n".join(lines)


def as_json_text(
    plan: ProvisionPlan, host: KeyStore | None, key_to: Path | None, *, is_done: bool
) -> str:
    """Return the result, or the plan, as JSON."""
    return json.dumps({
        "node": plan.node, "port": plan.board.port, "board": plan.board.board,
        "mac": plan.board.mac.hex(":"), "done": is_done and not plan.is_nothing,
        "nothing_to_do": plan.is_nothing, "written": list(plan.changed),
        "key": "new" if plan.key is not None else "kept", "key_fingerprint": plan.found,
        "host": None if host is None else host.where,
        "key_file": None if key_to is None else str(key_to),
    })


def _change_text(plan: ProvisionPlan, name: str) -> str:
    word, value = _LABELS[name], plan.values[name]
    if value is None:
        return f"{word}: none"
    if name == KEY:
        return f"{word}: new, {plan.found[:SHORT_CHARS]} ({plan.why_key})"
    if name in UNSHOWN:
        return f"{word} (hidden)"
    text = value.decode() if isinstance(value, bytes) else str(value)
    return f"{word}: {printable(text)}"


def _key_text(board: Board, held: StoredKeys | None) -> str:
    found = board.stored.fingerprint
    if not found:
        return "none: refuses commands"
    text = f"set, {found[:SHORT_CHARS]}"
    if held is None:
        return text
    return f"{text}; the host has {'it' if found in held.fingerprints else 'ANOTHER, or none'}"


def _with(stored: NvsContents, name: str) -> str:
    return "with a password" if stored.is_set(name) else "without a password"
