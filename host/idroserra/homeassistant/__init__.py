"""Home Assistant integration: each node as a device, by MQTT discovery (docs/integrations.md)."""
