"""A board is installed from the page: from a blank chip to an adopted node, by clicks alone."""

import time

import pytest
from playwright.sync_api import expect

from idroserra.auth.roles import Role
from idroserra.boards import compiler
from idrosim.runner import process
from support.browser_serial import WITHOUT_SERIAL, SerialBridge
from support.flash_fixtures import binary_file, built, image_files, plug_in  # noqa: F401
from support.flash_rig import BOARD
from support.nvs_rig import values
from support.pages import DESKTOP, MonitoredTab
from support.real_host import standing_host

NODE, PASSWORD = "serra-1", "the password of the Wi-Fi"


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    with standing_host(tmp_path_factory.mktemp("install")) as running:
        yield running


@pytest.fixture
def bridge():
    found = SerialBridge()
    yield found
    found.close()


@pytest.fixture
def open_page(browser, host):
    tabs = []

    def opened(serial, size=DESKTOP, role=Role.ADMIN):
        tabs.append(MonitoredTab(browser, host.url, size, "light", host.session_of(role),
                                 serial=serial))
        return tabs[-1], tabs[-1].open("/settings/install")

    yield opened
    for tab in tabs:
        tab.close()


def reached(page, step):
    """Wait for a step, or for the end; return why it ended, "" at the step."""
    failed = page.locator("#install-outcome")
    expect(page.locator(f"#step-{step}:not([hidden]), #install-outcome:not([hidden])")
           .first).to_be_visible()
    return failed.inner_text() if failed.is_visible() else ""


def walk(page, file, broker):
    """Press through every step; return why it ended, "" at the last step."""
    page.locator("#connect [type=submit]").click()
    if why := reached(page, "board"):
        return why
    form = page.locator("#step-board")
    form.locator("[name=board]").select_option(BOARD)
    form.locator("[name=micropython]").select_option("file")
    form.locator("[name=file]").set_input_files(file)
    form.locator("[type=submit]").click()
    if why := reached(page, "write"):
        return why
    page.locator("#step-write [type=submit]").click()
    if why := reached(page, "values"):
        return why
    form = page.locator("#step-values")
    for name, value in (("node", NODE), ("ssid", "greenhouse"), ("password", PASSWORD),
                        ("broker", broker)):
        form.locator(f"[name={name}]").fill(value)
    form.locator("[type=submit]").click()
    return reached(page, "done")


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


def simulated(board, folder):
    """Return a simulated node with the files and the NVS of the board."""
    job = process.make_job(
        NODE, compiler.load(BOARD), folder, mode="live", start_unix_ms=time.time_ns() // 1_000_000)
    job["nvs"] = {
        name: value.hex() if name == "key" else value.decode() if isinstance(value, bytes)
        else value for name, value in values(board.nvs_file).items()}
    for name, data in board.files().items():
        path = folder / "flash" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return process.LiveNode(job)


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


def test_a_browser_without_serial_ports_says_which_to_use(open_page):
    tab, page = open_page(WITHOUT_SERIAL)
    expect(page.locator("#unsupported")).to_contain_text("Chrome")
    expect(page.locator("#step-connect")).to_be_hidden()
    tab.check()
