"""Fixtures of the browser tests: a real host, a node and a browser."""

from contextlib import contextmanager

import pytest
from playwright.sync_api import sync_playwright

from idro.protocol.reason import Reason
from idroserra.auth.roles import Role
from support.pages import DESKTOP, MonitoredTab, launch
from support.real_host import Host

NAMES = {Role.OPERATOR: "anna"}
PH_HIGH = Reason(
    "ph_high_dose", actuator="ph_down", milli_ph=6_040, target_milli_ph=5_900, ul_per_ph=12_000,
    drift_milli_ph_per_h=20)


@pytest.fixture
def host(tmp_path, mosquitto, eventually):
    """Yield a running host without nodes."""
    running = Host(tmp_path / "host", mosquitto.port, eventually)
    yield running
    running.stop()


@contextmanager
def chromium():
    """Yield a headless Chromium.

    Until its end Playwright's event loop counts as running in this thread, so no test could run
    its own."""
    with sync_playwright() as playwright:
        launched = launch(playwright)
        yield launched
        launched.close()


@pytest.fixture(scope="module")
def browser():
    """Yield a headless Chromium for one module."""
    with chromium() as launched:
        yield launched


@pytest.fixture
def tab(browser, host):
    """Yield tab(size, scheme), which returns a logged-in MonitoredTab on the host."""
    tabs = []

    def new_tab(size=DESKTOP, scheme="light", role=Role.OPERATOR, worker=False):
        session = None if role is None else host.session_of(role, NAMES.get(role))
        tabs.append(MonitoredTab(browser, host.url, size, scheme, session, worker=worker))
        return tabs[-1]

    yield new_tab
    for one in tabs:
        one.close()


@pytest.fixture
def node(host, eventually):
    """Return a live, adopted node with an hour of stored history and three doses."""
    node = host.node("idro-a")
    for minutes_ago in (40, 25, 10):
        node.tell("dosed", {"actuator": "ph_down", "volume_ul": 2_500, "on_ms": 2_500,
                            "reason": PH_HIGH, "by": "control"},
                  minutes_ago * 60_000)
    node.live(60)
    host.settle("idro-a", 63)
    eventually(lambda: host.view("idro-a")["state"]["level"] == "ok", 10, "a good state")
    return node
