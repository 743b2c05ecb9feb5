"""A paho client is made from the settings, and stopped at any moment of its network thread, its
end included."""

import threading

import paho.mqtt.client as mqtt
import pytest

from idroserra.core.config import MqttConfig
from idroserra.core.errors import ConfigError
from idroserra.mqtt.paho_client import new_client, stop_client, stop_loop


class EndingClient(mqtt.Client):
    """A client whose network thread ends after loop_stop() checks it and before it joins it."""

    def __init__(self):
        self._must_end = threading.Event()
        super().__init__(mqtt.CallbackAPIVersion.VERSION2)

    def loop_forever(self, *args, **kwargs):
        self._must_end.wait(60)
        return mqtt.MQTT_ERR_SUCCESS

    @property
    def _thread_terminate(self):
        return self._must_end.is_set()

    @_thread_terminate.setter
    def _thread_terminate(self, must_end):  # loop_stop() sets it between the check and the join
        if must_end:
            thread = self._thread
            self._must_end.set()
            thread.join()


@pytest.mark.parametrize("stop", [stop_client, stop_loop])
def test_a_network_thread_that_ends_at_that_moment_is_stopped(stop):
    client = EndingClient()
    client.loop_start()
    stop(client)
    assert client._thread is None
    stop(client)  # a second time changes nothing


@pytest.mark.parametrize(("stop", "will"), [(stop_client, []), (stop_loop, [b"offline"])])
def test_only_a_client_that_disconnects_keeps_its_last_will(mosquitto, eventually, stop, will):
    received, subscribed = [], threading.Event()
    listener = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
    listener.on_message = lambda _client, _userdata, message: received.append(message.payload)
    listener.on_subscribe = lambda *_: subscribed.set()
    listener.connect("127.0.0.1", mosquitto.port)
    listener.subscribe("status", qos=1)
    listener.loop_start()
    assert subscribed.wait(60)
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
    client.will_set("status", b"offline", qos=1)
    client.connect("127.0.0.1", mosquitto.port)
    client.loop_start()
    eventually(client.is_connected, 10, "a connection")
    stop(client)
    if client.socket() is not None:
        client.socket().close()
    listener.publish("status", b"last", qos=1)
    eventually(lambda: b"last" in received and len(received) == len(will) + 1, 20, "the end")
    assert sorted(received) == sorted([*will, b"last"])
    stop_client(listener)


def test_a_missing_certificate_is_an_error_of_the_broker_not_of_the_data_folder(tmp_path):
    config = MqttConfig(url="mqtts://broker.example", ca_file=tmp_path / "none.crt")
    with pytest.raises(ConfigError, match="mqtt: ca_file, cert_file, key_file: .*No such file"):
        new_client(config, "idroserra-test")
