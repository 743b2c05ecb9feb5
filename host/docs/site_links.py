"""Checks the links of a built site: files, anchors, navigation, no external resources."""

from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

_LOADS = {"script": "src", "img": "src", "link": "href", "source": "src", "iframe": "src"}
_NO_FILES = ("canonical", "prev", "next")
_HERE = "http://site.invalid/"


class Page(HTMLParser):
    """Ids, links and resources of one page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.ids: set[str] = set()
        self.in_navigation: set[str] = set()
        self.inline = 0
        self.fences = 0
        self._navs: list[bool] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Collect ids, links and resources."""
        has = {name: value or "" for name, value in attrs}
        self.ids |= {has[name] for name in ("id", "name") if name in has}
        if tag == "nav":
            self._navs.append("md-nav--primary" in has.get("class", ""))
        if tag == "a" and "href" in has:
            self.links.append(has["href"])
            if any(self._navs):
                self.in_navigation.add(has["href"])
        if tag in _LOADS and _LOADS[tag] in has and has.get("rel") not in _NO_FILES:
            self.loads.append(has[_LOADS[tag]])
        is_data = has.get("type") == "application/json"
        self.inline += tag == "script" and "src" not in has and not is_data
        self.inline += "style" in has or tag == "style"

    def handle_data(self, data: str) -> None:
        """Count code fences that were not rendered."""
        self.fences += "```" in data

    def handle_endtag(self, tag: str) -> None:
        """Track the end of a navigation."""
        if tag == "nav" and self._navs:
            self._navs.pop()


def problems(site: Path, wanted: list[str]) -> list[str]:
    """Return the errors of a built site, one per line.

    wanted: the paths of the pages that the navigation must contain."""
    pages = {path.relative_to(site).as_posix().removesuffix("index.html"):
             Page(path.read_text(encoding="utf-8"))
             for path in sorted(site.rglob("*.html"))}
    found = [f"{name}: not in the navigation (host/docs/zensical.toml)"
             for name in sorted(set(wanted) - _navigation(pages))]
    for name, page in pages.items():
        shown = name or "index"
        found += [f"{shown}: loads {load} from another site" for load in page.loads
                  if not _is_ours(name, load)]
        found += [f"{shown}: {wrong}" for link in {*page.links, *page.loads}
                  if _is_ours(name, link) and (wrong := _broken(site, pages, name, link))]
        if page.fences:
            found.append(f"{shown}: shows ``` as text: invalid code block header")
        if page.inline:
            found.append(f"{shown}: has an inline script or style, which the host forbids")
    return found


def _navigation(pages: dict[str, Page]) -> set[str]:
    front = pages.get("")
    if front is None:
        return set()
    return {urlsplit(urljoin(_HERE, href)).path.lstrip("/") for href in front.in_navigation}


def _is_ours(page: str, link: str) -> bool:
    return urlsplit(urljoin(_HERE + page, link)).netloc == urlsplit(_HERE).netloc


def _broken(site: Path, pages: dict[str, Page], page: str, link: str) -> str:
    """Return the error of a link, or ""."""
    aimed = urlsplit(urljoin(_HERE + page, link))
    if aimed.scheme == "mailto":
        return ""
    path = unquote(aimed.path).lstrip("/")
    target = site / path
    if not (target.is_file() or (target / "index.html").is_file()):
        return f"{link} is broken"
    there = pages.get(path.removesuffix("index.html"))
    anchor = unquote(aimed.fragment)
    if there is not None and anchor and anchor not in there.ids:
        return f"{link}: {path or 'index'} has no {anchor}"
    return ""
