"""The broker as `idroserra doctor` sees it: there, MQTT 5, and free of retained junk."""

from __future__ import annotations

from collections.abc import Iterator

from idro.protocol.topics import RETAINED_DOWN, RETAINED_UP
from idroserra.broker.probe import ConnectionProbe
from idroserra.core import protocol
from idroserra.core.config import MqttConfig
from idroserra.doctor.result import Check

SHOWN_COUNT = 3


def look_at_broker(config: MqttConfig) -> Iterator[Check]:
    """Yield whether the broker answers, speaks MQTT 5, and retains what nobody should."""
    visit = ConnectionProbe(config, 5)
    if visit.refusal:
        if ConnectionProbe(config, 4).refusal == "":
            yield Check("broker", "warn", f"{config.url}: speaks only MQTT 3.1.1",
                        'use mosquitto 2, or set mqtt.protocol = "3.1.1"')
            return
        yield Check("broker", "fail", f"{config.url}: {visit.refusal}",
                    "start it (apt install mosquitto), or set mqtt.url and its credentials")
        return
    yield Check("broker", "ok", f"{config.url}, MQTT 5")
    junk = sorted(topic for topic in visit.retained if is_junk(topic))
    if not junk:
        yield Check("retained messages", "ok", f"{len(visit.retained)}, all of them ours")
        return
    yield Check(
        "retained messages", "warn",
        f"{len(junk)} that nobody should retain: {', '.join(junk[:SHOWN_COUNT])}",
        f"mosquitto_pub -p {config.port} -r -n -t TOPIC clears one")


def is_junk(topic: str) -> bool:
    """True for a retained topic under idro/ that the contract does not retain."""
    if topic.startswith(f"{protocol.PREFIX}/host/"):
        return topic.endswith("/set")  # an order of Home Assistant's, which nobody obeys
    try:
        _, direction, leaf = protocol.parse_topic(topic)
    except protocol.ProtocolError:
        return True
    return leaf not in (RETAINED_UP if direction == "up" else RETAINED_DOWN)
