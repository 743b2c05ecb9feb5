"""The connection to the host: Wi-Fi, name resolution, TLS and MQTT."""
