"""Retained commands of Home Assistant: one line of the log, however many."""

import paho.mqtt.publish as publish

from support.home_assistant import FakeHomeAssistant
from support.real_host import Host


def test_retained_commands_are_logged_once_a_connection(tmp_path, mosquitto, eventually, caplog):
    publish.multiple([
        {"topic": f"idro/v1/host/ha/made-up-{number}/stop/set", "payload": "PRESS", "qos": 1,
         "retain": True} for number in range(50)], hostname="127.0.0.1", port=mosquitto.port)
    running = Host(tmp_path / "host", mosquitto.port, eventually,
                   more={"homeassistant": {"enabled": True}})
    home = FakeHomeAssistant(mosquitto.port)
    try:
        node = running.node("idro-a")
        eventually(lambda: home.device("idro-a"), 10, "the node to be announced")
        home.set("idro-a", "resume", "PRESS")
        eventually(lambda: node.commands, 10, "the command, after those retained")
        lines = [record.message for record in caplog.records if "retained" in record.message]
        assert len(lines) == 1
        assert lines[0].startswith("idro/v1/host/ha/made-up-")
    finally:
        home.close()
        running.stop()
