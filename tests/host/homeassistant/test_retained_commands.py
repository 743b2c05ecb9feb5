"""Retained commands of Home Assistant: passed over, with one line of the log, however many."""

import paho.mqtt.publish as publish

from support.home_assistant import FakeHomeAssistant
from support.real_host import Host


def test_retained_commands_are_passed_over_and_logged_once_when_the_host_starts(
        tmp_path, mosquitto, eventually, caplog):
    names = ["idro-a", *(f"made-up-{number}" for number in range(50))]
    publish.multiple([
        {"topic": f"idro/v1/host/ha/{name}/stop/set", "payload": "PRESS", "qos": 1,
         "retain": True} for name in names], hostname="127.0.0.1", port=mosquitto.port)
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
        assert lines[0].startswith("idro/v1/host/ha/")
        assert [one.verb for one in node.commands] == ["resume"]
    finally:
        home.close()
        running.stop()
