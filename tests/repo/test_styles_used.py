"""Every class and id of the style sheets is used by a template or a script."""

import re

from support.source_tree import ROOT, report

WEB = ROOT / "host/idroserra/web"
SHEETS = WEB / "static/css"
MOST_SHEETS = 6
# Made by uPlot; and `bar-${name}` of recipe_timeline.js.
COMPUTED = re.compile(r"u-|bar-")


def names_in(sheet):
    """Return the (kind, name) of the classes (.) and ids (#) that a style sheet selects."""
    text = re.sub(r"/\*.*?\*/", "", sheet, flags=re.DOTALL)
    return {found
            for selector in re.findall(r"([^{}]+)\{", text) if not selector.strip().startswith("@")
            for found in re.findall(r"([.#])([a-zA-Z][\w-]*)", selector)}


def names_used():
    """Return the (kind, name) of classes and ids in templates and in short strings of scripts."""
    used = set()
    for path in WEB.glob("templates/*.html"):
        text = path.read_text("utf-8")
        # Code of the template inside an attribute may hold quotes of its own.
        text = re.sub(r"\{\{.*?\}\}|\{%.*?%\}", lambda code: code[0].replace('"', " "), text)
        for kind, attribute in ((".", "class"), ("#", "id")):
            for value in re.findall(rf'\b{attribute}="([^"]*)"', text):
                used |= {(kind, word) for word in re.findall(r"[\w-]+", value)}
        used |= {(".", word) for look in re.findall(r"\{% block (?:look|frame) %\}(.*)", text)
                 for word in re.findall(r"[\w-]+", look)}
    for path in WEB.glob("static/js/*.js"):
        for value in re.findall(r"""["'`]([a-z][\w-]*(?: [a-z][\w-]*)*)["'`]""",
                                path.read_text("utf-8")):
            used |= {(kind, word) for word in value.split() for kind in ".#"}
    return used


def unused(sheet, used):
    """Return the classes and ids of a sheet that nothing uses."""
    return sorted(kind + name for kind, name in names_in(sheet) - used if not COMPUTED.match(name))


def test_every_class_and_id_of_the_style_sheets_is_used():
    used = names_used()
    found = [f"{path.relative_to(ROOT)}: {name}" for path in sorted(SHEETS.glob("*.css"))
             for name in unused(path.read_text("utf-8"), used)]
    assert not found, report("Delete the rules, no template or script uses them:", found)


def test_a_page_loads_few_style_sheets():
    links = {path.name: re.findall(r'rel="stylesheet" href="([^"]*)"', path.read_text("utf-8"))
             for path in sorted(WEB.glob("templates/*.html"))}
    loaded = links.pop("head.html")
    assert len(loaded) <= MOST_SHEETS
    assert {path.name for path in SHEETS.glob("*.css")} < {link.split("/")[-1] for link in loaded}
    assert not any(links.values()), "head.html links the style sheets of every page"


def test_an_unused_class_is_found():
    used = names_used()
    assert unused(".card { margin: 0; } .card > .of-nothing, #of-none { gap: 0; }", used) == [
        "#of-none", ".of-nothing"]
    assert unused("/* .of-old */ @media (max-width: 640px) { .card:not(.of-nothing) { gap: 0; } }",
                  used) == [".of-nothing"]
