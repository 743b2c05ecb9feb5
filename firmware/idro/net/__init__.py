"""The line to the host: Wi-Fi, MQTT and the outbox on flash."""
