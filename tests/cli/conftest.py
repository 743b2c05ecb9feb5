"""Fixtures of these tests: databases of the store, a real host, a node and a browser."""

from support.influx_fixtures import database, influx2, influxd  # noqa: F401
from support.page_fixtures import browser, host, node, tab  # noqa: F401
