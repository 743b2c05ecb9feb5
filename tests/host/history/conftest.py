"""Fixtures of these tests: databases of the store."""

from support.influx_fixtures import database, influx2, influxd  # noqa: F401
