"""Builds the JSON of nodes for page and API from registry, live state, events and store."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from idroserra.core.protocol import UNKNOWN_SYSTEM
from idroserra.history.models import EventPoint
from idroserra.i18n.channels import display_of, screen_order, unit_of
from idroserra.i18n.events import event_text, level_of
from idroserra.i18n.reasons import fault_text, reason_json
from idroserra.node_state.calibration_age import days_left
from idroserra.node_state.places import address_of, place_of_cause
from idroserra.nodes.correction_state import correction_of
from idroserra.nodes.dosing_state import (
    advice_of,
    authority_of,
    decisions_of,
    dosing_cause_of,
    dosing_json,
)
from idroserra.nodes.freshness import stale_after_ms
from idroserra.nodes.latest_events import LatestEvents
from idroserra.nodes.live import LiveState
from idroserra.nodes.newest_readings import NewestReading
from idroserra.nodes.node import Node
from idroserra.nodes.registry import Nodes
from idroserra.nodes.state_text import state_json
from idroserra.nodes.states import NodeStates, band_of
from idroserra.recipes.runner import RecipeRunner
from idroserra.recipes.serialize import run_json
from idroserra.setpoints.vpd_bands import controls_vpd, vpd_band
from idroserra.web.computed_readings import lamp_ppfd, with_computed


def wall_unix_ms() -> int:
    """Return the wall time of the host, Unix ms."""
    return time.time_ns() // 1_000_000


class NodeViews:
    """Builds node JSON. All methods may be called from any thread."""

    def __init__(
        self, nodes: Nodes, live: LiveState, events: LatestEvents, recipes: RecipeRunner,
        states: NodeStates, title_of: Callable[[str], str] = lambda node: "",
        stop_mark: Callable[[str], str] = lambda node: "",
    ) -> None:
        """`stop_mark` returns a text that each request to stop the node changes."""
        self._nodes = nodes
        self._live = live
        self._events = events
        self._recipes = recipes
        self._states = states
        self._ppfd_of = lamp_ppfd(recipes)
        self._title_of = title_of
        self._stop_mark = stop_mark

    def all(self) -> list[dict[str, Any]]:
        """Return the JSON of every node, by name."""
        return [self._node(node) for node in self._nodes.all()]

    def get(self, node: str) -> dict[str, Any]:
        """Return the JSON of one node. Raises UnknownNode."""
        return self._node(self._nodes.get(node))

    def hold(self, node: str) -> str:
        """Return a name of what holds the node's dosing: its last stop, lock or resume, and the
        last request to stop it. Reads memory only."""
        event = self._events.newest(node, "stopped", "resumed", "latched")
        return f"{0 if event is None else event.unix_us}-{self._stop_mark(node)}"

    def _node(self, node: Node) -> dict[str, Any]:
        info, config = node.info, config_json(node)
        values = config["values"]
        view: dict[str, Any] = {
            "node": node.node, "site": node.site, "online": node.online,
            "adopted": node.is_adopted, "last_seen_unix_ms": node.last_seen_unix_ms,
            "board": None if info is None else info.board,
            "version": None if info is None else info.version,
            "system": (UNKNOWN_SYSTEM if info is None else info.system)._asdict(),
            "boot_id": None if info is None else info.boot_id,
            "clock": None if info is None else info.clock,
            "image_sha256": None if info is None else info.image_sha256,
            "stale_after_ms": stale_after_ms(values), "channels": self._channels(node, values),
            "outputs": {} if info is None else _in_order(info.outputs),
            "has_button": None if info is None else info.has_button, "config": config,
            "history_progress": self._live.progress(node.node)}
        now = self._states.now_unix_ms()
        authority = authority_of(self._events, node, values.get("dosing.authority_pct"), now)
        state = self._states.of(node)
        view["title"] = self._title_of(node.node) or node.node
        view["correction"] = correction_of(self._events, node.node)
        view["authority"] = None if authority is None else authority._asdict()
        view["advice"] = advice_of(self._events, node.node, authority)
        view["dosing"] = dosing_json(state, authority, now)
        view["dosing"]["hold"] = self.hold(node.node)
        cause = dosing_cause_of(state)
        view["dosing"]["href"] = "" if cause is None else address_of(
            node.node, place_of_cause(cause.reason))
        view["decisions"] = [] if not state.is_in_contact else decisions_of(
            self._events, node.node, values.get("dosing.enabled"), now)
        run = self._recipes.of(node.node)
        has_ph = "reservoir.ph" in view["channels"]
        view["calibration_due_days"] = days_left(
            int(values.get("ph.calibrated_day", 0)) if has_ph else 0, now)
        view["recipe"] = None if run is None else run_json(run, node, now)
        view["state"] = state_json(state, now, node.node)
        levels = state.levels_by_channel
        for key, channel in view["channels"].items():
            channel["level"] = levels.get(key, "ok")
        return view

    def _channels(self, node: Node, values: Mapping[str, Any]) -> dict[str, Any]:
        readings = with_computed(self._states.readings.of(node), self._ppfd_of(node.node))
        vpd = vpd_band(values, self._states.now_unix_ms()) if controls_vpd(node) else None
        return {key: _channel(key, readings[key], values, vpd)
                for key in sorted(readings, key=screen_order)}


def config_json(node: Node) -> dict[str, Any]:
    """Return the wanted revision, the reported and the refused one, the active settings ({} if
    unknown), and how those of a restored backup differ, until a person chooses."""
    report = node.report
    return {
        "rev": node.wanted_rev, "reported_rev": None if report is None else report.rev,
        "refused_rev": node.refused_rev,
        "error": None if report is None else reason_json(report.error),
        "values": {} if report is None else dict(report.values),
        "restored": restored_json(node)}


def restored_json(node: Node) -> dict[str, Any] | None:
    """Return when a restored backup was made, its revision of the settings, and the differences:
    {setting: {"backup", "node"}}, {} until the node has reported its own. None: no choice."""
    restored, found = node.restored, node.open_choice
    if restored is None or (node.report is not None and not found):
        return None
    return {"made_unix_ms": restored.made_unix_ms, "rev": restored.rev, "differences": {
        key: {"backup": backup, "node": own} for key, (backup, own) in found.items()}}


def event_json(event: EventPoint) -> dict[str, Any]:
    """Return an event with its texts."""
    return {
        "node": event.node, "unix_us": event.unix_us, "seq": event.seq,
        "boot_id": event.boot_id, "kind": event.kind, "detail": dict(event.detail),
    } | event_words(event.kind, event.detail)


def event_words(kind: str, detail: Mapping[str, Any]) -> dict[str, Any]:
    """Return text, reason and level of an event in the reader's language."""
    return {"text": event_text(kind, detail), "reason": reason_json(detail.get("reason")),
            "level": level_of(kind)}


def _channel(
    key: str, one: NewestReading, values: Mapping[str, Any], vpd: tuple[float, float] | None
) -> dict[str, Any]:
    band = vpd if key.endswith(".vpd_pa") else band_of(key, values)
    unit, decimals = unit_of(key)
    return {
        "unit": unit, "decimals": decimals, "value": one.value,
        "fault": one.fault, "fault_text": fault_text(one.fault) if one.fault else None,
        "unix_ms": one.unix_ms,
        "band": None if band is None else {"low": band[0], "high": band[1]},
        "display": display_of(key)._asdict(),
        "also": _also(key.partition(".")[2], values),
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
