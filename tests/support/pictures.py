"""`make pictures`: takes the screenshots of README and docs from a demo with two days of history.

Writes them to docs/images with 256 colours. Takes some minutes.
"""

import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE.parent))

from PIL import Image  # noqa: E402
from playwright.sync_api import expect, sync_playwright  # noqa: E402

from idroserra.demo.app import Demo, Options  # noqa: E402
from support.pages import PHONE, launch  # noqa: E402
from support.wait import wait_until  # noqa: E402

FOLDER = HERE.parents[1] / "docs" / "images"
DESKTOP, SHORT = {"width": 1280, "height": 800}, {"width": 1280, "height": 640}
NODE = "serra-lettuce"
HISTORY_DAYS = 2
# name: (path, selector to wait for, size, palette)
PICTURES = {
    "page": ("/", ".tile", SHORT, "light"),
    "pages/overview-phone": ("/", ".tile", PHONE, "dark"),
    "pages/node": (f"/nodes/{NODE}", ".tile .spark path:not(.area)", DESKTOP, "light"),
    "pages/calibrate-phone": (f"/nodes/{NODE}/calibrate", "#choose", PHONE, "light"),
    "pages/alarms": ("/alarms", ".alarm", DESKTOP, "light"),
}


def main() -> int:
    """Start a demo, wait for its history and take the pictures."""
    with tempfile.TemporaryDirectory() as folder, Demo(
        Path(folder), Options(history_days=HISTORY_DAYS), print
    ) as demo:
        wait_until(lambda: has_history(demo), 600, "the history of both greenhouses")
        demo.publish_progress()
        with sync_playwright() as playwright:
            browser = launch(playwright)
            for name, picture in PICTURES.items():
                if name == "pages/alarms":
                    stop_one_board(demo)
                take(browser, demo, name, *picture)
            browser.close()
    return 0


def has_history(demo) -> bool:
    """Return whether the history of every greenhouse is stored."""
    assert demo.failures() == []
    return not any(greenhouse.is_alive() for greenhouse in demo.greenhouses)


def stop_one_board(demo) -> None:
    """Stop one of the two boards and wait for the alarm."""
    demo.greenhouses[1].live.stop()
    wait_until(lambda: any(alarm.state == "unacknowledged"
                           for alarm in demo.service.alarms.alarms.all()), 300, "an alarm")


def take(browser, demo, name, path, shown, size, palette) -> None:
    """Take one screenshot."""
    context = browser.new_context(viewport=size, color_scheme=palette, locale="en-GB",
                                  timezone_id="Europe/Rome", reduced_motion="reduce")
    page = context.new_page()
    page.goto(demo.link)
    expect(page.locator("#link")).to_have_attribute("data-state", "live")
    page.goto(f"{demo.url}{path}")
    expect(page.locator("#link")).to_have_attribute("data-state", "live")
    expect(page.locator(shown).first).to_be_visible()
    target = FOLDER / f"{name}.png"
    target.parent.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=str(target))
    context.close()
    with Image.open(target) as taken:
        taken.convert("RGB").quantize(256).save(target, optimize=True)
    print(f"{target.relative_to(FOLDER.parents[1])}: {target.stat().st_size // 1_000} kB")


if __name__ == "__main__":
    sys.exit(main())
