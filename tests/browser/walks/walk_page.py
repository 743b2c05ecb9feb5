"""Every task of an admin, an operator and a technician, walked by clicks: make walk-page.

In each language, on a phone and a desktop, light and dark, on a new host each. Pictures of every
step and `index.html`, which shows them side by side, come into build/walk. Exit code 1 where
anything is wrong.
"""

import argparse
import html
import itertools
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE.parents[1]))

from playwright.sync_api import sync_playwright  # noqa: E402

from support.all_pages import LOCALES, ROOT, SCHEMES, SIZES  # noqa: E402
from support.pages import launch  # noqa: E402
from support.walk_runner import PEOPLE, TASKS, walk  # noqa: E402

FOLDER = ROOT / "build" / "walk"
_SHEET = """<!doctype html><meta charset="utf-8"><title>Walk of every task</title>
<style>body{{font:14px sans-serif}}img{{height:420px;margin:4px;border:1px solid #999}}
div{{white-space:nowrap;overflow-x:auto}}</style>
{rows}"""


def main() -> int:
    """Walk, and say what is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--language", choices=LOCALES, help="only this one")
    parser.add_argument("--size", choices=SIZES, help="only this one")
    parser.add_argument("--scheme", choices=SCHEMES, help="only this one")
    parser.add_argument("--task", nargs="*", choices=[one.__name__ for one in TASKS],
                        help="these, and those of people; some tasks need the ones before them")
    asked = parser.parse_args()
    tasks = [one for one in TASKS
             if one in PEOPLE or not asked.task or one.__name__ in asked.task]
    looks = [look for look in itertools.product(LOCALES, SIZES, SCHEMES)
             if all(wanted in (None, one) for one, wanted
                    in zip(look, (asked.language, asked.size, asked.scheme), strict=True))]
    wrong = []
    for number, look in enumerate(looks, 1):
        began_s = time.monotonic()
        wrong += _walked(look, tasks, f"{number}/{len(looks)} {'-'.join(look)}")
        print(f"\r{number}/{len(looks)} {'-'.join(look)}: {len(tasks)} tasks,"
              f" {time.monotonic() - began_s:.0f} s{'':<20}", flush=True)
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / "index.html").write_text(sheet(FOLDER), "utf-8")
    for one in wrong:
        print(one)
    print(f"{FOLDER / 'index.html'}: {len(wrong)} things wrong")
    return 1 if wrong else 0


def _walked(look, tasks, label):
    """Walk with one look, and say which task is walked."""
    def tell(task):
        print(f"\r{label} {task:<24}", end="", flush=True)

    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = launch(playwright)
        found = walk(browser, Path(folder), look, tasks, FOLDER, tell)
        browser.close()
    return found


def sheet(folder: Path) -> str:
    """Return the page that shows the pictures of each step side by side."""
    rows = []
    pictures = sorted(folder.glob("*.png"))
    for step, found in itertools.groupby(pictures, lambda one: one.stem.rsplit("-", 3)[0]):
        shown = "".join(f'<a href="{one.name}"><img loading="lazy" src="{one.name}"'
                        f' alt="{html.escape(one.stem)}"></a>' for one in found)
        rows.append(f"<h2>{html.escape(step)}</h2><div>{shown}</div>")
    return _SHEET.format(rows="\n".join(rows))


if __name__ == "__main__":
    sys.exit(main())
