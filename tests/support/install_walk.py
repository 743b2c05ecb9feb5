"""The steps of the page that installs a board, and the board as a running node."""

import time

from playwright.sync_api import expect

from idroserra.boards import compiler
from idrosim.runner import process
from support.flash_rig import BOARD
from support.nvs_rig import values
from support.pages import PATIENCE_MS

NODE, PASSWORD = "serra-1", "the password of the Wi-Fi"


def reached(page, step):
    """Wait for a step, or for the end; return why it ended, "" at the step."""
    failed = page.locator("#install-outcome")
    expect(page.locator(f"#step-{step}:not([hidden]), #install-outcome:not([hidden])")
           .first).to_be_visible(timeout=5 * PATIENCE_MS)
    return failed.inner_text() if failed.is_visible() else ""


def walk(page, file, broker, node=NODE):
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
    for name, value in (("node", node), ("ssid", "greenhouse"), ("password", PASSWORD),
                        ("broker", broker)):
        form.locator(f"[name={name}]").fill(value)
    form.locator("[type=submit]").click()
    return reached(page, "done")


def simulated(board, folder, node=NODE):
    """Return a simulated node with the files and the NVS of the board."""
    job = process.make_job(
        node, compiler.load(BOARD), folder, mode="live", start_unix_ms=time.time_ns() // 1_000_000)
    job["nvs"] = {
        name: value.hex() if name == "key" else value.decode() if isinstance(value, bytes)
        else value for name, value in values(board.nvs_file).items()}
    for name, data in board.files().items():
        path = folder / "flash" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return process.LiveNode(job)
