"""Fixtures of these tests: a real host, a node and a browser."""

from support.page_fixtures import browser, host, node, tab  # noqa: F401
