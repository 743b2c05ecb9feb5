"""The host service: composition root and MQTT message handler."""
