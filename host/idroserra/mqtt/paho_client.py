"""Makes and stops paho's MQTT clients."""

from __future__ import annotations

import socket
from contextlib import suppress
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode

from idroserra.core.config import MqttConfig
from idroserra.core.errors import ConfigError
from idroserra.mqtt.addresses import BrokerAddresses

RECONNECT_S = (1, 5)
SESSION_TAKEN_OVER = 0x8E  # reason code of DISCONNECT (MQTT 5, 3.14.2.1)


class _Client(mqtt.Client):
    """Connects to the addresses of the broker in turn until one accepts the client. paho has no
    public way to choose the address: with another host it would check the certificate for that."""

    def __init__(self, addresses: BrokerAddresses, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._addresses = addresses

    def _create_socket_connection(self) -> socket.socket:
        return self._addresses.connect(self.connect_timeout)

    def _handle_connack(self) -> MQTTErrorCode:
        result = super()._handle_connack()
        if self.is_connected():
            self._addresses.accepted()
        return result


def new_client(config: MqttConfig, client_id: str) -> mqtt.Client:
    """Return a client with a clean session, which has not connected yet. Raises ConfigError if a
    file of its TLS cannot be used."""
    is_v5 = config.protocol == "5"
    client = _Client(
        BrokerAddresses(config.host, config.port),
        CallbackAPIVersion.VERSION2, client_id=client_id, clean_session=None if is_v5 else True,
        protocol=mqtt.MQTTv5 if is_v5 else mqtt.MQTTv311)
    if config.user is not None:
        password = config.password
        client.username_pw_set(
            config.user, None if password is None else password.get_secret_value())
    if config.is_tls:
        try:
            client.tls_set(ca_certs=_text(config.ca_file), certfile=_text(config.cert_file),
                           keyfile=_text(config.key_file))
        except OSError as error:  # it does not name the file
            raise ConfigError("mqtt", "ca_file, cert_file, key_file", str(error)) from error
    client.reconnect_delay_set(*RECONNECT_S)
    client.on_disconnect = _on_disconnect
    return client


def is_taken_over(reason: Any) -> bool:
    """Return whether a connection ended because another client has its client id. A broker with
    MQTT 3.1.1 does not say it."""
    return bool(reason.value == SESSION_TAKEN_OVER)


def _on_disconnect(
    client: mqtt.Client, userdata: Any, flags: Any, reason: Any, properties: Any
) -> None:
    if is_taken_over(reason):  # else each would end the connection of the other, in turn
        client.disconnect()


def _text(path: object) -> str | None:
    return None if path is None else str(path)


def stop_client(client: mqtt.Client) -> None:
    """Disconnect, and wait until the network thread ends."""
    client.disconnect()
    stop_loop(client)


def stop_loop(client: mqtt.Client) -> None:
    """Wait until the network thread ends, and leave the connection open."""
    # loop_stop() reads client._thread twice. A thread that ends in between sets it to None.
    with suppress(AttributeError):
        client.loop_stop()
