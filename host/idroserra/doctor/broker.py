"""Checks the broker: reachable, MQTT 5, no stray retained messages."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from idro.protocol.topics import RETAINED_DOWN, RETAINED_UP
from idroserra.broker.probe import ConnectionProbe
from idroserra.core import protocol
from idroserra.core.config import MqttConfig
from idroserra.doctor.result import Check

SHOWN_COUNT = 3


def check_broker(config: MqttConfig) -> Iterator[Check]:
    """Yield checks of the connection, the MQTT version and stray retained messages."""
    probe = ConnectionProbe(config, "5")
    if probe.refusal:
        if ConnectionProbe(config, "3.1.1").refusal == "":
            yield Check("broker", "warn", f"{config.url}: supports only MQTT 3.1.1",
                        'use mosquitto 2, or set mqtt.protocol = "3.1.1"')
            return
        yield Check("broker", "fail", f"{config.url}: {probe.refusal}",
                    "start it (apt install mosquitto), or set mqtt.url and its credentials")
        return
    yield Check("broker", "ok", f"{config.url}, MQTT 5")
    junk = sorted(topic for topic in probe.retained if is_junk(topic))
    if not junk:
        yield Check("retained messages", "ok", f"{len(probe.retained)}, all expected")
        return
    yield Check(
        "retained messages", "warn",
        f"{len(junk)} unexpected: {', '.join(junk[:SHOWN_COUNT])}",
        f"mosquitto_pub -p {config.port} -r -n -t TOPIC clears one")


def check_broker_folder(data_dir: Path) -> Iterator[Check]:
    """Yield a warning if the broker still has its files in the folder of the host."""
    from idroserra.broker.certificates import folder_of

    earlier = folder_of(data_dir) / "mosquitto.conf"
    if earlier.exists():
        yield Check("broker's files", "warn", f"{earlier}: set up by an earlier version",
                    "stop the broker, run `idroserra broker init`, start it as that says")


def is_junk(topic: str) -> bool:
    """Return whether the protocol does not allow a retained message on this topic."""
    if topic.startswith(f"{protocol.PREFIX}/host/"):
        return topic.endswith("/set")  # a command of Home Assistant, ignored if retained
    try:
        _, direction, leaf = protocol.parse_topic(topic)
    except protocol.ProtocolError:
        return True
    return leaf not in (RETAINED_UP if direction == "up" else RETAINED_DOWN)
