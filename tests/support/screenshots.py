"""Pictures of every page in every language, size and palette: make screenshots.

Each page is judged as tests/browser/test_page_everywhere.py does. Exit code 1 if anything is
wrong.
"""

import argparse
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE.parent))

from playwright.sync_api import sync_playwright  # noqa: E402

from idroserra.broker.local import Broker  # noqa: E402
from support.all_pages import ALL_LOOKS, LOCALES, ROOT, PageChecker, pages, populate_host  # noqa: E402
from support.pages import launch  # noqa: E402
from support.real_host import Host  # noqa: E402
from support.wait import wait_until  # noqa: E402

FOLDER = ROOT / "build" / "screenshots"


def main() -> int:
    """Walk, and say what is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--language", choices=LOCALES, help="only this one")
    parser.add_argument("--page", choices=pages(), help="only this one")
    asked = parser.parse_args()
    chosen = {name: one for name, one in pages().items() if asked.page in (None, name)}
    wrong = []
    with tempfile.TemporaryDirectory() as folder:
        broker = Broker(Path(folder) / "broker", "mosquitto")
        broker.start()
        host = Host(Path(folder) / "host", broker.port, wait_until, simulated=True)
        try:
            well, sick = populate_host(host, wait_until)
            for language in [asked.language] if asked.language else LOCALES:
                wrong += walked(host, language, chosen, lambda: alive(well, sick))
        finally:
            host.stop()
            broker.stop()
    for one in wrong:
        print(one)
    print(f"{FOLDER}: {len(wrong)} things wrong")
    return 1 if wrong else 0


def alive(well, sick):
    """Let both tell their readings again: on a slow machine they would be old."""
    well.read()
    sick.read(faults={"reservoir.ph": "in_air"})


def walked(host, language, chosen, tell):
    """Take the pictures of one language; returns what is wrong on its pages."""
    wrong = []
    with sync_playwright() as playwright:
        browser = launch(playwright)
        walk = PageChecker(browser, host, language)
        for number, (name, (path, role)) in enumerate(chosen.items(), 1):
            print(f"\r{language} {number}/{len(chosen)} {name:<24}", end="", flush=True)
            tell()
            found = walk.judge(walk.open(path, role), ALL_LOOKS, (FOLDER, f"{language}-{name}"))
            wrong += [f"{language} {name}: {one}" for one in found]
        print()
        walk.close()
        browser.close()
    return wrong


if __name__ == "__main__":
    sys.exit(main())
