"""Home Assistant integration: each node as a device, by MQTT discovery (docs/homeassistant.md)."""
