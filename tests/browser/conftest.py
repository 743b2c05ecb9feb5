"""Fixtures of these tests: a real host, a node and a browser."""

from contextlib import ExitStack
from pathlib import Path

import pytest

from support.page_fixtures import chromium, host, node, tab  # noqa: F401

HERE = Path(__file__).parent
_open = ExitStack()
_browsers = []


@pytest.fixture(scope="module")
def browser():
    """Return the headless Chromium of all tests in this folder: a start takes half a second of
    CPU time."""
    if not _browsers:
        _browsers.append(_open.enter_context(chromium()))
    return _browsers[0]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(nextitem):
    """Close the browser before a test of another folder, which may run an event loop."""
    torn_down = yield
    if nextitem is None or nextitem.path.parent != HERE:
        _browsers.clear()
        _open.close()
    return torn_down
