"""Writes what Home Assistant gets of a host with one adopted node of every shipped board.

Usage: devices.py FILE
"""

import json
import sys
from pathlib import Path

from idroserra.boards import compiler
from idroserra.core import protocol
from idroserra.homeassistant.discovery import DEVICE_PREFIX, HOST, device, host_device
from idroserra.nodes.node import Node

OF_NODE = ("node.heap_free_b", "node.outbox_count", "node.rssi_dbm")
PAGE = "http://serra.lan:8080"


def node_of(name):
    """Return an adopted node of a shipped board, as it announces itself."""
    board = compiler.load(name)
    measured = [f"{s['source']}.{q}" for s in board["sensors"] for q in s["measures"]]
    outputs = {one["name"]: one["part"] for one in board["actuators"]}
    info = protocol.Info("0.1.0", name, board["chip"], "7f3a11aa", 1, None, "host", "power_on",
                         "ab" * 32, (*measured, *OF_NODE), outputs, (), True, 100, 0,
                         protocol.AS_FLASHED, protocol.UNKNOWN_SYSTEM)
    return Node(name, "greenhouse", info=info, key=b"k" * 32)


def devices():
    """Return {object id: discovery payload}."""
    nodes = {DEVICE_PREFIX + name: device(node_of(name), PAGE) for name in compiler.names()}
    return nodes | {DEVICE_PREFIX + HOST: host_device("greenhouse", PAGE)}


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(json.dumps(devices()), "utf-8")
