"""What the update service needs from the host."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from idroserra.alarms.active import ActiveAlarm
from idroserra.core.audit_sink import AuditSink
from idroserra.mqtt.connection import MqttConnection
from idroserra.nodes.commands import Commands
from idroserra.nodes.latest_events import LatestEvents
from idroserra.nodes.registry import Nodes


@dataclass(frozen=True)
class Dependencies:
    """Parts of the host. add_journal_note: writes (node, text) into the
    journal; audit: writes a row of the audit log."""

    nodes: Nodes
    commands: Commands
    link: MqttConnection
    events: LatestEvents
    active_alarms: Callable[[], Sequence[ActiveAlarm]]
    add_journal_note: Callable[[str, str], None]
    audit: AuditSink
