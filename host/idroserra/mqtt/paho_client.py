"""Stops paho's MQTT clients."""

from __future__ import annotations

from contextlib import suppress

import paho.mqtt.client as mqtt


def stop_client(client: mqtt.Client) -> None:
    """Disconnect, and wait until the network thread ends."""
    client.disconnect()
    stop_loop(client)


def stop_loop(client: mqtt.Client) -> None:
    """Wait until the network thread ends, and leave the connection open."""
    # loop_stop() reads client._thread twice. A thread that ends in between sets it to None.
    with suppress(AttributeError):
        client.loop_stop()
