"""MQTT connection of the host: subscriber, publisher and packet parser."""
