"""Takes the screenshot of the README: python host/web/picture.py URL FILE.

URL: the page of a node of a running `idroserra demo`. Needs playwright and Chromium.
"""

import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

SIZE = {"width": 1280, "height": 1010}


def screenshot(url: str, file: Path) -> None:
    """Write a PNG of the page at `url` once it is live and its charts are drawn."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport=SIZE, locale="en-GB")
        page.goto(url)
        page.wait_for_selector("#link[data-state=live]")
        page.wait_for_selector(".panel[data-quantity=ph][data-points]:not([data-points='0'])")
        page.wait_for_selector(".tile[data-state=ok]")
        file.parent.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=str(file))
        browser.close()


if __name__ == "__main__":
    screenshot(sys.argv[1], Path(sys.argv[2]))
