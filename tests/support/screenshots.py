"""`make screenshots`: pictures of every page in every language, size and palette.

Each page is checked as in tests/browser/test_page_everywhere.py. Exit code 1 on errors.
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
    """Take the pictures and print the errors."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--language", choices=LOCALES, help="only this language")
    parser.add_argument("--page", choices=pages(), help="only this page")
    options = parser.parse_args()
    selected = {name: page for name, page in pages().items() if options.page in (None, name)}
    wrong = []
    with tempfile.TemporaryDirectory() as folder:
        broker = Broker(Path(folder) / "broker", "mosquitto")
        broker.start()
        host = Host(Path(folder) / "host", broker.port, wait_until, simulated=True)
        try:
            healthy, faulty = populate_host(host, wait_until)
            for language in [options.language] if options.language else LOCALES:
                wrong += take(host, language, selected, lambda: refresh(healthy, faulty))
        finally:
            host.stop()
            broker.stop()
    for error in wrong:
        print(error)
    print(f"{FOLDER}: {len(wrong)} errors")
    return 1 if wrong else 0


def refresh(healthy, faulty):
    """Publish new readings of both nodes, so that none are old on a slow machine."""
    healthy.read()
    faulty.read(faults={"reservoir.ph": "in_air"})


def take(host, language, selected, refresh_readings):
    """Take the pictures of one language; return the errors of its pages."""
    wrong = []
    with sync_playwright() as playwright:
        browser = launch(playwright)
        checker = PageChecker(browser, host, language)
        for number, (name, (path, role)) in enumerate(selected.items(), 1):
            print(f"\r{language} {number}/{len(selected)} {name:<24}", end="", flush=True)
            refresh_readings()
            found = checker.check(
                checker.open(path, role), ALL_LOOKS, (FOLDER, f"{language}-{name}"))
            wrong += [f"{language} {name}: {error}" for error in found]
        print()
        checker.close()
        browser.close()
    return wrong


if __name__ == "__main__":
    sys.exit(main())
