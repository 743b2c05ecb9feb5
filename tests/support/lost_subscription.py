"""A subscription that the broker has forgotten while the connection lasts."""

from idroserra.mqtt.connection import UP_FILTER


def lose_subscription(host, protocol="5"):
    """Send UNSUBSCRIBE (MQTT 5, 3.10) over the subscription of a MqttConnection."""
    properties = b"\0" if protocol == "5" else b""
    body = b"\0\1" + properties + len(UP_FILTER).to_bytes(2, "big") + UP_FILTER.encode()
    host._subscriber.write(bytes([0xA2, len(body)]) + body)
