"""Build the documentation site with zensical in strict mode: `make site`, into build/site.

1. Copy docs/, README's neighbours and bench/RESULTS.md into a staging folder.
2. Generate the reference pages there (tools.docs.generate, in a process of its own).
3. Replace links to files that are not part of the site by the name of the file.
4. Render, then move inline scripts, styles and pictures into files, because the
   Content-Security-Policy of the host forbids inline content.
5. Follow every link of the result (site_links.py).

A failure ends the build with exit code 1 and keeps the previous site. The wheel build runs this
script too, so the script itself imports the standard library only.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote

sys.path.insert(0, str(Path(__file__).resolve().parent))

from site_links import problems  # noqa: E402

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
SITE = ROOT / "build" / "site"
CONFIG = HERE / "zensical.toml"
STYLE = HERE / "site.css"
ICON = ROOT / "host" / "idroserra" / "web" / "static" / "icon.svg"
# Pages outside of docs/ that the site shows.
ELSEWHERE = {"CHANGELOG.md": "changelog.md", "CONTRIBUTING.md": "contributing.md",
             "bench/RESULTS.md": "results.md", "bench/score.md": "dosing-compared.md",
             "bench/score.png": "score.png", "bench/score-random.md": "dosing-at-random.md",
             "bench/score-random.png": "score-random.png",
             "bench/leaderboard.md": "leaderboard.md"}
# Where a link to them leads on the site.
AS_PAGE = {"README.md": "index.md", **ELSEWHERE}
# Writes the generated pages; a tree without this file has none.
GENERATOR = "tools/docs/generate.py"
PATHS = (".", "firmware", "host", "sim")
# Stands for every decision record in the navigation.
DECISIONS = '"adr/*",'
_LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s#:]+)(#[^)\s]*)?\)")
# A tutorial block that is a file: its name becomes the title.
_FILE = re.compile(r"^```(\w+) (?:file|append)=(\S+)$", re.M)
_SCRIPT = re.compile(r"<script>(.+?)</script>", re.S)
_DATA = re.compile(r"""url\(\s*(["']?)data:image/svg\+xml;charset=utf-8,(.+?)\1\s*\)(?=[;}!, ])""")
_ALIGNED = re.compile(r'style="text-align: (left|center|right);"')
# The theme's script inserts an inline style for its search; a style sheet is allowed.
_STYLED = re.compile(r'([\w$]+)\.appendChild\([\w$]+\("style",\{\},([\w$]+)\.toString\(\)\)\)')
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


class BuildFailed(Exception):
    """The errors of the pages, one per line."""


def build(root: Path = ROOT, config: Path = CONFIG, site: Path = SITE) -> Path:
    """Return the folder of the new site. Raises BuildFailed."""
    work = site.with_name(f"{site.name}.new")
    shutil.rmtree(work, ignore_errors=True)
    stage(root, work / "pages")
    records = "\n".join(f'"adr/{path.name}",' for path in sorted((root / "docs").glob("adr/*.md")))
    (work / "zensical.toml").write_text(
        config.read_text(encoding="utf-8").replace(DECISIONS, records), encoding="utf-8")
    _render(work)
    made = work / "site"
    for name in ("404.html", "sitemap.xml"):  # they need the URL of the site
        (made / name).unlink(missing_ok=True)
    for page in made.rglob("*.html"):
        _without_inline_scripts(page, made)
    for sheet in made.rglob("*.css"):
        _without_inline_pictures(sheet)
    _without_inline_style(made)
    found = problems(made, _pages_of(work / "pages"))
    if found:
        raise BuildFailed("\n".join(found))
    shutil.rmtree(site, ignore_errors=True)
    made.rename(site)
    shutil.rmtree(work)
    return site


def stage(root: Path, target: Path) -> None:
    """Copy and generate the pages; a link to a file that is not on the site becomes its name."""
    docs = root / "docs"
    shutil.copytree(docs, target)
    _generate(root, target)
    for name, page in ELSEWHERE.items():
        if (root / name).is_file():
            shutil.copyfile(root / name, target / page)
    for page in target.rglob("*.md"):
        where = page.relative_to(target)
        source = next((root / name for name, own in ELSEWHERE.items() if own == where.as_posix()),
                      docs / where)
        text = _FILE.sub(r'```\1 title="\2"', page.read_text(encoding="utf-8"))
        page.write_text(_LINK.sub(lambda found, source=source, page=page: _within(
            found, source, page, root, target), text), encoding="utf-8")
    for file in (STYLE, ICON):
        shutil.copyfile(file, target / file.name)


def _generate(root: Path, target: Path) -> None:
    """Write the pages that are made from the code."""
    if not (root / GENERATOR).is_file():
        return
    paths = os.pathsep.join(str(root / name) for name in PATHS)
    done = subprocess.run(
        [sys.executable, str(root / GENERATOR), "--site", str(target)],
        env=os.environ | {"PYTHONPATH": paths}, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BuildFailed(f"{GENERATOR}: {done.stderr.strip()}")


def _within(found: re.Match[str], source: Path, page: Path, root: Path, target: Path) -> str:
    """Return a link as rewritten for the site."""
    is_picture, label, path, anchor = found[1], found[2], unquote(found[3]), found[4] or ""
    aimed = (source.parent / path).resolve()
    if not aimed.is_relative_to(root):
        return found[0]  # reported by the strict build
    name = aimed.relative_to(root).as_posix()
    inside = target / AS_PAGE.get(name, name.removeprefix("docs/"))
    if not inside.is_file() or not (name in AS_PAGE or name.startswith("docs/")):
        if not aimed.exists():
            return found[0]  # reported by the strict build
        return f"`{name}`" if name.endswith(label.strip("`")) else f"{label} (`{name}`)"
    up = Path(*[".."] * len(page.parent.relative_to(target).parts))
    return f"{is_picture}[{label}]({(up / inside.relative_to(target)).as_posix()}{anchor})"


def _render(work: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "zensical", "build", "--strict", "--clean"], cwd=work,
        capture_output=True, text=True, check=False)
    if done.returncode != 0:
        output = _COLOURS.sub("", done.stdout + done.stderr).split("Traceback")[0].strip()
        raise BuildFailed(output or "zensical failed without output")


def _without_inline_scripts(page: Path, site: Path) -> None:
    """Move inline scripts into files named by content hash; turn inline styles into classes."""
    text = _ALIGNED.sub(r'class="to-\1"', page.read_text(encoding="utf-8"))
    up = "../" * len(page.parent.relative_to(site).parts)

    def moved(found: re.Match[str]) -> str:
        name = f"inline-{hashlib.sha256(found[1].encode()).hexdigest()[:12]}.js"
        (site / "assets" / "javascripts" / name).write_text(found[1], encoding="utf-8")
        return f'<script src="{up}assets/javascripts/{name}"></script>'

    page.write_text(_SCRIPT.sub(moved, text), encoding="utf-8")


def _without_inline_style(site: Path) -> None:
    """Make the theme's script use a style sheet, which the policy of the host allows."""
    changed = 0
    for script in (site / "assets" / "javascripts").glob("bundle.*.js"):
        text, count = _STYLED.subn(
            r"\1.adoptedStyleSheets=[new CSSStyleSheet],\1.adoptedStyleSheets[0]"
            r".replaceSync(\2.toString())", script.read_text(encoding="utf-8"))
        script.write_text(text, encoding="utf-8")
        changed += count
    if changed != 1:
        raise BuildFailed(f"the theme's script sets a style in {changed} places instead of 1: see "
                          "_without_inline_style() in host/docs/build.py")


def _without_inline_pictures(sheet: Path) -> None:
    """Move inline SVGs of a style sheet into files named by content hash."""
    folder = sheet.parent / "pictures"

    def moved(found: re.Match[str]) -> str:
        drawn = unquote(found[2]).encode()
        name = f"{hashlib.sha256(drawn).hexdigest()[:12]}.svg"
        folder.mkdir(exist_ok=True)
        (folder / name).write_bytes(drawn)
        return f"url(pictures/{name})"

    sheet.write_text(_DATA.sub(moved, sheet.read_text(encoding="utf-8")), encoding="utf-8")


def _pages_of(pages: Path) -> list[str]:
    """Return the path of every staged page, such as "adr/0001-x/"."""
    found = []
    for page in sorted(pages.rglob("*.md")):
        where = page.relative_to(pages).with_suffix("").as_posix()
        found.append("" if where == "index" else f"{where}/")
    return found


def main() -> int:
    """Build, and print the errors or the size of the site."""
    try:
        site = build()
    except BuildFailed as error:
        print(f"{error}\nsite not built", file=sys.stderr)
        return 1
    pages = len(list(site.rglob("index.html")))
    size_kb = sum(path.stat().st_size for path in site.rglob("*") if path.is_file()) // 1_000
    print(f"{site.relative_to(ROOT)}: {pages} pages, {size_kb} kB; hosts started from "
          "now on serve it under /docs")
    return 0


if __name__ == "__main__":
    sys.exit(main())
