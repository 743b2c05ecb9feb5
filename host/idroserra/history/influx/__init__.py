"""Measurement history in InfluxDB."""
