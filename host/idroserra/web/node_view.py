"""Builds the JSON of nodes for page and API from registry, live state, events and store."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import Any

from idroserra.core import protocol
from idroserra.core.errors import StoreError
from idroserra.history.models import EventPoint, Store
from idroserra.i18n.channels import display_of, screen_order
from idroserra.i18n.events import event_text, fault_text, level_of, reason_text
from idroserra.nodes.calibration_age import days_left
from idroserra.nodes.correction_state import correction_of
from idroserra.nodes.dosing_state import advice_of, authority_of, decisions_of, dosing_of
from idroserra.nodes.freshness import stale_after_ms
from idroserra.nodes.health import is_in_contact, node_health
from idroserra.nodes.latest_events import LatestEvents
from idroserra.nodes.live import LiveState
from idroserra.nodes.registry import Node, Nodes
from idroserra.recipes.runner import RecipeRunner
from idroserra.recipes.serialize import run_json

STORE_RETRY_MS = 15_000
_SETPOINTS = {
    "ph": ("ph.target", "ph.deadband"),
    "ec_us_cm": ("ec.target_us_cm", "ec.deadband_us_cm"),
}


def wall_unix_ms() -> int:
    """Return the wall time of the host, Unix ms."""
    return time.time_ns() // 1_000_000


class NodeViews:
    """Builds node JSON. All methods may be called from any thread."""

    def __init__(
        self, nodes: Nodes, live: LiveState, events: LatestEvents, recipes: RecipeRunner,
        store: Store,
    ) -> None:
        self._nodes = nodes
        self._live = live
        self._events = events
        self._recipes = recipes
        self._store = store
        self._lock = threading.Lock()
        self._stored: dict[str, dict[str, tuple[int, float]]] = {}
        self._asked_unix_ms: dict[str, int] = {}

    def all(self) -> list[dict[str, Any]]:
        """Return the JSON of every node, by name."""
        return [self._node(node) for node in self._nodes.all()]

    def get(self, node: str) -> dict[str, Any]:
        """Return the JSON of one node. Raises UnknownNode."""
        return self._node(self._nodes.get(node))

    def _node(self, node: Node) -> dict[str, Any]:
        info, config = node.info, config_json(node)
        values = config["values"]
        view: dict[str, Any] = {
            "node": node.node, "site": node.site, "online": node.online,
            "adopted": node.is_adopted, "last_seen_unix_ms": node.last_seen_unix_ms,
            "board": None if info is None else info.board,
            "version": None if info is None else info.version,
            "boot_id": None if info is None else info.boot_id,
            "clock": None if info is None else info.clock,
            "image_sha256": None if info is None else info.image_sha256,
            "stale_after_ms": stale_after_ms(values), "channels": self._channels(node, values),
            "outputs": {} if info is None else _in_order(info.outputs),
            "has_button": None if info is None else info.has_button, "config": config,
            "history_progress": self._live.progress(node.node)}
        now = wall_unix_ms()
        authority = authority_of(self._events, node, values.get("dosing.authority_pct"), now)
        dosing = dosing_of(self._events, node.node, values.get("dosing.enabled"), authority)
        correction = view["correction"] = correction_of(self._events, node.node)
        if correction is not None and correction["is_open"]:
            dosing = dosing.while_corrected()
        view["authority"] = None if authority is None else authority._asdict()
        view["advice"] = advice_of(self._events, node.node, dosing)
        if not is_in_contact(view, now):
            dosing = dosing.when_last_heard()
        view["dosing"] = dosing._asdict()
        view["decisions"] = [] if dosing.is_old else decisions_of(
            self._events, node.node, values.get("dosing.enabled"))
        run = self._recipes.of(node.node)
        has_ph = "reservoir.ph" in view["channels"]
        view["calibration_due_days"] = days_left(
            int(values.get("ph.calibrated_day", 0)) if has_ph else 0, now)
        view["recipe"] = None if run is None else run_json(run, node, now)
        view["verdict"] = node_health(view, dosing, now)
        return view

    def _channels(self, node: Node, values: Mapping[str, Any]) -> dict[str, Any]:
        live = self._live.channels(node.node)
        names = set(live) | set(() if node.info is None else node.info.channels)
        stored = {} if names and names <= set(live) else self._latest(node.node)
        names |= set(stored)
        return {key: _channel(key, live.get(key), stored.get(key), values)
                for key in sorted(names, key=screen_order)}

    def _latest(self, node: str) -> dict[str, tuple[int, float]]:
        """Return the newest stored values, for channels without a reading since start-up."""
        now = wall_unix_ms()
        with self._lock:
            if now - self._asked_unix_ms.get(node, 0) < STORE_RETRY_MS:
                return self._stored.get(node, {})
            self._asked_unix_ms[node] = now
        try:
            found = self._store.latest(node)
        except StoreError:
            return self._stored.get(node, {})
        with self._lock:
            self._stored[node] = found
        return found


def config_json(node: Node) -> dict[str, Any]:
    """Return the wanted revision, the reported one and the active settings ({} if unknown)."""
    report = node.report
    return {
        "rev": node.wanted_rev, "reported_rev": None if report is None else report.rev,
        "error": None if report is None else report.error,
        "values": {} if report is None else dict(report.values)}


def event_json(event: EventPoint) -> dict[str, Any]:
    """Return an event with its texts."""
    return {
        "node": event.node, "unix_us": event.unix_us, "seq": event.seq,
        "boot_id": event.boot_id, "kind": event.kind, "detail": dict(event.detail),
    } | event_words(event.kind, event.detail)


def event_words(kind: str, detail: Mapping[str, Any]) -> dict[str, str]:
    """Return text, reason and level of an event in the reader's language."""
    return {"text": event_text(kind, detail), "reason": reason_text(detail.get("reason")),
            "level": level_of(kind)}


