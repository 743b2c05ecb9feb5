"""A board is installed from the page: from a blank chip to an adopted node, by clicks alone."""

import pytest
from playwright.sync_api import expect

from idroserra.auth.roles import Role
from support.browser_serial import SILENT_PORT, WITHOUT_SERIAL, SerialBridge
from support.flash_fixtures import binary_file, built, image_files, plug_in  # noqa: F401
from support.install_walk import NODE, PASSWORD, reached, simulated, walk
from support.nvs_rig import values
from support.pages import DESKTOP, MonitoredTab
from support.real_host import own_host

host = own_host


@pytest.fixture
def bridge():
    found = SerialBridge()
    yield found
    found.close()


@pytest.fixture
def open_page(browser, host):
    tabs = []

    def opened(serial, *, bypass_csp=True):
        tabs.append(MonitoredTab(
            browser, host.url, DESKTOP, "light", host.session_of(Role.ADMIN), serial=serial,
            bypass_csp=bypass_csp))
        return tabs[-1], tabs[-1].open("/settings/install")

    yield opened
    for tab in tabs:
        tab.close()


def check_secrets(host, page, log, key):
    """Check that neither page nor log nor a file but that of the keys has a secret."""
    files = [path for path in host.config.data_dir.rglob("*")
             if path.is_file() and not path.name.startswith("state.db")]
    assert any(path.name == "audit.db" for path in files)
    kept = b"".join(path.read_bytes() for path in files)
    for secret in (PASSWORD, key):
        assert secret not in page.content() + log
        assert secret.encode() not in kept
    assert bytes.fromhex(key) not in kept
    assert page.locator("#step-values [name=password]").input_value() == ""


def test_from_a_blank_chip_to_an_adopted_node_with_the_cable_pulled_on_the_way(
        open_page, host, bridge, plug_in, binary_file, image_files, tmp_path,  # noqa: F811
        caplog):
    tab, page = open_page(bridge.script)
    file, broker = binary_file(), f"127.0.0.1:{host.broker_port}"
    board = plug_in(has_micropython=False)
    bridge.plug_in(board, until_bytes=40_000)  # while MicroPython is written
    assert "Check the cable" in walk(page, file, broker)
    assert bridge.is_pulled
    board.close()
    board = plug_in(has_micropython=False)
    bridge.plug_in(board)
    assert walk(page, file, broker) == ""
    files = board.files()
    assert {path: files.get(path) for path in image_files} == image_files
    check_secrets(host, page, caplog.text, values(board.nvs_file)["key"].hex())
    node = simulated(board, tmp_path / "node")
    node.start()
    try:
        expect(page.locator("#done-link")).to_be_visible()
    finally:
        node.stop()
    assert host.view(NODE)["adopted"]
    tab.check()


def test_the_cable_is_pulled_at_a_question(open_page, bridge, plug_in):  # noqa: F811
    bridge.plug_in(plug_in(has_micropython=False))
    tab, page = open_page(bridge.script)
    page.locator("#connect [type=submit]").click()
    assert reached(page, "board") == ""
    bridge.pull()
    assert "Check the cable" in reached(page, "write")
    tab.check()


def test_the_policy_of_the_page_lets_it_reach_its_host(open_page):
    tab, page = open_page(SILENT_PORT, bypass_csp=False)
    page.locator("#connect [type=submit]").click()
    expect(page.locator("#work-text")).to_contain_text("detecting the chip")
    tab.check()


def test_a_browser_without_serial_ports_says_which_to_use(open_page):
    tab, page = open_page(WITHOUT_SERIAL)
    expect(page.locator("#unsupported")).to_contain_text("Chrome")
    expect(page.locator("#step-connect")).to_be_hidden()
    tab.check()
