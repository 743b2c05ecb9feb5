"""Reports of settings in the audit log: those of one node do not fill it."""

from itertools import count

import pytest

from idro.protocol.reason import Reason
from idro.protocol.settings import defaults
from idroserra.core import protocol
from idroserra.core.config import MqttConfig
from idroserra.mqtt.connection import MqttConnection
from idroserra.nodes.commands import Commands
from idroserra.nodes.live import LiveState
from idroserra.nodes.registry import Nodes
from idroserra.nodes.report_audit import EVERY_MS, MAX_ROWS

NODE, OTHER = "idro-a", "idro-b"


class Rig:
    def __init__(self, folder):
        self.now_unix_ms = 1_795_507_200_000
        self.rows = []
        self.nodes = Nodes(folder / "state.db", "farm")
        link = MqttConnection(MqttConfig(), lambda: self.now_unix_ms)
        self.commands = Commands(
            folder / "state.db", self.nodes, LiveState(), link, lambda *_: None,
            lambda who, action, **more: self.rows.append((who, more["detail"])))
        self.revs = count(1)

    def report(self, node, error=None):
        report = protocol.ConfigReport(next(self.revs), error, defaults())
        self.commands.on_config_report(node, report)

    def rows_of(self, node):
        return [detail for who, detail in self.rows if who == node]


@pytest.fixture
def rig(tmp_path):
    rig = Rig(tmp_path)
    yield rig
    rig.commands.close()
    rig.nodes.close()


def test_a_node_that_reports_without_end_fills_no_audit_log(rig):
    for number in range(3 * MAX_ROWS):
        rig.report(NODE, Reason("x", count=number))
    rig.report(OTHER)
    rows = rig.rows_of(NODE)
    assert len(rows) == MAX_ROWS
    assert ["left_out" in row for row in rows] == [False] * MAX_ROWS
    assert len(rig.rows_of(OTHER)) == 1
    rig.now_unix_ms += EVERY_MS
    rig.report(NODE)
    assert rig.rows_of(NODE)[-1] == {"rev": 3 * MAX_ROWS + 2, "left_out": 2 * MAX_ROWS}
    rig.report(NODE)
    assert rig.rows_of(NODE)[-1] == {"rev": 3 * MAX_ROWS + 3}
