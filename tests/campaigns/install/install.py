"""`make campaign-install`: the cable of a board that is installed from the page is pulled.

At each of the points the walk of the page must end in a message, and the next walk in a whole node
whose key the host has. The pages are in three languages by turns; at the end one node of each runs
and its page opens.

    python tests/campaigns/install/install.py [--points 50] [--seed 1] [--resume FILE]

Exit code 3: a walk without a message, or a node that is not whole.
A point in FILE is not run again.
"""

import argparse
import hashlib
import json
import random
import sys
import tempfile
from collections import Counter
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE.parents[1]))

from playwright.sync_api import Error, expect, sync_playwright  # noqa: E402
from rich.progress import Progress  # noqa: E402

from idroserra.auth.roles import Role  # noqa: E402
from idroserra.image import build  # noqa: E402
from support.browser_serial import NEVER, SerialBridge  # noqa: E402
from support.flash_rig import BOARD, micropython_bytes  # noqa: E402
from support.install_walk import simulated, walk  # noqa: E402
from support.nvs_rig import values  # noqa: E402
from support.pages import DESKTOP, MonitoredTab, launch  # noqa: E402
from support.real_host import standing_host  # noqa: E402
from support.virtual_board import VirtualBoard  # noqa: E402

LOCALES = ("en-GB", "it-IT", "zh-CN")


class Site:
    """A host, a browser with its bridge, and the files to install."""

    def __init__(self, folder, host, browser):
        self.folder, self.host, self.browser = folder, host, browser
        self.bridge = SerialBridge()
        self.binary = folder / "micropython.bin"
        self.binary.write_bytes(micropython_bytes())
        image = folder / "image"
        build.build_image(BOARD, image)
        self.image = {path.relative_to(image).as_posix(): path.read_bytes()
                      for path in image.rglob("*") if path.is_file()}

    def install(self, name, locale, until_bytes=NEVER):
        """Walk until the end on one board, or until the cable is pulled, then once more.

        Return (message of the pulled walk, errors)."""
        folder = self.folder / name
        folder.mkdir()
        tab = MonitoredTab(
            self.browser, self.host.url, DESKTOP, "light", self.host.session_of(Role.ADMIN),
            locale=locale, serial=self.bridge.script, bypass_csp=True)
        page = tab.open("/settings/install")
        errors, said = [], ""
        try:
            for limit in (until_bytes, NEVER)[until_bytes == NEVER:]:
                board = VirtualBoard(folder, has_micropython=has_micropython(folder))
                self.bridge.plug_in(board, limit)
                why = walk(
                    page, self.binary, f"127.0.0.1:{self.host.broker_port}", name)
                mark_micropython(folder, board)
                if limit == NEVER:
                    errors += ([f"the last walk ended: {why}"] if why
                               else self.errors_of(board, name))
                    self.started(page, board, folder)
                elif not why:
                    errors.append("the walk ended without a message")
                else:
                    said = why
                self.bridge.pull()
                board.close()
        finally:
            tab.close()
        return said, errors

    def errors_of(self, board, name):
        """Return why the node is not whole, [] if it is."""
        files, nvs = board.files(), values(board.nvs_file)
        wrong = [path for path in self.image if files.get(path) != self.image[path]]
        errors = [f"not as in the image: {wrong[:3]}"] if wrong else []
        known = self.host.service.nodes.get(name).fingerprints
        if known != (hashlib.sha256(nvs.get("key", b"")).hexdigest(),):
            errors.append("the host has another key")
        if nvs.get("node_id") != name.encode():
            errors.append("no node id")
        return errors

    def started(self, page, board, folder):
        """Run the board as a node until its page can be opened, if it is one to be run."""
        if not folder.name.startswith("run-"):
            return
        node = simulated(board, folder / "node", folder.name)
        node.start()
        try:
            expect(page.locator("#done-link")).to_be_visible()
        finally:
            node.stop()
        page.locator("#done-link").click()
        expect(page.locator("h1")).to_contain_text(folder.name)


def has_micropython(folder):
    """Return whether the board in `folder` had MicroPython when it was unplugged."""
    return (folder / "micropython").exists()


def mark_micropython(folder, board):
    """Keep over an unplugging what the virtual board keeps in memory only."""
    if board.has_micropython:
        (folder / "micropython").touch()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--resume", type=Path, default=Path("build/campaign-install.jsonl"))
    options = parser.parse_args()
    options.resume.parent.mkdir(parents=True, exist_ok=True)
    rows = [json.loads(line) for line in options.resume.read_text().splitlines()] if (
        options.resume.exists()) else []
    rows = [row for row in rows if row["seed"] == options.seed]
    points = list(range(options.points))
    random.Random(options.seed).shuffle(points)  # an early end covers the whole walk
    with (tempfile.TemporaryDirectory() as folder, standing_host(Path(folder) / "host") as host,
          sync_playwright() as playwright, Progress() as progress):
        site = Site(Path(folder), host, launch(playwright))
        for job in progress.track((LOCALES[0], *points, *LOCALES[1:]), description="walks"):
            if job not in [row["job"] for row in rows]:
                rows.append(one(site, job, options, rows))
                with options.resume.open("a") as file:
                    file.write(json.dumps(rows[-1], ensure_ascii=False) + "\n")
        site.bridge.close()
    return report(rows)


def one(site, job, options, rows):
    """Return the row of one job: a locale, without a pull, or the number of a point."""
    name, locale, at_bytes = f"run-{job}".lower(), job, NEVER
    if job not in LOCALES:
        whole_bytes = next(row["at_bytes"] for row in rows if row["job"] == LOCALES[0])
        at_bytes = round(whole_bytes * (job + 0.5) / options.points)
        name, locale = f"board-{job}", LOCALES[job % len(LOCALES)]
    before = site.bridge.sent_bytes
    try:
        said, errors = site.install(name, locale, at_bytes)
    except (AssertionError, Error) as error:  # of playwright: the page does not go on
        said, errors = "", [str(error)[:300]]
    if job in LOCALES:
        at_bytes = site.bridge.sent_bytes - before
    return {"job": job, "seed": options.seed, "at_bytes": at_bytes, "said": said,
            "errors": errors}


def report(rows):
    """Print what came out; return the exit code."""
    for said, count in Counter(row["said"] for row in rows if row["said"]).most_common():
        print(f"{count:4}  {said}")
    failed = [row for row in rows if row["errors"]]
    for row in failed:
        print(row)
    print(f"{len(rows)} walks, {len(failed)} failed")
    return 3 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
