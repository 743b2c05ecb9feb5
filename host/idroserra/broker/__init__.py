"""The MQTT broker: starting a local one, its configuration, TLS files and probes."""
