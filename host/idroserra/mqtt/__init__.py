"""MQTT connection, subscriber and packet parser."""
