"""The design system: every component, in both palettes, readable for everybody."""

import re

import pytest
from playwright.sync_api import expect

from support.all_pages import AXE, ROOT, axe_violations
from support.pages import DESKTOP, SMALLEST

PARTS = ("colours", "type", "states", "lists", "tables", "forms", "empty", "chart", "settings",
         "steps", "stages")
SHEETS = ROOT / "host/idroserra/web/static/css"
_SHOWN = "() => [...document.querySelectorAll('main, main *')].flatMap((it) => [...it.classList])"


def classes_of(sheet):
    """Return the classes that the rules of a style sheet select."""
    text = re.sub(r"/\*.*?\*/", "", (SHEETS / sheet).read_text("utf-8"), flags=re.DOTALL)
    return {name for selector in re.findall(r"([^{}]+)\{", text)
            for name in re.findall(r"\.([a-z][\w-]*)", selector)}


def test_every_component_is_shown(host, tab):
    watched = tab(DESKTOP, "light")
    shown = set(watched.open("/design").evaluate(_SHOWN))
    assert sorted((classes_of("base.css") | classes_of("components.css")) - shown) == []
    watched.check()


@pytest.mark.parametrize(("size", "scheme"), [(SMALLEST, "light"), (DESKTOP, "dark")])
def test_every_component_has_contrast_and_a_name(host, tab, size, scheme):
    watched = tab(size, scheme)
    page = watched.open("/design")
    for part in PARTS:
        expect(page.locator(f"#{part}-title")).to_be_visible()
    expect(page.locator("#plot canvas")).to_be_visible()
    assert page.locator(".swatches [data-colour]").count() >= 20
    page.evaluate(AXE.read_text("utf-8"))
    assert axe_violations(page) == []
    page.locator("#open-dialog").click()
    expect(page.locator("#dialog")).to_be_visible()
    assert axe_violations(page) == []
    watched.check()
