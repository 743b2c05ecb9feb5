"""MQTT topics: `idro/v1/<node>/up/<leaf>` and `idro/v1/<node>/down/<leaf>`.

The node id is the MQTT user name, so pattern lines suffice for a broker's ACL. The names of
other broker users are reserved.
"""

from idro.errors import ProtocolError
from idro.protocol.validation import only_bytes

VERSION = 1
PREFIX = "idro/v1"
UP = ("status", "info", "telemetry", "event", "ack", "config", "update")
DOWN = ("command", "config", "stored", "update", "update_data")
RETAINED_UP = ("status", "info", "config")
RETAINED_DOWN = ("config",)
RESERVED_NODE_IDS = ("host", "homeassistant")

_NODE_BYTES = b"abcdefghijklmnopqrstuvwxyz0123456789-"


def is_node_id(text):
    """True if `text` is a valid node id: 3 to 32 of a-z, 0-9 and -, not reserved."""
    if not isinstance(text, str) or not 3 <= len(text) <= 32:
        return False
    if text in RESERVED_NODE_IDS:
        return False
    return only_bytes(text, _NODE_BYTES)


def up(node, leaf):
    """Return the topic a node publishes `leaf` on. Raises ProtocolError."""
    return _topic(node, "up", leaf, UP)


def down(node, leaf):
    """Return the topic the host publishes `leaf` on. Raises ProtocolError."""
    return _topic(node, "down", leaf, DOWN)


def every_down(node):
    """Return the filter of all that the host publishes for a node."""
    return "/".join((PREFIX, node, "down", "+"))


def parse(topic):
    """Return (node, "up" | "down", leaf) of a topic. Raises ProtocolError."""
    parts = topic.split("/") if isinstance(topic, str) else ()
    if len(parts) != 5 or parts[0] != "idro":
        raise ProtocolError("topic: not idro/v1/<node>/<up|down>/<leaf>")
    if parts[1] != "v1":
        raise ProtocolError(f"topic: version {parts[1][:8]} is not v1")
    if not is_node_id(parts[2]):
        raise ProtocolError("topic: bad node id")
    leaves = UP if parts[3] == "up" else DOWN if parts[3] == "down" else ()
    if parts[4] not in leaves:
        raise ProtocolError(f"topic: unknown leaf {parts[3][:8]}/{parts[4][:16]}")
    return parts[2], parts[3], parts[4]


def _topic(node, direction, leaf, leaves):
    if not is_node_id(node):
        raise ProtocolError("topic: bad node id")
    if leaf not in leaves:
        raise ProtocolError(f"topic: unknown leaf {direction}/{leaf}")
    return "/".join((PREFIX, node, direction, leaf))
