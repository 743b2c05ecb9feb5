"""Collects what the state of a node is made of, from registry, readings, events and alarms."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from idroserra.core.protocol import int_of
from idroserra.core.reasons import Reason, reason_from_json
from idroserra.node_state.inputs import RaisedAlarm, Reading, Reported, StateInputs
from idroserra.node_state.state import DOSING_LOOPS, NodeState, state_of
from idroserra.nodes.correction_state import open_correction
from idroserra.nodes.dosing_state import authority_of
from idroserra.nodes.freshness import stale_after_ms
from idroserra.nodes.latest_events import (
    BOOT,
    DECIDED,
    FAULT_BEGAN,
    LEDGER_FAILED,
    Event,
    LatestEvents,
    without_ended_holds,
)
from idroserra.nodes.newest_readings import NewestReading, NewestReadings
from idroserra.nodes.node import Node

_SETPOINTS = {
    "reservoir.ph": ("ph.target", "ph.deadband"),
    "reservoir.ec_us_cm": ("ec.target_us_cm", "ec.deadband_us_cm"),
}
_TRIAL = ("update_trial", "update_confirmed", "update_reverted")

Events = Mapping[str, Event]


class NodeStates:
    """The states of nodes. Every face of the host takes them from here. Thread-safe."""

    def __init__(
        self, events: LatestEvents, readings: NewestReadings, now_unix_ms: Callable[[], int], *,
        recipe_paused: Callable[[str], Reported | None],
        alarms: Callable[[str], tuple[RaisedAlarm, ...]],
    ) -> None:
        """`recipe_paused` returns why and since when the recipe of a node is paused; `alarms` its
        alarms that are active or not acknowledged."""
        self._events = events
        self.readings = readings
        self.now_unix_ms = now_unix_ms
        self._recipe_paused = recipe_paused
        self._alarms = alarms

    def of(self, node: Node) -> NodeState:
        """Return the state of a node now."""
        return state_of(self.inputs(node))

    def inputs(self, node: Node) -> StateInputs:
        """Return what the state of a node is made of."""
        now, info, report = self.now_unix_ms(), node.info, node.report
        settings: Mapping[str, Any] = {} if report is None else report.values
        is_past_read = self._events.is_read(node.node, with_doses=True)
        if info is not None and "doser" in info.outputs.values():
            is_past_read &= self._events.has_decisions(node.node, DOSING_LOOPS)
        events = without_ended_holds(
            self._events.all(node.node), "" if info is None else info.boot_id)
        authority = authority_of(
            self._events, node, settings.get("dosing.authority_pct"), now)
        dosers = None if info is None else tuple(
            name for name, kind in info.outputs.items() if kind == "doser")
        return StateInputs(
            now_unix_ms=now, is_online=node.online, is_adopted=node.is_adopted,
            last_heard_unix_ms=node.last_seen_unix_ms,
            stale_after_ms=stale_after_ms(settings),
            readings={key: _reading(key, one, settings, events)
                      for key, one in self.readings.of(node).items()},
            dosers=dosers, settings=settings, wanted_rev=node.wanted_rev,
            reported_rev=None if report is None else report.rev,
            settings_error=None if report is None else reason_from_json(report.error),
            restored_count=len(node.open_choice),
            granted_pct=None if authority is None else authority.granted_pct,
            is_past_read=is_past_read, boot_unix_ms=_unix_ms(events, BOOT),
            armed_unix_ms=_unix_ms(events, "armed"), hold=_hold(events),
            ended_unix_ms=_ended(events), trial_unix_ms=_trial(events),
            ledger_failed=_ledger_failed(events), decisions=_decisions(events),
            correction=open_correction(self._events, node.node), conditions=_conditions(events),
            recipe_paused=self._recipe_paused(node.node), alarms=self._alarms(node.node))


def band_of(channel: str, settings: Mapping[str, Any]) -> tuple[float, float] | None:
    """Return the setpoint band of a channel in its stored unit, or None."""
    if channel.endswith(".level_mm"):
        low, high = settings.get("level.low_mm"), settings.get("level.full_mm")
        return None if low is None or high is None else (low, high)
    keys = _SETPOINTS.get(channel)
    if keys is None or not all(key in settings for key in keys):
        return None
    target, deadband = (settings[key] for key in keys)
    return round(target - deadband, 3), round(target + deadband, 3)


def _reading(
    channel: str, one: NewestReading, settings: Mapping[str, Any], events: Events
) -> Reading:
    low, high = band_of(channel, settings) or (None, None)
    began = events.get(f"{FAULT_BEGAN} {channel}")
    since = None
    if began is not None and one.fault and began.detail.get("fault") == one.fault:
        since = began.unix_ms
    return Reading(one.value, one.fault, one.unix_ms, low, high, since)


def _unix_ms(events: Events, kind: str) -> int | None:
    event = events.get(kind)
    return None if event is None else event.unix_ms


def _newest(events: Events, *kinds: str) -> Event | None:
    found = [events[kind] for kind in kinds if kind in events]
    return max(found, key=lambda event: event.unix_us, default=None)


def _hold(events: Events) -> Reported | None:
    """Return why dosing is stopped or latched until a person resumes it, or None.

    A fault stays beside a stop: it is what a person must see before the release."""
    newest = _newest(events, "latched", "resumed")
    if newest is None or newest.kind == "resumed":
        newest = _newest(events, "stopped", "resumed")
    if newest is None or newest.kind == "resumed":
        return None
    if newest.kind == "stopped":
        by = str(newest.detail.get("by") or "")
        reason = Reason("dosing_stopped", by=by) if by else Reason("stopped")
        return Reported(reason, newest.unix_ms)
    reason = reason_from_json(newest.detail.get("reason")) or Reason("no_reason")
    return Reported(reason, newest.unix_ms)


def _ended(events: Events) -> dict[str, int]:
    """Return when a latch, a trial and a correction ended last."""
    trial = _newest(events, "update_confirmed", "update_reverted")
    correction = events.get("correction")
    if correction is not None and correction.detail.get("state") != "ended":
        correction = None
    found = {"latch": events.get("resumed"), "trial": trial, "correction": correction}
    return {name: event.unix_ms for name, event in found.items() if event is not None}


def _trial(events: Events) -> int | None:
    newest = _newest(events, *_TRIAL)
    return None if newest is None or newest.kind != "update_trial" else newest.unix_ms


def _ledger_failed(events: Events) -> Reported | None:
    """Return why the dose ledger of this boot cannot be written; a dose shows that it can."""
    failed = events.get(LEDGER_FAILED)
    if failed is None or failed.unix_us < _unix_us(events, BOOT, "dosed"):
        return None
    detail = str(failed.detail.get("error") or "")
    return Reported(Reason("ledger_failed", detail=detail), failed.unix_ms)


def _unix_us(events: Events, *kinds: str) -> int:
    newest = _newest(events, *kinds)
    return 0 if newest is None else newest.unix_us


def _decisions(events: Events) -> dict[str, Reported]:
    """Return the last decision of each loop in the running boot."""
    boot_us = _unix_us(events, BOOT)
    found = {}
    for key, event in events.items():
        reason = reason_from_json(event.detail.get("reason"))
        if event.kind == DECIDED and event.unix_us >= boot_us and reason is not None:
            found[key.partition(" ")[2]] = Reported(reason, event.unix_ms)
    return found


def _conditions(events: Events) -> tuple[Reported, ...]:
    """Return what the node reported of water, irrigation and air, and has not ended since."""
    boot_us, found = _unix_us(events, BOOT), []
    for kind, reason_of in _CONDITIONS.items():
        event = events.get(kind)
        reason = None if event is None or event.unix_us < boot_us else reason_of(event.detail)
        if event is not None and reason is not None:
            found.append(Reported(reason, event.unix_ms))
    return tuple(found)


def water_reason(detail: Mapping[str, Any]) -> Reason | None:
    """Return what is wrong with the water by an event of it, or None."""
    moved = int_of(detail, "moved_mm")
    if detail.get("state") == "rises":
        return Reason("water_rises", moved_mm=moved)
    return Reason("water_falls", mm_per_h=moved) if detail.get("state") == "falls" else None


def _began(reason_of: Callable[[Mapping[str, Any]], Reason]) -> Callable[..., Reason | None]:
    return lambda detail: reason_of(detail) if detail.get("state") == "began" else None


_CONDITIONS: dict[str, Callable[[Mapping[str, Any]], Reason | None]] = {
    "water": water_reason,
    "irrigation_no_flow": _began(lambda detail: Reason(
        "pump_without_flow", on_ms=int_of(detail, "on_ms"))),
    "irrigation_stuck_on": _began(lambda detail: Reason(
        "flow_with_pump_off", flow_ml_per_min=int_of(detail, "flow_ml_per_min"))),
    "air_too_hot": _began(
        lambda detail: reason_from_json(detail.get("reason")) or Reason("hot_lock_warm")),
    "air_warms": _began(lambda detail: Reason("heater_suspect")),
}
