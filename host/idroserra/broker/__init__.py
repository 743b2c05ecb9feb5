"""The MQTT broker: local process, mosquitto configuration, TLS files and probes."""