def _channel(
    key: str, live: Mapping[str, Any] | None, stored: tuple[int, float] | None,
    values: Mapping[str, Any],
) -> dict[str, Any]:
    quantity = protocol.split_channel(key)[1]
    if live is not None:
        value, fault, unix_ms = live["value"], live["fault"], live["unix_ms"]
    elif stored is not None:
        value, fault, unix_ms = stored[1], None, stored[0]
    else:
        value, fault, unix_ms = None, None, None
    return {
        "unit": quantity.unit, "decimals": quantity.decimals, "value": value, "fault": fault,
        "fault_text": fault_text(fault) if fault else None, "unix_ms": unix_ms,
        "band": _band(quantity.key, values), "display": display_of(key)._asdict(),
        "also": _also(quantity.key, values),
    }


def _in_order(outputs: Mapping[str, str]) -> dict[str, str]:
    """Return dosers first, pH dosers before the others, then by name."""
    kinds = ("doser", "switch", "dimmer")

    def place(name: str) -> tuple[int, bool, str]:
        return kinds.index(outputs[name]), not name.startswith("ph"), name

    return {name: outputs[name] for name in sorted(outputs, key=place)}


def _also(quantity: str, values: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return a second scale: litres for the level of a reservoir of known area."""
    area_cm2 = values.get("reservoir.area_cm2")
    if quantity != "level_mm" or not area_cm2:
        return None
    return {"factor": area_cm2 / 10_000, "unit": "L", "decimals": 1}


def _band(quantity: str, values: Mapping[str, Any]) -> dict[str, float] | None:
    """Return the setpoint band of a quantity in its stored unit, or None."""
    if quantity == "level_mm":
        low, high = values.get("level.low_mm"), values.get("level.full_mm")
        return None if low is None or high is None else {"low": low, "high": high}
    keys = _SETPOINTS.get(quantity)
    if keys is None or not all(key in values for key in keys):
        return None
    target, deadband = (values[key] for key in keys)
    return {"low": round(target - deadband, 3), "high": round(target + deadband, 3)}
