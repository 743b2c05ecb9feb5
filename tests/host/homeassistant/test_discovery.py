"""Devices of Home Assistant, without a broker."""

from idroserra.core import protocol
from idroserra.homeassistant.device_classes import reading_entity
from idroserra.homeassistant.discovery import device, host_device
from idroserra.nodes.node import Node
from support.home_assistant import faults, rendered


def test_every_quantity_there_is_has_a_class_and_unit_that_go_together():
    entities = {key: reading_entity(f"any.{key}", 40) | {"def_ent_id": "sensor.x", "uniq_id": key}
                for key in protocol.QUANTITIES}
    entities["float_up"]["def_ent_id"] = "binary_sensor.x"
    assert faults({"cmps": entities}) == []
    assert faults(host_device("site", "https://serra.example")) == []


def entities_of(node, *channels):
    info = protocol.Info("0.1.0", "b", "esp32", "7f3a11aa", 1, None, "host", "power_on", "ab" * 32,
                         channels, {"circulation": "switch"}, (), True, 100, 0,
                         protocol.AS_FLASHED, protocol.UNKNOWN_SYSTEM)
    return device(Node(node, "test", info=info), None)


def test_no_entities_of_two_nodes_have_one_id():
    of_two = [entity["uniq_id"] for node, channel in (("farm", "north_tank.ph"),
                                                      ("farm-north", "tank.ph"))
              for entity in entities_of(node, channel)["cmps"].values()]
    assert len(of_two) == len(set(of_two))


def test_a_node_without_a_key_has_no_controls():
    found = entities_of("idro-b", "reservoir.ph")
    assert {entity["p"] for entity in found["cmps"].values()} == {
        "sensor", "binary_sensor", "event"}
    assert device(Node("idro-b", "test"), None) is None


def test_a_float_switch_is_on_or_off_or_unknown():
    leak = reading_entity("leak.float_up", 40)
    assert leak["dev_cla"] == "moisture"
    shown = [rendered(leak, {"leak.float_up": value}) for value in (1, 0, None)]
    assert shown == ["ON", "OFF", "None"]
