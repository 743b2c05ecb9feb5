"""The probe of the broker over a line that is slow."""

import paho.mqtt.publish as publish

from idroserra.broker.probe import ConnectionProbe
from idroserra.core.config import MqttConfig
from support.tcp_link import TcpLink


def test_every_retained_message_is_found_on_a_slow_line(mosquitto):
    topics = {f"idro/v1/idro-{number}/up/info" for number in range(40)}
    publish.multiple([(topic, bytes(500), 1, True) for topic in topics], port=mosquitto.port)
    with TcpLink(mosquitto.port) as line:
        line.inject("slow")
        probe = ConnectionProbe(MqttConfig(url=f"mqtt://127.0.0.1:{line.port}"), "5")
    assert (probe.refusal, probe.retained) == ("", topics)
