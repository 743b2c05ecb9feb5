"""The host service: the composition root and its MQTT message handler."""
