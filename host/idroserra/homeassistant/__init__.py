"""Home Assistant: each node as a device, by MQTT discovery. docs/integrations.md."""
