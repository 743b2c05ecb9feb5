"""Composes the states of nodes from their events, recipes and alarms."""

from __future__ import annotations

import threading
from collections.abc import Callable

from idroserra.alarms.engine import AlarmEngine
from idroserra.core.errors import UnknownNode
from idroserra.core.reasons import Reason, reason_from_json
from idroserra.history.models import Store
from idroserra.node_state.inputs import RaisedAlarm, Reported
from idroserra.nodes.latest_events import LatestEvents
from idroserra.nodes.live import LiveState
from idroserra.nodes.newest_readings import NewestReadings
from idroserra.nodes.registry import Nodes
from idroserra.nodes.state_text import state_text
from idroserra.nodes.states import NodeStates
from idroserra.recipes.run_store import HELD
from idroserra.recipes.runner import RecipeRunner


def node_states(
    events: LatestEvents, live: LiveState, store: Callable[[], Store], recipes: RecipeRunner,
    alarms: AlarmEngine, now_unix_ms: Callable[[], int],
) -> NodeStates:
    """Return the states of the nodes of a host."""
    return NodeStates(
        events, NewestReadings(live, store, now_unix_ms), now_unix_ms,
        recipe_paused=lambda node: _paused(recipes, node), alarms=_AlarmsByNode(alarms).of)


def text_of(node_id: str, nodes: Nodes, states: NodeStates) -> str:
    """Return the state of a node in words; "" if the node was forgotten."""
    try:
        node = nodes.get(node_id)
    except UnknownNode:
        return ""
    return state_text(states.of(node), states.now_unix_ms())


def _paused(recipes: RecipeRunner, node: str) -> Reported | None:
    run = recipes.of(node)
    if run is None or run.state != HELD:
        return None
    return Reported(reason_from_json(run.reason) or Reason("no_reason"), run.state_unix_ms)


class _AlarmsByNode:
    """The alarms of each node to attend to, collected once for each change."""

    def __init__(self, alarms: AlarmEngine) -> None:
        self._alarms = alarms
        self._lock = threading.Lock()
        self._revision: object = None
        self._by_node: dict[str, tuple[RaisedAlarm, ...]] = {}

    def of(self, node: str) -> tuple[RaisedAlarm, ...]:
        """Return the alarms of a node that are active or not acknowledged."""
        with self._lock:
            revision = self._alarms.revision
            if revision != self._revision:
                self._by_node = self._collected()
                self._revision = revision
            return self._by_node.get(node, ())

    def _collected(self) -> dict[str, tuple[RaisedAlarm, ...]]:
        found: dict[str, tuple[RaisedAlarm, ...]] = {}
        for one in self._alarms.all():
            if one.node and (one.is_annunciated or one.alarm.is_unacknowledged):
                alarm = RaisedAlarm(
                    one.rule.name, one.rule.title, one.rule.priority, one.alarm.raised_unix_ms,
                    one.rule.watch, one.part, one.alarm.is_active)
                found[one.node] = (*found.get(one.node, ()), alarm)
        return found
